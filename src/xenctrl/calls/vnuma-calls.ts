// XEN_DOMCTL_setvnumainfo: the virtual nodes of a domain, which its guest reads
// (tools/libs/ctrl/xc_domain.c, xc_domain_setvnuma).
import { DOMCTL } from '../../abi/commands.js';
import { VNUMA_AT as AT, DISTANCE_BYTES, DOMCTL_AT, VNUMA_RANGE_AT as RANGE_AT, VNUMA_NUMBER_BYTES } from '../../abi/layout.js';
import { writeU64 } from '../../abi/u64.js';
import type { VirtualNumaNode, Xenctrl } from '../xenctrl.js';
import { type CallBuffers, callError } from './call-buffers.js';

const UNION = DOMCTL_AT.union;

export type VnumaCalls = Pick<Xenctrl, 'domainSetVnuma'>;

export function vnumaCalls(calls: CallBuffers): VnumaCalls {
  return { domainSetVnuma: (domid, vcpus, nodes) => domainSetVnuma(calls, domid, vcpus, nodes) };
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
