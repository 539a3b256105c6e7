// Which node all of a guest's memory must come from, if any: what a builder is asked, and what the host has. Box of the chart:
// domain_node_affinity.

import { formatList } from '../../base/bitset.js';
import { MIB } from '../../base/units.js';
import type { FlowSink } from '../../flow/record.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';
import type { XenguestArguments } from '../xenguest.js';

/**
 * -mem_pnode names the node, the one way that libxenguest has to do so; keepOnNode means the one node with memory of the domain's node affinity,
 * when it has that much free.
 * @param mib memory that the guest is built with
 * @returns null = as node affinity says, with spilling
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
