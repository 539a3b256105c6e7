// A guest's memory on given nodes and on no others. With virtual nodes mapped to physical ones,
// libxenguest requests XENMEMF_exact_node, so an extent that the node cannot give is tried in
// smaller pieces there, not on other nodes.
import { PAGE_BYTES, PAGES_PER_MIB } from '../../base/units.js';
import { type ContainerKind, pfnRanges } from '../memory/guest-pages.js';
import { nodeRanges } from '../memory/populate-guest.js';
import type { VnodeMemory } from '../xenguest.js';
import type { DomImage } from './dom-image.js';

/** xen_vmemrange (xen/include/public/memory.h). */
const AT = { start: 0, end: 8, nid: 20 } as const;
const RANGE_BYTES = 24;

/** @param vnodes virtual nodes in order, with all of the guest's `mib` together */
export function setVirtualNodes(image: DomImage, kind: ContainerKind, mib: number, vnodes: readonly VnodeMemory[]): void {
  const ids = vnodes.map(({ pages }, node) => ({ node, pages }));
  const ranges = nodeRanges(pfnRanges(kind, mib * PAGES_PER_MIB), ids);
  const bytes = new Uint8Array(ranges.length * RANGE_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, { range, node }] of ranges.entries()) {
    const at = index * RANGE_BYTES;
    view.setBigUint64(at + AT.start, BigInt(range.start * PAGE_BYTES), true);
    view.setBigUint64(at + AT.end, BigInt(range.end * PAGE_BYTES), true);
    view.setUint32(at + AT.nid, node!, true);
  }
  image.setU64('vmemranges', image.allocate(bytes));
  image.setU32('nrVmemranges', ranges.length);
  const nodes = new Uint8Array(vnodes.length * 4);
  for (const [index, { node }] of vnodes.entries()) new DataView(nodes.buffer).setUint32(index * 4, node, true);
  image.setU64('vnodeToPnode', image.allocate(nodes));
  image.setU32('nrVnodes', vnodes.length);
}
