// Calls about the machine: physinfo, numainfo, cputopoinfo, CPU hotplug. Box of the chart: libxenctrl.

import { SYSCTL } from '../../abi/commands.js';
import {
  AVAILHEAP_AT,
  CPU_HOTPLUG_AT,
  CPU_HOTPLUG_OP,
  CPUTOPO_AT,
  NONE_U32,
  NUMAINFO_AT,
  PHYSINFO_AT,
  PHYSINFO_PAGES_AT,
  SYSCTL_AT,
} from '../../abi/layout.js';
import { readWord, writeWord } from '../../abi/words.js';
import { PAGE_BYTES } from '../../base/units.js';
import type { CpuTopology, NumaInfo, NumaNodeInfo, PhysInfo, Xenctrl } from '../xenctrl.js';
import { type CallBuffers, callError } from './call-buffers.js';

const AT = SYSCTL_AT.union;

export type HostCalls = Pick<Xenctrl, 'physInfo' | 'numaInfo' | 'cpuTopology' | 'availHeap' | 'cpuOnline' | 'cpuOffline'>;

export function hostCalls(calls: CallBuffers): HostCalls {
  return {
    physInfo: () => physInfo(calls),
    numaInfo: () => numaInfo(calls),
    cpuTopology: () => cpuTopology(calls),
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
    totalPages: readWord(view, pagesAt + PHYSINFO_PAGES_AT.total),
    freePages: readWord(view, pagesAt + PHYSINFO_PAGES_AT.free),
    scrubPages: readWord(view, pagesAt + PHYSINFO_PAGES_AT.scrub),
    outstandingPages: readWord(view, pagesAt + PHYSINFO_PAGES_AT.outstanding),
  };
}

/** The distance array's stride is the count that comes back (sysctl.c, XEN_SYSCTL_numainfo). */
function numaInfo(calls: CallBuffers): NumaInfo {
  const call = 'xc_numainfo';
  const asked = sizeQuery(calls, SYSCTL.numainfo, NUMAINFO_AT.nodes, call);
  const memory = calls.buffer('list', asked * NUMAINFO_AT.memoryBytes);
  const distances = calls.buffer('distances', asked * asked * 4);
  const view = calls.startSysctl(SYSCTL.numainfo);
  view.setUint32(AT + NUMAINFO_AT.nodes, asked, true);
  writeWord(view, AT + NUMAINFO_AT.memory, memory.address);
  writeWord(view, AT + NUMAINFO_AT.distances, distances.address);
  const result = calls.sysctl();
  if (result < 0) throw callError(result, call);
  const count = Math.min(asked, view.getUint32(AT + NUMAINFO_AT.nodes, true));
  const claimed = calls.door.claimedPages?.() ?? [];
  const nodes: NumaNodeInfo[] = [];
  const rows: number[][] = [];
  for (let node = 0; node < count; node++) {
    const size = readWord(memory.view, node * NUMAINFO_AT.memoryBytes);
    const offline = size === NONE_U32;
    nodes.push({
      sizeBytes: offline ? null : size,
      freeBytes: offline ? null : readWord(memory.view, node * NUMAINFO_AT.memoryBytes + 8),
      claimedBytes: (claimed[node] ?? 0) * PAGE_BYTES,
    });
    const row: number[] = new Array<number>(count);
    for (let other = 0; other < count; other++) row[other] = distances.view.getUint32((node * count + other) * 4, true);
    rows.push(row);
  }
  return { nodes, distances: rows };
}

function cpuTopology(calls: CallBuffers): (CpuTopology | null)[] {
  const call = 'xc_cputopoinfo';
  const asked = sizeQuery(calls, SYSCTL.cputopoinfo, CPUTOPO_AT.cpus, call);
  const entries = calls.buffer('list', asked * CPUTOPO_AT.entryBytes);
  const view = calls.startSysctl(SYSCTL.cputopoinfo);
  view.setUint32(AT + CPUTOPO_AT.cpus, asked, true);
  writeWord(view, AT + CPUTOPO_AT.entries, entries.address);
  const result = calls.sysctl();
  if (result < 0) throw callError(result, call);
  const count = Math.min(asked, view.getUint32(AT + CPUTOPO_AT.cpus, true));
  const cpus: (CpuTopology | null)[] = [];
  for (let cpu = 0; cpu < count; cpu++) {
    const at = cpu * CPUTOPO_AT.entryBytes;
    const core = entries.view.getUint32(at, true);
    const socket = entries.view.getUint32(at + 4, true);
    const node = entries.view.getUint32(at + 8, true);
    cpus.push(node === NONE_U32 ? null : { core, socket, node });
  }
  return cpus;
}

/** maxBits 0 = no bound. */
function availHeap(calls: CallBuffers, node: number, maxBits: number): number {
  const view = calls.startSysctl(SYSCTL.availheap);
  view.setUint32(AT + AVAILHEAP_AT.maxBits, maxBits, true);
  view.setInt32(AT + AVAILHEAP_AT.node, node, true);
  const result = calls.sysctl();
  if (result < 0) throw callError(result, `xc_availheap(node ${node}, ${maxBits} bits)`);
  return readWord(view, AT + AVAILHEAP_AT.bytes);
}

/** Null handles ask for the count. */
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
