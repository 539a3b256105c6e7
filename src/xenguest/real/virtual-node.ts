// A guest's memory on one node and on no other. With a virtual node mapped to a physical one,
// libxenguest requests XENMEMF_exact_node, so an extent that the node cannot give is tried in
// smaller pieces there, not on other nodes.
import type { ContainerKind } from '../memory/guest-pages.js';
import type { DomImage } from './dom-image.js';
import { byteRanges } from './memory-layout.js';

const VMEMRANGE_BYTES = 24;

/** One virtual node with all of the guest's memory, on the physical node `pnode`. */
export function setVirtualNode(image: DomImage, kind: ContainerKind, mib: number, pnode: number): void {
  const ranges = byteRanges(kind, mib);
  const bytes = new Uint8Array(ranges.length * VMEMRANGE_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, { start, end }] of ranges.entries()) {
    view.setBigUint64(index * VMEMRANGE_BYTES, BigInt(start), true);
    view.setBigUint64(index * VMEMRANGE_BYTES + 8, BigInt(end), true);
  }
  image.setU64('vmemranges', image.allocate(bytes));
  image.setU32('nrVmemranges', ranges.length);
  const nodes = new Uint8Array(4);
  new DataView(nodes.buffer).setUint32(0, pnode, true);
  image.setU64('vnodeToPnode', image.allocate(nodes));
  image.setU32('nrVnodes', 1);
}
