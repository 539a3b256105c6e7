// The search of policy `tight` on tables that are no hierarchy and too large to list all sets: the
// smallest worst distance by cliques, then the smallest mean by branch and bound over the sizes of
// sets. The budget is counted in search nodes, never in time, so that the same host and VM give the
// same plan on every machine; the answer says what was proved.
import { CliqueSearch } from './clique-search.js';
import type { DistanceTable } from './distance-table.js';
import { Incumbent } from './incumbent.js';
import { MeanSearch } from './mean-search.js';
import { add, type NodeSet } from './node-set.js';
import type { Capacity, Found } from './search.js';

export interface SearchBudget {
  /** Search nodes for each distance that is tried. */
  readonly worst: number;
  /** Search nodes for the mean. */
  readonly mean: number;
}

/**
 * Chosen so that the named families of `npm run bench -- tight` take about 1 ms of processor time
 * at 64 nodes, and the slowest plan stays below 20 ms.
 */
export const DEFAULT_BUDGET: SearchBudget = { worst: 800, mean: 35 };

/** null when the nodes together have too little room. */
export function boundedSearch(
  table: DistanceTable,
  capacity: Capacity,
  vcpus: number,
  budget: SearchBudget = DEFAULT_BUDGET,
): Found | null {
  const { levels, count } = table;
  const single = smallestSingle(table, capacity, vcpus);
  if (single !== null) return single;
  let total = 0;
  for (let node = 0; node < count; node++) total += capacity[node]!;
  if (total < vcpus) return null;
  const { at, provedAt, clique } = smallestWorst(table, capacity, vcpus, budget.worst);
  const near = table.near(at);
  const incumbent = new Incumbent(table, capacity, vcpus, near);
  const usable = usableNodes(table, capacity, levels[at]!);
  incumbent.grow(usable);
  if (clique !== null) incumbent.offer(clique);
  incumbent.improve(usable);
  const meanAtLeast = new MeanSearch(table, capacity, vcpus, near, usable, incumbent, budget.mean).run();
  const nodes = [...incumbent.nodes].sort((a, b) => a - b);
  const worst = table.worstOf(nodes);
  const worstAtLeast = levels[provedAt]!;
  const proved = meanAtLeast >= incumbent.mean;
  return { nodes, worst, mean: incumbent.mean, worstAtLeast, meanAtLeast, exact: proved && worst === worstAtLeast };
}

/**
 * A single node as near to itself as any is cannot be beaten: the one with the least capacity to
 * spare.
 */
function smallestSingle({ count, worst, levels }: DistanceTable, capacity: Capacity, vcpus: number): Found | null {
  let best = -1;
  for (let node = 0; node < count; node++) {
    if (capacity[node]! < vcpus || worst[node * count + node] !== levels[0]) continue;
    if (best === -1 || capacity[node]! < capacity[best]!) best = node;
  }
  const distance = levels[0]!;
  if (best === -1) return null;
  return { nodes: [best], worst: distance, mean: distance, worstAtLeast: distance, meanAtLeast: distance, exact: true };
}

interface WorstAnswer {
  /** Index in the table's levels of the smallest distance at which a set was found. */
  readonly at: number;
  /** Index of the smallest distance that is not ruled out. */
  readonly provedAt: number;
  readonly clique: readonly number[] | null;
}

/**
 * Bisection over the distances; one that spent its budget counts as unreachable, and is not proved.
 */
function smallestWorst(table: DistanceTable, capacity: Capacity, vcpus: number, budget: number): WorstAnswer {
  const { levels } = table;
  let [from, to] = [0, levels.length - 1];
  let ruledOut = -1;
  let clique: readonly number[] | null = null;
  while (from < to) {
    const middle = (from + to) >> 1;
    const distance = levels[middle]!;
    const search = new CliqueSearch(table.near(middle), capacity, vcpus, budget);
    const answer = search.find(usableNodes(table, capacity, distance));
    if (typeof answer !== 'string') {
      clique = answer;
      to = middle;
      continue;
    }
    if (answer === 'none') ruledOut = Math.max(ruledOut, middle);
    from = middle + 1;
  }
  return { at: to, provedAt: ruledOut + 1, clique };
}

function usableNodes({ count, worst }: DistanceTable, capacity: Capacity, distance: number): NodeSet {
  const usable: NodeSet = { low: 0, high: 0 };
  for (let node = 0; node < count; node++) if (capacity[node]! > 0 && worst[node * count + node]! <= distance) add(usable, node);
  return usable;
}
