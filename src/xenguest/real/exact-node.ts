// A guest's memory on one node and on no other: vmemranges with a physical node make libxenguest ask for XENMEMF_exact_node, so that an extent
// that the node cannot give is tried in smaller pieces there, not elsewhere. Box of the chart: domain_node_affinity.
import type { FlowSink } from '../../flow/record.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';
import type { XenguestArguments } from '../xenguest.js';
import type { DomImage } from './dom-image.js';
import { memoryRanges } from './memory-layout.js';

const MIB = 2 ** 20;
const VMEMRANGE_BYTES = 24;

/**
 * The node that all memory must come from: -mem_pnode; or, with keepOnNode, the one node of the domain's node affinity when it has that much
 * free. null = as node affinity says, with spilling.
 */
export function chooseExactNode(args: XenguestArguments, mib: number, xc: Xenctrl, flow: FlowSink): number | null {
  if (args.memPnode !== undefined) {
    flow.note('memory on one node only', { node: args.memPnode, because: '-mem_pnode' });
    return args.memPnode;
  }
  if (args.keepOnNode !== true) return null;
  const { nodes } = xc.numaInfo();
  const online = xc.domainNodeGetAffinity(args.domid).filter((node) => nodes[node]?.freeBytes !== null && node < nodes.length);
  const [node] = online;
  if (online.length !== 1 || node === undefined) return null;
  const freeBytes = nodes[node]?.freeBytes ?? 0;
  if (freeBytes < mib * MIB) {
    flow.note('memory not kept on one node', { node, freeMib: Math.floor(freeBytes / MIB), wantedMib: mib });
    return null;
  }
  flow.note('memory on one node only', { node, because: '-keep_on_node' });
  return node;
}

/** One virtual node with all of the guest's memory, on the physical node `pnode`. */
export function setExactNode(image: DomImage, kind: 'pv' | 'pvh', mib: number, pnode: number): void {
  const ranges = memoryRanges(kind, mib);
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
