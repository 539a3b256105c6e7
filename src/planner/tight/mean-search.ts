// The second half of the general search: of the sets with room within the worst distance, the
// smallest mean. Branch and bound, one size of set after the other; sizes whose cheapest sum is no
// better than the incumbent are passed over. Nodes that can be swapped (twins) are tried once, the
// roomiest first.
import type { DistanceTable } from './distance-table.js';
import type { Incumbent } from './incumbent.js';
import { forEachNode, has, intersection, type NodeSet, remove, size } from './node-set.js';
import { type Capacity, MEAN_TOLERANCE } from './search.js';

export class MeanSearch {
  readonly #table: DistanceTable;
  readonly #capacity: Capacity;
  readonly #vcpus: number;
  readonly #near: readonly NodeSet[];
  readonly #usable: NodeSet;
  readonly #incumbent: Incumbent;
  /** At node * (count + 1) + k: the sum of the mean distances to the k nearest usable nodes. */
  readonly #nearestSums: Float64Array;
  readonly #roomiestFirst: readonly number[];
  #left: number;
  /** Smallest bound of a branch that the budget left unvisited. */
  #unvisited = Number.POSITIVE_INFINITY;
  /** Size of the sets that are searched now. */
  #size = 0;
  /** The candidate whose price was least when #bound was last asked. */
  #cheapest = -1;

  /** @param budget search nodes to visit at most */
  constructor(
    table: DistanceTable,
    capacity: Capacity,
    vcpus: number,
    near: readonly NodeSet[],
    usable: NodeSet,
    incumbent: Incumbent,
    budget: number,
  ) {
    this.#table = table;
    this.#capacity = capacity;
    this.#vcpus = vcpus;
    this.#near = near;
    this.#usable = usable;
    this.#incumbent = incumbent;
    this.#left = budget;
    const nodes: number[] = [];
    forEachNode(usable, (node) => nodes.push(node));
    this.#nearestSums = nearestSums(table, nodes, usable);
    this.#roomiestFirst = nodes.sort((a, b) => capacity[b]! - capacity[a]! || a - b);
  }

  /** @returns a lower bound of the mean: the incumbent's own when it is proved */
  run(): number {
    let fewest = 0;
    for (let room = 0; room < this.#vcpus && fewest < this.#roomiestFirst.length; fewest++) {
      room += this.#capacity[this.#roomiestFirst[fewest]!]!;
    }
    const none = new Float64Array(this.#table.count);
    for (let size = fewest; size <= this.#roomiestFirst.length; size++) {
      this.#size = size;
      if (this.#rootBound() >= this.#incumbent.mean - MEAN_TOLERANCE) continue;
      this.#extend([], this.#usable, 0, 0, none);
    }
    return Math.min(this.#incumbent.mean, this.#unvisited);
  }

  /**
   * Extends a partial set, whose pairs sum up to `sum`, by nodes of `candidates`; added[node]: what
   * its pairs with the set add.
   */
  #extend(chosen: readonly number[], candidates: NodeSet, room: number, sum: number, added: Float64Array): void {
    const missing = this.#size - chosen.length;
    if (missing === 0) {
      if (room >= this.#vcpus) this.#incumbent.offer(chosen, sum);
      return;
    }
    if (size(candidates) < missing || !this.#canHold(candidates, missing, room)) return;
    const bound = this.#bound(candidates, missing, sum, added);
    if (bound >= this.#incumbent.mean - MEAN_TOLERANCE) return;
    if (this.#left-- <= 0) {
      this.#unvisited = Math.min(this.#unvisited, bound);
      return;
    }
    const node = this.#branchingNode(candidates);
    const { count, mean } = this.#table;
    const withNode = intersection(candidates, this.#near[node]!);
    const addedWith = added.slice();
    forEachNode(withNode, (other) => {
      addedWith[other] = addedWith[other]! + 2 * mean[node * count + other]!;
    });
    const sumWith = sum + added[node]! + mean[node * count + node]!;
    this.#extend([...chosen, node], withNode, room + this.#capacity[node]!, sumWith, addedWith);
    this.#extend(chosen, this.#without(candidates, node), room, sum, added);
  }

  /**
   * Without the node, and without its twins that have no more room: a set with one of them is no
   * better than one with the node.
   */
  #without(candidates: NodeSet, node: number): NodeSet {
    const { twinClass } = this.#table;
    const rest = { ...candidates };
    forEachNode(candidates, (other) => {
      if (twinClass[other] === twinClass[node] && this.#capacity[other]! <= this.#capacity[node]!) remove(rest, other);
    });
    return rest;
  }

  #canHold(candidates: NodeSet, missing: number, room: number): boolean {
    let left = missing;
    let most = room;
    for (const node of this.#roomiestFirst) {
      if (left === 0 || most >= this.#vcpus) break;
      if (!has(candidates, node)) continue;
      most += this.#capacity[node]!;
      left--;
    }
    return most >= this.#vcpus;
  }

  /** The bound of the empty set, from sums made once. */
  #rootBound(): number {
    const { count, mean } = this.#table;
    const prices = new Float64Array(this.#roomiestFirst.length);
    for (let at = 0; at < prices.length; at++) {
      const node = this.#roomiestFirst[at]!;
      prices[at] = mean[node * count + node]! + this.#nearestSums[node * (count + 1) + this.#size - 1]!;
    }
    prices.sort();
    let least = 0;
    for (let at = 0; at < this.#size; at++) least += prices[at]!;
    return least / (this.#size * this.#size);
  }

  /**
   * No completion of the partial set has a smaller mean: each node counted with its nearest
   * possible companions.
   */
  #bound(candidates: NodeSet, missing: number, sum: number, added: Float64Array): number {
    const prices = this.#prices(candidates, missing, added);
    prices.sort();
    let least = sum;
    for (let at = 0; at < missing && at < prices.length; at++) least += prices[at]!;
    return least / (this.#size * this.#size);
  }

  #prices(candidates: NodeSet, missing: number, added: Float64Array): Float64Array {
    const prices = new Float64Array(size(candidates));
    let at = 0;
    let least = Number.POSITIVE_INFINITY;
    forEachNode(candidates, (node) => {
      const price = this.#price(node, candidates, missing, added);
      prices[at++] = price;
      if (price >= least) return;
      least = price;
      this.#cheapest = node;
    });
    return prices;
  }

  /**
   * What the node adds at least: its own distance, its pairs with the set, and half of its pairs
   * with the nearest companions.
   */
  #price(node: number, candidates: NodeSet, missing: number, added: Float64Array): number {
    const { count, mean } = this.#table;
    let price = mean[node * count + node]! + added[node]!;
    let companions = missing - 1;
    const nearest = this.#table.nearestFirst[node]!;
    for (let at = 0; at < nearest.length && companions > 0; at++) {
      const other = nearest[at]!;
      if (!has(candidates, other)) continue;
      price += mean[node * count + other]!;
      companions--;
    }
    return price;
  }

  /** The cheapest of the candidates of the last bound, or its twin with the most room. */
  #branchingNode(candidates: NodeSet): number {
    let best = this.#cheapest;
    const { twinClass } = this.#table;
    const kind = twinClass[best];
    forEachNode(candidates, (node) => {
      if (twinClass[node] === kind && this.#capacity[node]! > this.#capacity[best]!) best = node;
    });
    return best;
  }
}

function nearestSums({ count, mean, nearestFirst }: DistanceTable, nodes: readonly number[], usable: NodeSet): Float64Array {
  const sums = new Float64Array(count * (count + 1));
  for (const node of nodes) {
    let [sum, known] = [0, 0];
    for (const other of nearestFirst[node]!) {
      if (!has(usable, other)) continue;
      sum += mean[node * count + other]!;
      sums[node * (count + 1) + ++known] = sum;
    }
  }
  return sums;
}
