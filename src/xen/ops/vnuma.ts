// Virtual NUMA of a domain: XEN_DOMCTL_setvnumainfo (xen/common/domctl.c, vnuma_init()) and
// XENMEM_get_vnumainfo, by which a guest and its builder read it (xen/common/memory.c).
import { VNUMA_AT as AT, DISTANCE_BYTES, VNUMA_TOPOLOGY_AT as TOPOLOGY_AT, VNUMA_NUMBER_BYTES, VNUMA_RANGE_AT } from '../../abi/layout.js';
import { readU64 } from '../../abi/u64.js';
import { ERRNO } from '../../base/errors.js';
import { DOMID_SELF } from '../../base/ids.js';
import { type Domain, MAX_NUMNODES, type VirtualNuma } from '../state/domain.js';
import { buffer, type GuestMemory } from '../state/guest-memory.js';
import type { XenState } from '../state/xen-state.js';

/** No list may be larger (XSA-77). */
const PAGE_BYTES = 4096;

/** Ranges may overlap, end before they begin or name no virtual node: Xen does not read them. */
export function setVnumaInfo(domain: Domain, memory: GuestMemory, view: DataView, at: number): number {
  const vnodes = view.getUint32(at + AT.vnodes, true);
  const ranges = view.getUint32(at + AT.ranges, true);
  const vcpus = view.getUint32(at + AT.vcpus, true);
  if (vnodes === 0 || vcpus !== domain.config.maxVcpus || view.getUint32(at + AT.pad, true) !== 0) return -ERRNO.EINVAL;
  if (vnodes ** 2 * DISTANCE_BYTES > PAGE_BYTES || ranges * AT.rangeBytes > PAGE_BYTES) return -ERRNO.EINVAL;
  const copy = (field: number, bytes: number) => copyIn(memory, readU64(view, at + field), bytes);
  const distances = copy(AT.distances, vnodes ** 2 * DISTANCE_BYTES);
  const memoryRanges = copy(AT.memory, ranges * AT.rangeBytes);
  const vcpuToVnode = copy(AT.vcpuToVnode, vcpus * VNUMA_NUMBER_BYTES);
  if (distances === undefined || memoryRanges === undefined || vcpuToVnode === undefined) return -ERRNO.EFAULT;
  if (words(vcpuToVnode).some((vnode) => vnode >= vnodes)) return -ERRNO.E2BIG;
  const pnodes = copy(AT.vnodeToPnode, vnodes * VNUMA_NUMBER_BYTES);
  if (pnodes === undefined) return -ERRNO.EFAULT;
  const vnodeToPnode = words(pnodes);
  if (vnodeToPnode.some((pnode) => pnode >= MAX_NUMNODES)) return -ERRNO.E2BIG;
  for (let i = 0; i < ranges; i++) {
    if (memoryRanges.getUint32(i * AT.rangeBytes + VNUMA_RANGE_AT.flags, true) !== 0) return -ERRNO.EINVAL;
  }
  domain.vnuma = { vnodeToPnode, vcpuToVnode, distances, ranges: memoryRanges };
  return 0;
}

/** xen_vnuma_topology_info: ranges, then distances, then vCPUs, up to the list that faults. */
export function getVnumaInfo(xen: XenState, memory: GuestMemory, view: DataView, at: number): number {
  if (view.getUint16(at + TOPOLOGY_AT.pad, true) !== 0) return -ERRNO.EINVAL;
  const domid = view.getUint16(at + TOPOLOGY_AT.domid, true);
  const domain = xen.domains.get(domid === DOMID_SELF ? 0 : domid);
  if (domain === undefined) return -ERRNO.ESRCH;
  if (domain.vnuma === null) return -ERRNO.EOPNOTSUPP;
  const { vnodeToPnode, vcpuToVnode, distances, ranges } = domain.vnuma;
  const counts = [
    [TOPOLOGY_AT.vnodes, vnodeToPnode.length],
    [TOPOLOGY_AT.vcpus, domain.config.maxVcpus],
    [TOPOLOGY_AT.ranges, ranges.byteLength / AT.rangeBytes],
  ] as const;
  const isShort = counts.some(([field, count]) => view.getUint32(at + field, true) < count);
  const lists = [
    [TOPOLOGY_AT.memory, ranges],
    [TOPOLOGY_AT.distances, distances],
    [TOPOLOGY_AT.vcpuToVnode, vcpuToVnode],
  ] as const;
  if (!isShort && !lists.every(([field, list]) => copyOut(memory, readU64(view, at + field), list))) return -ERRNO.EFAULT;
  for (const [field, count] of counts) view.setUint32(at + field, count, true);
  return isShort ? -ERRNO.ENOBUFS : 0;
}

/** As debug key 'u' prints it (xen/arch/x86/numa.c, dump_numa()). */
export function vnumaLines({ vnodeToPnode, vcpuToVnode, ranges }: VirtualNuma): string[] {
  const vnodeOf = words(vcpuToVnode);
  const lines = [`     ${vnodeToPnode.length} vnodes, ${vnodeOf.length} vcpus, guest physical layout:`];
  for (const [vnode, pnode] of vnodeToPnode.entries()) {
    lines.push(`       ${String(vnode).padStart(3)}: pnode ${String(pnode).padStart(3)}, vcpus ${vcpuRuns(vnodeOf, vnode)}`);
    for (let at = 0; at < ranges.byteLength; at += AT.rangeBytes) {
      if (ranges.getUint32(at + VNUMA_RANGE_AT.nid, true) !== vnode) continue;
      lines.push(`           ${hex(ranges, at + VNUMA_RANGE_AT.start)} - ${hex(ranges, at + VNUMA_RANGE_AT.end)}`);
    }
  }
  return lines;
}

/** A space follows each run but one that reaches the last vCPU. */
function vcpuRuns(vnodeOf: readonly number[], vnode: number): string {
  let text = '';
  for (let vcpu = 0; vcpu < vnodeOf.length; vcpu++) {
    if (vnodeOf[vcpu] !== vnode) continue;
    const first = vcpu;
    while (vnodeOf[vcpu + 1] === vnode) vcpu++;
    text += `${first}${vcpu === first ? '' : `-${vcpu}`}${vcpu === vnodeOf.length - 1 ? '' : ' '}`;
  }
  return text;
}

const hex = (view: DataView, at: number) => view.getBigUint64(at, true).toString(16).padStart(16, '0');

function words(view: DataView): number[] {
  return Array.from({ length: view.byteLength / VNUMA_NUMBER_BYTES }, (_, i) => view.getUint32(i * VNUMA_NUMBER_BYTES, true));
}

/** Undefined when the caller's memory faults; nothing is read of an empty list. */
function copyIn(memory: GuestMemory, address: number, bytes: number): DataView | undefined {
  if (bytes === 0) return new DataView(new ArrayBuffer(0));
  const found = buffer(memory, address, bytes);
  if (found === undefined) return undefined;
  const start = address - found.address;
  return new DataView(found.bytes.slice(start, start + bytes).buffer);
}

/** @returns false when the caller's memory faults */
function copyOut(memory: GuestMemory, address: number, list: DataView): boolean {
  if (list.byteLength === 0) return true;
  const found = buffer(memory, address, list.byteLength);
  found?.bytes.set(new Uint8Array(list.buffer), address - found.address);
  return found !== undefined;
}
