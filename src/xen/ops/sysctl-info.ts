// Xen's report of the machine: physinfo, numainfo, cputopoinfo, availheap (xen/common/sysctl.c).
import {
  AVAILHEAP_AT,
  CPUTOPO_AT,
  CPUTOPOINFO_AT,
  DISTANCE_BYTES,
  HW_CAP_BYTES,
  MEMINFO_AT,
  NONE_U32,
  NUMAINFO_AT,
  PHYSCAP,
  PHYSINFO_AT,
  PHYSINFO_PAGES_AT,
} from '../../abi/layout.js';
import { readU64, writeU64 } from '../../abi/u64.js';
import { ERRNO } from '../../base/errors.js';
import { PAGE_BYTES } from '../../base/units.js';
import { ZONE_MAX, ZONE_MIN } from '../heap/free-heap.js';
import { MAX_NUMNODES } from '../state/domain.js';
import { buffer, type GuestMemory } from '../state/guest-memory.js';
import { bitsToZone, type XenMachine } from '../state/machine.js';
import type { XenState } from '../state/xen-state.js';

const CAPABILITIES = PHYSCAP.hvm | PHYSCAP.pv | PHYSCAP.directio | PHYSCAP.hap | PHYSCAP.shadow;

const ABSENT_CPU = { core: NONE_U32, socket: NONE_U32, node: NONE_U32 } as const;

/** By machine, which never changes: every start of a VM calls physinfo. */
const SHAPES = new WeakMap<XenMachine, { readonly threadsPerCore: number; readonly coresPerSocket: number }>();

function shapeOf(machine: XenMachine) {
  let shape = SHAPES.get(machine);
  if (shape === undefined) {
    const present = machine.cpus.filter((cpu) => cpu !== null);
    const cores = new Set(present.map((cpu) => `${cpu.socket}/${cpu.core}`)).size;
    const sockets = Math.max(1, new Set(present.map((cpu) => cpu.socket)).size);
    shape = {
      threadsPerCore: Math.max(1, Math.round(present.length / Math.max(1, cores))),
      coresPerSocket: Math.max(1, Math.round(cores / sockets)),
    };
    SHAPES.set(machine, shape);
  }
  return shape;
}

export function physInfo(xen: XenState, view: DataView, at: number): number {
  const { machine, heap, version } = xen;
  const { threadsPerCore, coresPerSocket } = shapeOf(machine);
  view.setUint32(at + PHYSINFO_AT.threadsPerCore, threadsPerCore, true);
  view.setUint32(at + PHYSINFO_AT.coresPerSocket, coresPerSocket, true);
  view.setUint32(at + PHYSINFO_AT.cpus, xen.cpu.online.size, true);
  view.setUint32(at + PHYSINFO_AT.maxCpuId, xen.nrCpuIds - 1, true);
  view.setUint32(at + PHYSINFO_AT.nodes, xen.onlineNodes.size, true);
  view.setUint32(at + PHYSINFO_AT.maxNodeId, MAX_NUMNODES - 1, true);
  view.setUint32(at + PHYSINFO_AT.khz, 0, true);
  view.setUint32(at + PHYSINFO_AT.capabilities, CAPABILITIES, true);
  if (version.physinfoPagesAt > PHYSINFO_AT.archCapabilities) writeU64(view, at + PHYSINFO_AT.archCapabilities, 0);
  const pagesAt = at + version.physinfoPagesAt;
  const total = machine.nodes.reduce((sum, node) => sum + node.endMfn - node.startMfn, 0);
  const last = machine.nodes.reduce((most, node) => Math.max(most, node.endMfn), 0);
  writeU64(view, pagesAt + PHYSINFO_PAGES_AT.total, total);
  writeU64(view, pagesAt + PHYSINFO_PAGES_AT.free, heap.freePages());
  writeU64(view, pagesAt + PHYSINFO_PAGES_AT.scrub, 0);
  writeU64(view, pagesAt + PHYSINFO_PAGES_AT.outstanding, heap.outstandingPages);
  writeU64(view, pagesAt + PHYSINFO_PAGES_AT.maxMfn, Math.max(0, last - 1));
  for (let i = 0; i < HW_CAP_BYTES; i++) view.setUint8(pagesAt + PHYSINFO_PAGES_AT.hwCap + i, 0);
  return 0;
}

/**
 * Both handles null asks for the count; otherwise no more nodes than the caller has room for, and
 * the stride is what is returned.
 */
export function numaInfo(xen: XenState, memory: GuestMemory, view: DataView, at: number): number {
  const { machine, heap } = xen;
  const infoAddress = readU64(view, at + NUMAINFO_AT.memory);
  const distanceAddress = readU64(view, at + NUMAINFO_AT.distances);
  let count = machine.nodes.length;
  if (infoAddress !== 0 || distanceAddress !== 0) {
    count = Math.min(count, view.getUint32(at + NUMAINFO_AT.nodes, true));
    const info = infoAddress === 0 ? undefined : buffer(memory, infoAddress, count * MEMINFO_AT.sizeBytes);
    const distances = distanceAddress === 0 ? undefined : buffer(memory, distanceAddress, count * count * DISTANCE_BYTES);
    if ((infoAddress !== 0 && info === undefined) || (distanceAddress !== 0 && distances === undefined)) return -ERRNO.EFAULT;
    for (let i = 0; i < count; i++) {
      const node = machine.nodes[i]!;
      if (info !== undefined) {
        const entry = infoAddress - info.address + i * MEMINFO_AT.sizeBytes;
        writeU64(info.view, entry + MEMINFO_AT.size, (node.endMfn - node.startMfn) * PAGE_BYTES);
        writeU64(info.view, entry + MEMINFO_AT.free, heap.nodes[i]!.freePages * PAGE_BYTES);
      }
      if (distances === undefined) continue;
      const row = distanceAddress - distances.address + i * count * DISTANCE_BYTES;
      for (let j = 0; j < count; j++) distances.view.setUint32(row + j * DISTANCE_BYTES, machine.distances[i]![j]!, true);
    }
  }
  view.setUint32(at + NUMAINFO_AT.nodes, count, true);
  return 0;
}

/** Up to the last CPU that is online; an offline one before it keeps its place. */
export function cpuTopoInfo(xen: XenState, memory: GuestMemory, view: DataView, at: number): number {
  let count = xen.nrCpuIds;
  while (count > 0 && !xen.cpu.online.has(count - 1)) count--;
  const address = readU64(view, at + CPUTOPOINFO_AT.entries);
  if (address !== 0) {
    count = Math.min(count, view.getUint32(at + CPUTOPOINFO_AT.cpus, true));
    const found = buffer(memory, address, count * CPUTOPO_AT.sizeBytes);
    if (found === undefined) return -ERRNO.EFAULT;
    for (let i = 0; i < count; i++) {
      const cpu = xen.machine.cpus[i] ?? ABSENT_CPU;
      const entry = address - found.address + i * CPUTOPO_AT.sizeBytes;
      found.view.setUint32(entry + CPUTOPO_AT.core, cpu.core, true);
      found.view.setUint32(entry + CPUTOPO_AT.socket, cpu.socket, true);
      found.view.setUint32(entry + CPUTOPO_AT.node, cpu.node, true);
    }
  }
  view.setUint32(at + CPUTOPOINFO_AT.cpus, count, true);
  return 0;
}

/** Free bytes of a node (negative: of all) below and above address widths. */
export function availHeap(xen: XenState, view: DataView, at: number): number {
  const lowBits = view.getUint32(at + AVAILHEAP_AT.minBits, true);
  const highBits = view.getUint32(at + AVAILHEAP_AT.maxBits, true);
  const node = view.getInt32(at + AVAILHEAP_AT.node, true);
  const low = lowBits === 0 ? ZONE_MIN : Math.min(bitsToZone(lowBits) + 1, ZONE_MAX);
  const high = highBits === 0 ? ZONE_MAX : bitsToZone(highBits);
  let pages = 0;
  xen.heap.nodes.forEach((heap, index) => {
    if (node < 0 || node === index) pages += heap.zonesFree(low, high);
  });
  writeU64(view, at + AVAILHEAP_AT.bytes, pages * PAGE_BYTES);
  return 0;
}
