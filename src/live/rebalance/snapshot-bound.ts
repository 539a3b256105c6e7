// The bound of a running host: how many of its VMs, and how much of their memory, any placement
// could have on one node each, if all VMs were packed anew at this instant.
import { reachFinder } from '../../map/figures.js';
import type { HostMap, MapDomain } from '../../map/host-map.js';
import { holdingNodes } from '../../map/numa-metrics.js';
import { exactPacking, type SolveProgram } from '../../planner/bound/exact-packing.js';
import { type Packing, packingBound } from '../../planner/bound/packing-bound.js';

export interface SnapshotBound {
  /** VMs that are on one node, at most. */
  readonly onOneNode: number;
  /** Pages of VMs that are on one node, at most. */
  readonly pagesOnOneNode: number;
}

/** A VM is worth this in a count, so that prices of parts of a VM are whole numbers. */
const ONE_VM = 2 ** 20;

/** Domain-0, dying domains and those without vCPUs stay where they are, and are not counted. */
export function snapshotBound(map: HostMap): SnapshotBound {
  const { byCount, byPages } = packings(map);
  return { onOneNode: Math.floor(packingBound(byCount).value / ONE_VM), pagesOnOneNode: packingBound(byPages).value };
}

/**
 * What the best packings have: one with the most VMs on one node, and one with the most memory.
 * @returns null for more VMs or nodes than MOST_EXACT, or when the solver has no proof
 */
export function exactSnapshot(map: HostMap, solve: SolveProgram): SnapshotBound | null {
  const { byCount, byPages } = packings(map);
  const count = exactPacking(byCount, solve);
  const pages = count === null ? null : exactPacking(byPages, solve);
  return count === null || pages === null ? null : { onOneNode: count.value / ONE_VM, pagesOnOneNode: pages.value };
}

function packings(map: HostMap): { byCount: Packing; byPages: Packing } {
  const vms = map.domains.filter(({ domid, state, vcpus }) => domid !== 0 && state !== 'dying' && vcpus.length > 0);
  const capacity = map.nodes.map(({ id, freePages }) => vms.reduce((sum, { pages }) => sum + (pages[id] ?? 0), freePages));
  const reachOf = reachFinder(map);
  const by = (worth: (pages: number) => number): Packing => ({
    capacity,
    vms: vms.map((vm) => ({ size: Math.max(1, sizeOf(vm)), value: worth(totalOf(vm)), nodes: nodesOf(map, vm, reachOf) })),
  });
  return { byCount: by(() => ONE_VM), byPages: by((pages) => pages) };
}

function totalOf({ pages }: MapDomain): number {
  return pages.reduce((sum, held) => sum + held, 0);
}

/** What it takes of its node: what a VM that is on one node now has elsewhere does not count. */
function sizeOf(vm: MapDomain): number {
  const [first, ...others] = holdingNodes(vm.pages);
  return first !== undefined && others.length === 0 ? vm.pages[first]! : totalOf(vm);
}

/** Nodes on which each of its vCPUs may run. */
function nodesOf({ cpus, nodes }: HostMap, { vcpus, pool }: MapDomain, reachOf: ReturnType<typeof reachFinder>): number[] {
  const allowed = vcpus.map(({ hard, soft }) => new Set(reachOf(hard, soft, pool).effective.map((cpu) => cpus[cpu]!.node)));
  return nodes.flatMap(({ id }) => (allowed.every((some) => some.has(id)) ? [id] : []));
}
