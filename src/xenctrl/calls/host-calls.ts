// Calls about the machine: physinfo, numainfo, cputopoinfo, CPU hotplug.

import { SYSCTL } from '../../abi/commands.js';
import {
  AVAILHEAP_AT,
  CPU_HOTPLUG_AT,
  CPU_HOTPLUG_OP,
  CPUINFO_AT,
  CPUTOPO_AT,
  CPUTOPOINFO_AT,
  DISTANCE_BYTES,
  MEMINFO_AT,
  NONE_U32,
  NUMAINFO_AT,
  PHYSCAP,
  PHYSINFO_AT,
  PHYSINFO_PAGES_AT,
  SYSCTL_AT,
} from '../../abi/layout.js';
import { readU64, writeU64 } from '../../abi/u64.js';
import { ERRNO } from '../../base/errors.js';
import { PAGE_BYTES } from '../../base/units.js';
import type { CpuTopology, NumaInfo, NumaNodeInfo, PhysInfo, Xenctrl } from '../xenctrl.js';
import { type CallBuffers, callError } from './call-buffers.js';

const AT = SYSCTL_AT.union;

export type HostCalls = Pick<Xenctrl, 'physInfo' | 'numaInfo' | 'cpuTopology' | 'cpuIdleNs' | 'availHeap' | 'cpuOnline' | 'cpuOffline'>;

export function hostCalls(calls: CallBuffers): HostCalls {
  return {
    physInfo: () => physInfo(calls),
    numaInfo: () => numaInfo(calls),
    cpuTopology: () => cpuTopology(calls),
    cpuIdleNs: (cpus) => cpuIdleNs(calls, cpus),
    availHeap: (node, maxBits = 0) => availHeap(calls, node, maxBits),
    cpuOnline: (cpu) => hotplug(calls, cpu, CPU_HOTPLUG_OP.online, 'xc_cpu_online'),
    cpuOffline: (cpu) => hotplug(calls, cpu, CPU_HOTPLUG_OP.offline, 'xc_cpu_offline'),
  };
}

export function physInfo(calls: CallBuffers): PhysInfo {
  const view = calls.startSysctl(SYSCTL.physinfo);
  const result = calls.sysctl();
  if (result < 0) throw callError(result, 'xc_physinfo');
  const pagesAt = AT + calls.abi.physinfoPagesAt;
  return {
    onlineCpus: view.getUint32(AT + PHYSINFO_AT.cpus, true),
    maxCpuId: view.getUint32(AT + PHYSINFO_AT.maxCpuId, true),
    nodes: view.getUint32(AT + PHYSINFO_AT.nodes, true),
    threadsPerCore: view.getUint32(AT + PHYSINFO_AT.threadsPerCore, true),
    coresPerSocket: view.getUint32(AT + PHYSINFO_AT.coresPerSocket, true),
    totalPages: readU64(view, pagesAt + PHYSINFO_PAGES_AT.total),
    freePages: readU64(view, pagesAt + PHYSINFO_PAGES_AT.free),
    scrubPages: readU64(view, pagesAt + PHYSINFO_PAGES_AT.scrub),
    outstandingPages: readU64(view, pagesAt + PHYSINFO_PAGES_AT.outstanding),
    hasShadow: (view.getUint32(AT + PHYSINFO_AT.capabilities, true) & PHYSCAP.shadow) !== 0,
  };
}

/** The distance array's stride is the count that comes back (sysctl.c, XEN_SYSCTL_numainfo). */
function numaInfo(calls: CallBuffers): NumaInfo {
  const call = 'xc_numainfo';
  const maxNodes = sizeQuery(calls, SYSCTL.numainfo, NUMAINFO_AT.nodes, call);
  const memory = calls.buffer('list', maxNodes * MEMINFO_AT.sizeBytes);
  const distances = calls.buffer('distances', maxNodes * maxNodes * DISTANCE_BYTES);
  const view = calls.startSysctl(SYSCTL.numainfo);
  view.setUint32(AT + NUMAINFO_AT.nodes, maxNodes, true);
  writeU64(view, AT + NUMAINFO_AT.memory, memory.address);
  writeU64(view, AT + NUMAINFO_AT.distances, distances.address);
  const result = calls.sysctl();
  if (result < 0) throw callError(result, call);
  const count = Math.min(maxNodes, view.getUint32(AT + NUMAINFO_AT.nodes, true));
  const claimed = calls.inspection?.claimedPages() ?? [];
  const nodes: NumaNodeInfo[] = [];
  const rows: number[][] = [];
  for (let node = 0; node < count; node++) {
    const entry = node * MEMINFO_AT.sizeBytes;
    const size = readU64(memory.view, entry + MEMINFO_AT.size);
    const offline = size === NONE_U32;
    nodes.push({
      sizeBytes: offline ? null : size,
      freeBytes: offline ? null : readU64(memory.view, entry + MEMINFO_AT.free),
      claimedBytes: (claimed[node] ?? 0) * PAGE_BYTES,
    });
    const row: number[] = new Array<number>(count);
    for (let other = 0; other < count; other++) row[other] = distances.view.getUint32((node * count + other) * DISTANCE_BYTES, true);
    rows.push(row);
  }
  return { nodes, distances: rows };
}

function cpuTopology(calls: CallBuffers): (CpuTopology | null)[] {
  const call = 'xc_cputopoinfo';
  const maxCpus = sizeQuery(calls, SYSCTL.cputopoinfo, CPUTOPOINFO_AT.cpus, call);
  const entries = calls.buffer('list', maxCpus * CPUTOPO_AT.sizeBytes);
  const view = calls.startSysctl(SYSCTL.cputopoinfo);
  view.setUint32(AT + CPUTOPOINFO_AT.cpus, maxCpus, true);
  writeU64(view, AT + CPUTOPOINFO_AT.entries, entries.address);
  const result = calls.sysctl();
  if (result < 0) throw callError(result, call);
  const count = Math.min(maxCpus, view.getUint32(AT + CPUTOPOINFO_AT.cpus, true));
  const cpus: (CpuTopology | null)[] = [];
  for (let cpu = 0; cpu < count; cpu++) {
    const at = cpu * CPUTOPO_AT.sizeBytes;
    const core = entries.view.getUint32(at + CPUTOPO_AT.core, true);
    const socket = entries.view.getUint32(at + CPUTOPO_AT.socket, true);
    const node = entries.view.getUint32(at + CPUTOPO_AT.node, true);
    cpus.push(node === NONE_U32 ? null : { core, socket, node });
  }
  return cpus;
}

/** The embedded Xen has no clock and does not know the call. */
function cpuIdleNs(calls: CallBuffers, cpus: number): number[] | null {
  const entries = calls.buffer('list', cpus * CPUINFO_AT.entryBytes);
  const view = calls.startSysctl(SYSCTL.getcpuinfo);
  view.setUint32(AT + CPUINFO_AT.most, cpus, true);
  writeU64(view, AT + CPUINFO_AT.entries, entries.address);
  const result = calls.sysctl();
  if (result === -ERRNO.ENOSYS) return null;
  if (result < 0) throw callError(result, 'xc_getcpuinfo');
  const count = Math.min(cpus, view.getUint32(AT + CPUINFO_AT.count, true));
  return Array.from({ length: count }, (_, cpu) => readU64(entries.view, cpu * CPUINFO_AT.entryBytes));
}

/** maxBits 0 = no bound. */
function availHeap(calls: CallBuffers, node: number, maxBits: number): number {
  const view = calls.startSysctl(SYSCTL.availheap);
  view.setUint32(AT + AVAILHEAP_AT.maxBits, maxBits, true);
  view.setInt32(AT + AVAILHEAP_AT.node, node, true);
  const result = calls.sysctl();
  if (result < 0) throw callError(result, `xc_availheap(node ${node}, ${maxBits} bits)`);
  return readU64(view, AT + AVAILHEAP_AT.bytes);
}

/** With null handles Xen answers the count. */
function sizeQuery(calls: CallBuffers, cmd: number, countAt: number, call: string): number {
  const view = calls.startSysctl(cmd);
  const result = calls.sysctl();
  if (result < 0) throw callError(result, call);
  return view.getUint32(AT + countAt, true);
}

function hotplug(calls: CallBuffers, cpu: number, op: number, call: string): void {
  const view = calls.startSysctl(SYSCTL.cpu_hotplug);
  view.setUint32(AT + CPU_HOTPLUG_AT.cpu, cpu, true);
  view.setUint32(AT + CPU_HOTPLUG_AT.op, op, true);
  const result = calls.sysctl();
  if (result < 0) throw callError(result, `${call}(cpu ${cpu})`);
}
