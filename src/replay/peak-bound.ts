// How far a policy is from the best that there is, at the moment at which a trace asks for the most
// memory: the memory of VMs on one node, and how much of it any placement could have on one node,
// on whichever host, if all of these VMs were packed anew at this instant.
import { IGNORED_PAGES } from '../map/numa-metrics.js';
import { packingBound } from '../planner/bound/packing-bound.js';
import type { HostType } from './fleet/host-type.js';

export interface PeakBound {
  /** Since the first arrival. */
  readonly seconds: number;
  readonly vms: number;
  /** Share of the guests' memory: that of VMs on one node; and at most. */
  readonly oneNode: number;
  readonly oneNodeAtMost: number;
}

/**
 * A share of 1. What Xen takes for itself is left out, and so are CPUs: both could only lower it.
 * @param hosts equal hosts of the fleet
 * @param vms pages of each
 */
export function oneNodeAtMost({ layout }: HostType, hosts: number, vms: readonly number[]): number {
  const ofHost = layout.nodes.map(({ freeRanges }) => freeRanges.reduce((sum, [start, end]) => sum + end - start, 0));
  // A VM still counts as on one node with a little on each of the others.
  const elsewhere = IGNORED_PAGES * (ofHost.length - 1);
  const all = vms.reduce((sum, pages) => sum + pages, 0);
  if (all === 0) return 1;
  const { value } = packingBound({
    capacity: Array.from({ length: hosts }, () => ofHost).flat(),
    vms: vms.map((pages) => ({ size: Math.max(1, pages - elsewhere), value: pages })),
  });
  return value / all;
}
