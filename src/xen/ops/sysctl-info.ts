// What Xen tells of the machine: physinfo, numainfo, cputopoinfo, availheap (xen/common/sysctl.c). Box of the chart: Xen hypervisor.

import { ERRNO } from '../../base/errors.js';
import { PAGE_BYTES } from '../../base/units.js';
import { ZONE_MAX, ZONE_MIN } from '../heap/free-heap.js';
import { MAX_NUMNODES } from '../state/domain.js';
import { buffer, type GuestMemory, readWord, writeWord } from '../state/guest-memory.js';
import { bitsToZone, type XenMachine } from '../state/machine.js';
import type { XenState } from '../state/xen-state.js';

const NONE = 0xffffffff;
const CAPABILITIES = 1 | 2 | 4 | 8 | 16;

/** Of each machine, which never changes; physinfo is asked before every VM's start. */
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
  view.setUint32(at, threadsPerCore, true);
  view.setUint32(at + 4, coresPerSocket, true);
  view.setUint32(at + 8, xen.cpu.online.size, true);
  view.setUint32(at + 12, xen.nrCpuIds - 1, true);
  view.setUint32(at + 16, xen.onlineNodes.size, true);
  view.setUint32(at + 20, MAX_NUMNODES - 1, true);
  view.setUint32(at + 24, 0, true);
  view.setUint32(at + 28, CAPABILITIES, true);
  const pagesAt = at + version.physinfoPagesAt;
  if (pagesAt > at + 32) writeWord(view, at + 32, 0);
  const total = machine.nodes.reduce((sum, node) => sum + node.endMfn - node.startMfn, 0);
  const last = machine.nodes.reduce((most, node) => Math.max(most, node.endMfn), 0);
  writeWord(view, pagesAt, total);
  writeWord(view, pagesAt + 8, heap.freePages());
  writeWord(view, pagesAt + 16, 0);
  writeWord(view, pagesAt + 24, heap.outstandingPages);
  writeWord(view, pagesAt + 32, Math.max(0, last - 1));
  for (let i = 0; i < 32; i++) view.setUint8(pagesAt + 40 + i, 0);
  return 0;
}

/** Both handles null asks for the count; otherwise no more nodes than the caller has room for, and the stride is what is returned. */
export function numaInfo(xen: XenState, memory: GuestMemory, view: DataView, at: number): number {
  const { machine, heap } = xen;
  const infoAddress = readWord(view, at + 8);
  const distanceAddress = readWord(view, at + 16);
  let count = machine.nodes.length;
  if (infoAddress !== 0 || distanceAddress !== 0) {
    count = Math.min(count, view.getUint32(at, true));
    const info = infoAddress === 0 ? undefined : buffer(memory, infoAddress, count * 16);
    const distances = distanceAddress === 0 ? undefined : buffer(memory, distanceAddress, count * count * 4);
    if ((infoAddress !== 0 && info === undefined) || (distanceAddress !== 0 && distances === undefined)) return -ERRNO.EFAULT;
    for (let i = 0; i < count; i++) {
      const node = machine.nodes[i]!;
      if (info !== undefined) {
        const entry = infoAddress - info.address + i * 16;
        writeWord(info.view, entry, (node.endMfn - node.startMfn) * PAGE_BYTES);
        writeWord(info.view, entry + 8, heap.nodes[i]!.freePages * PAGE_BYTES);
      }
      if (distances === undefined) continue;
      for (let j = 0; j < count; j++) {
        distances.view.setUint32(distanceAddress - distances.address + (i * count + j) * 4, machine.distances[i]![j]!, true);
      }
    }
  }
  view.setUint32(at, count, true);
  return 0;
}

/** Up to the last CPU that is online; an offline one before it keeps its place. */
export function cpuTopoInfo(xen: XenState, memory: GuestMemory, view: DataView, at: number): number {
  let count = xen.nrCpuIds;
  while (count > 0 && !xen.cpu.online.has(count - 1)) count--;
  const address = readWord(view, at + 8);
  if (address !== 0) {
    count = Math.min(count, view.getUint32(at, true));
    const found = buffer(memory, address, count * 12);
    if (found === undefined) return -ERRNO.EFAULT;
    for (let i = 0; i < count; i++) {
      const cpu = xen.machine.cpus[i] ?? null;
      const entry = address - found.address + i * 12;
      found.view.setUint32(entry, cpu === null ? NONE : cpu.core, true);
      found.view.setUint32(entry + 4, cpu === null ? NONE : cpu.socket, true);
      found.view.setUint32(entry + 8, cpu === null ? NONE : cpu.node, true);
    }
  }
  view.setUint32(at, count, true);
  return 0;
}

/** Free bytes of a node (negative: of all) below and above address widths. */
export function availHeap(xen: XenState, view: DataView, at: number): number {
  const lowBits = view.getUint32(at, true);
  const highBits = view.getUint32(at + 4, true);
  const node = view.getInt32(at + 8, true);
  const low = lowBits === 0 ? ZONE_MIN : Math.min(bitsToZone(lowBits) + 1, ZONE_MAX);
  const high = highBits === 0 ? ZONE_MAX : bitsToZone(highBits);
  let pages = 0;
  xen.heap.nodes.forEach((heap, index) => {
    if (node < 0 || node === index) pages += heap.zonesFree(low, high);
  });
  writeWord(view, at + 16, pages * PAGE_BYTES);
  return 0;
}
