// XenServer's NUMA figures of a VM, as VM_metrics publishes them, and the 16 MiB bound: a node with
// no more of a VM's memory does not count. Source: xen-api e2ee48d6, numa_optimised, numa_nodes and
// numa_node_memory.
import { PAGE_BYTES } from '../base/units.js';

/** A node that holds this many pages of a VM or fewer (16 MiB) does not count. */
export const IGNORED_PAGES = 4096;

/** Does a node with so many pages of a VM count among the nodes of its memory? */
export function nodeCounts(pages: number): boolean {
  return pages > IGNORED_PAGES;
}

/** The nodes that count, ascending. `pages`: index = node. */
export function countedNodes(pages: readonly number[]): number[] {
  return pages.flatMap((count, node) => (nodeCounts(count) ? [node] : []));
}

/**
 * The nodes that count, or every node with a page for a domain that has no more anywhere.
 * Ascending.
 */
export function holdingNodes(pages: readonly number[]): number[] {
  const counted = countedNodes(pages);
  return counted.length > 0 ? counted : pages.flatMap((count, node) => (count > 0 ? [node] : []));
}

/** Under XenServer's own names. */
export interface NumaMetrics {
  /** The memory is on one node, or on fewer nodes than the host has. */
  readonly numa_optimised: boolean;
  /** How many nodes count. */
  readonly numa_nodes: number;
  /** Bytes by node number, for the nodes that count. */
  readonly numa_node_memory: Readonly<Record<number, number>>;
}

/** `pages`: of a running VM, index = node. `hostNodes`: how many nodes the host has. */
export function numaMetrics(pages: readonly number[], hostNodes: number): NumaMetrics {
  const counted = countedNodes(pages);
  return {
    numa_optimised: counted.length === 1 || counted.length < hostNodes,
    numa_nodes: counted.length,
    numa_node_memory: Object.fromEntries(counted.map((node) => [node, pages[node]! * PAGE_BYTES])),
  };
}
