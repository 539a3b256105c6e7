// The virtual nodes of a domain, which its guest reads: XEN_DOMCTL_setvnumainfo and
// XENMEM_get_vnumainfo (tools/libs/ctrl/xc_domain.c, xc_domain_setvnuma and xc_domain_getvnuma).
import { DOMCTL, XENMEM } from '../../abi/commands.js';
import {
  VNUMA_AT as AT,
  DISTANCE_BYTES,
  DOMCTL_AT,
  VNUMA_RANGE_AT as RANGE_AT,
  VNUMA_TOPOLOGY_AT as TOPOLOGY_AT,
  VNUMA_NUMBER_BYTES,
} from '../../abi/layout.js';
import { readU64, writeU64 } from '../../abi/u64.js';
import { ERRNO } from '../../base/errors.js';
import type { GuestVnuma, VirtualNumaNode, Xenctrl } from '../xenctrl.js';
import { type CallBuffers, callError } from './call-buffers.js';

const UNION = DOMCTL_AT.union;

export type VnumaCalls = Pick<Xenctrl, 'domainSetVnuma' | 'domainGetVnuma'>;

export function vnumaCalls(calls: CallBuffers): VnumaCalls {
  return {
    domainSetVnuma: (domid, vcpus, nodes) => domainSetVnuma(calls, domid, vcpus, nodes),
    domainGetVnuma: (domid) => domainGetVnuma(calls, domid),
  };
}

function domainSetVnuma(calls: CallBuffers, domid: number, vcpus: number, nodes: readonly VirtualNumaNode[]): void {
  const ranges = nodes.flatMap((node, nid) => node.ranges.map((range) => ({ ...range, nid })));
  // The entries of 8 bytes come first, so that all are aligned.
  const distancesAt = ranges.length * AT.rangeBytes;
  const vnodesAt = distancesAt + nodes.length ** 2 * DISTANCE_BYTES;
  const pnodesAt = vnodesAt + vcpus * VNUMA_NUMBER_BYTES;
  const arrays = calls.buffer('list', pnodesAt + nodes.length * VNUMA_NUMBER_BYTES);
  arrays.bytes.fill(0);
  ranges.forEach(({ start, end, nid }, index) => {
    const at = index * AT.rangeBytes;
    writeU64(arrays.view, at + RANGE_AT.start, start);
    writeU64(arrays.view, at + RANGE_AT.end, end);
    arrays.view.setUint32(at + RANGE_AT.nid, nid, true);
  });
  nodes.forEach((node, nid) => {
    node.distances.forEach((distance, to) => {
      arrays.view.setUint32(distancesAt + (nid * nodes.length + to) * DISTANCE_BYTES, distance, true);
    });
    for (const vcpu of node.vcpus) arrays.view.setUint32(vnodesAt + vcpu * VNUMA_NUMBER_BYTES, nid, true);
    arrays.view.setUint32(pnodesAt + nid * VNUMA_NUMBER_BYTES, node.pnode, true);
  });
  const view = calls.startDomctl(DOMCTL.setvnumainfo, domid);
  view.setUint32(UNION + AT.vnodes, nodes.length, true);
  view.setUint32(UNION + AT.ranges, ranges.length, true);
  view.setUint32(UNION + AT.vcpus, vcpus, true);
  writeU64(view, UNION + AT.memory, arrays.address);
  writeU64(view, UNION + AT.distances, arrays.address + distancesAt);
  writeU64(view, UNION + AT.vcpuToVnode, arrays.address + vnodesAt);
  writeU64(view, UNION + AT.vnodeToPnode, arrays.address + pnodesAt);
  const result = calls.domctl();
  calls.trim('list');
  if (result < 0) throw callError(result, `xc_domain_setvnuma(domid ${domid}, ${nodes.length} virtual nodes)`);
}

function domainGetVnuma(calls: CallBuffers, domid: number): GuestVnuma | null {
  const { bytes, view } = calls.op;
  const failure = (result: number) => callError(result, `xc_domain_getvnuma(domid ${domid})`);
  bytes.fill(0);
  view.setUint16(TOPOLOGY_AT.domid, domid, true);
  // Without room for the lists, Xen answers how long they are.
  const sized = calls.memoryOp(XENMEM.get_vnumainfo);
  if (sized === -ERRNO.EOPNOTSUPP) return null;
  if (sized !== -ERRNO.ENOBUFS) throw failure(sized);
  const [vnodes, vcpus, ranges] = [TOPOLOGY_AT.vnodes, TOPOLOGY_AT.vcpus, TOPOLOGY_AT.ranges].map((at) => view.getUint32(at, true));
  const distancesAt = ranges! * AT.rangeBytes;
  const vcpusAt = distancesAt + vnodes! ** 2 * DISTANCE_BYTES;
  const lists = calls.buffer('list', vcpusAt + vcpus! * VNUMA_NUMBER_BYTES);
  writeU64(view, TOPOLOGY_AT.memory, lists.address);
  writeU64(view, TOPOLOGY_AT.distances, lists.address + distancesAt);
  writeU64(view, TOPOLOGY_AT.vcpuToVnode, lists.address + vcpusAt);
  const result = calls.memoryOp(XENMEM.get_vnumainfo);
  if (result < 0) throw failure(result);
  const word = (at: number) => lists.view.getUint32(at, true);
  const times = <T>(count: number, entry: (index: number) => T) => Array.from({ length: count }, (_, index) => entry(index));
  return {
    vcpuToVnode: times(vcpus!, (vcpu) => word(vcpusAt + vcpu * VNUMA_NUMBER_BYTES)),
    distances: times(vnodes!, (from) => times(vnodes!, (to) => word(distancesAt + (from * vnodes! + to) * DISTANCE_BYTES))),
    ranges: times(ranges!, (index) => {
      const at = index * AT.rangeBytes;
      return {
        start: readU64(lists.view, at + RANGE_AT.start),
        end: readU64(lists.view, at + RANGE_AT.end),
        vnode: word(at + RANGE_AT.nid),
      };
    }),
  };
}
