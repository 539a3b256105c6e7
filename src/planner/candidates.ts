// The candidate sets of nodes in the order in which xenopsd's planner weighs them. Made once a
// host. Part of the box numa_placement.
import type { PlannerHost } from './policy.js';

/**
 * Which of xenopsd's two readings of a distance table: 90ef043c, or e2ee48d6
 * (ocaml/xenopsd/lib/topology.ml).
 */
export type Reading = 'seed' | 'new';

/**
 * Above this number of usable nodes only single nodes are weighed (topology.ml, the limit of the
 * gray-code search).
 */
export const MAX_SUBSET_NODES = 16;

export interface Candidates {
  /** Nodes whose own distance is reachable, ascending. Bit i of a mask is validNodes[i]. */
  readonly validNodes: readonly number[];
  /** CPUs of every node of the host, ascending; empty for nodes that are not valid. */
  readonly nodeCpus: readonly (readonly number[])[];
  /**
   * In the order of weighing: the mask (at most 16 valid nodes), or the position in validNodes
   * (`single`).
   */
  readonly sets: Uint32Array;
  readonly averages: Float64Array;
  readonly single: boolean;
}

/** Raised where the real planner raises: an OCaml exception, by its text. */
export class PlannerException extends Error {}

function unreachable(distance: number, reading: Reading): boolean {
  return reading === 'seed' ? distance === 0xffffffff : distance > 255 || distance < 0;
}

/**
 * The candidates of a host; null when the planner sees no NUMA on it.
 * @throws PlannerException when a CPU names a node that is not there
 */
export function makeCandidates(host: PlannerHost, reading: Reading): Candidates | null {
  const { distances, cpuToNode } = host;
  const count = distances.length;
  const nodeCpus: number[][] = distances.map(() => []);
  cpuToNode.forEach((node, cpu) => {
    const own = distances[node]?.[node];
    if (own === undefined) throw new PlannerException('Invalid_argument("index out of bounds")');
    if (!unreachable(own, reading)) nodeCpus[node]!.push(cpu);
  });
  if (nodeCpus.every((cpus) => cpus.length === 0)) return null;
  const plausible = (distance: number) => distance >= 10 || unreachable(distance, reading);
  for (let i = 0; i < count; i++) {
    const own = distances[i]![i]!;
    if (own !== 10 && !unreachable(own, reading)) return null;
    if (!distances[i]!.every(plausible)) return null;
  }
  const validNodes = distances.map((_, node) => node).filter((node) => !unreachable(distances[node]![node]!, reading));
  if (validNodes.length > MAX_SUBSET_NODES) {
    // All diagonals are 10 here, so the stable sort keeps the nodes' order.
    const sets = Uint32Array.from(validNodes.keys());
    return { validNodes, nodeCpus, sets, averages: new Float64Array(sets.length).fill(10), single: true };
  }
  return { validNodes, nodeCpus, ...sortedSubsets(validNodes, distances), single: false };
}

/**
 * Every non-empty subset with its key (largest distance, average distance), sorted by it, stable
 * from mask 1 upwards.
 */
function sortedSubsets(validNodes: readonly number[], distances: readonly (readonly number[])[]) {
  const total = 2 ** validNodes.length;
  const largest = new Float64Array(total).fill(Number.NEGATIVE_INFINITY);
  const sum = new Float64Array(total);
  const size = new Uint8Array(total);
  const d = validNodes.map((a) => validNodes.map((b) => distances[a]![b]!));
  for (let mask = 1; mask < total; mask++) {
    const top = 31 - Math.clz32(mask);
    const rest = mask ^ (1 << top);
    let max = Math.max(largest[rest]!, d[top]![top]!);
    let all = sum[rest]! + d[top]![top]!;
    for (let b = 0; b < top; b++) {
      if ((rest >>> b) % 2 === 0) continue;
      const there = d[top]![b]!;
      const back = d[b]![top]!;
      max = Math.max(max, there, back);
      all += there + back;
    }
    largest[mask] = max;
    sum[mask] = all;
    size[mask] = size[rest]! + 1;
  }
  // Few distinct keys on real machines: number the keys, sort those, and place the masks by
  // counting (which is stable).
  const keyOf = new Map<number, Map<number, number>>();
  const keys: { max: number; average: number; members: number }[] = [];
  const key = new Uint32Array(total);
  for (let mask = 1; mask < total; mask++) {
    const max = largest[mask]!;
    const average = sum[mask]! / (size[mask]! * size[mask]!);
    let byAverage = keyOf.get(max);
    if (byAverage === undefined) {
      byAverage = new Map();
      keyOf.set(max, byAverage);
    }
    let number = byAverage.get(average);
    if (number === undefined) {
      number = keys.length;
      byAverage.set(average, number);
      keys.push({ max, average, members: 0 });
    }
    keys[number]!.members++;
    key[mask] = number;
  }
  const order = keys.map((_, index) => index).sort((a, b) => keys[a]!.max - keys[b]!.max || keys[a]!.average - keys[b]!.average);
  const start = new Uint32Array(keys.length);
  let next = 0;
  for (const number of order) {
    start[number] = next;
    next += keys[number]!.members;
  }
  const sets = new Uint32Array(total - 1);
  const averages = new Float64Array(total - 1);
  for (let mask = 1; mask < total; mask++) {
    const at = start[key[mask]!]!++;
    sets[at] = mask;
    averages[at] = keys[key[mask]!]!.average;
  }
  return { sets, averages };
}
