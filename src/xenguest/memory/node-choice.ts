// The one node that all of a guest's memory must come from, if any, by the builder's arguments and
// the node's free memory.

import { formatList } from '../../base/bitset.js';
import { MIB } from '../../base/units.js';
import type { FlowSink } from '../../flow/record.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';
import type { XenguestArguments } from '../xenguest.js';

/**
 * -mem_pnode names the node. -keep_on_node means the only node with memory in the domain's node
 * affinity, if it has enough free.
 * @param mib memory that the guest is built with
 * @returns null = the node affinity decides, and memory may spill to other nodes
 */
export function chooseExactNode(args: XenguestArguments, mib: number, xc: Xenctrl, flow: FlowSink): number | null {
  if (args.memPnode !== undefined) {
    flow.note('memory on one node only', { node: args.memPnode, because: '-mem_pnode' });
    return args.memPnode;
  }
  if (args.keepOnNode !== true) return null;
  const free = xc.numaInfo().nodes.map(({ freeBytes }) => freeBytes);
  const affinity = xc.domainNodeGetAffinity(args.domid).filter((node) => (free[node] ?? null) !== null);
  const [node] = affinity;
  if (affinity.length !== 1 || node === undefined) {
    flow.note('memory not kept on one node', { nodes: formatList(affinity) });
    return null;
  }
  const freeMib = Math.floor(free[node]! / MIB);
  if (freeMib < mib) {
    flow.note('memory not kept on one node', { node, freeMib, wantedMib: mib });
    return null;
  }
  flow.note('memory on one node only', { node, because: '-keep_on_node' });
  return node;
}
