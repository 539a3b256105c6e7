// The best set found so far by the general search of policy `tight`, and two cheap ways to a good
// one: growth from each node, and exchanges of one node.
import type { DistanceTable } from './distance-table.js';
import { add, forEachNode, has, intersection, isEmpty, type NodeSet } from './node-set.js';
import { type Capacity, MEAN_TOLERANCE } from './search.js';

/** Rounds of exchanges at most; each lowers the mean. */
const MAX_EXCHANGES = 200;

export class Incumbent {
  nodes: readonly number[] = [];
  mean = Number.POSITIVE_INFINITY;
  readonly #table: DistanceTable;
  readonly #capacity: Capacity;
  readonly #vcpus: number;
  readonly #near: readonly NodeSet[];

  constructor(table: DistanceTable, capacity: Capacity, vcpus: number, near: readonly NodeSet[]) {
    this.#table = table;
    this.#capacity = capacity;
    this.#vcpus = vcpus;
    this.#near = near;
  }

  /** Keeps the set if its mean is smaller. */
  offer(nodes: readonly number[], sum: number = this.#table.sumOf(nodes)): void {
    const mean = sum / (nodes.length * nodes.length);
    if (mean >= this.mean - MEAN_TOLERANCE) return;
    this.mean = mean;
    this.nodes = [...nodes];
  }

  /**
   * From each node: adds the near node that brings most room for its distance, until the VM fits.
   */
  grow(usable: NodeSet): void {
    const { count, mean } = this.#table;
    forEachNode(usable, (start) => {
      const set = [start];
      let room = this.#capacity[start]!;
      let sum = mean[start * count + start]!;
      // By node: what it would add to the sum besides its own distance.
      const added = Float64Array.from({ length: count }, (_, node) => 2 * mean[start * count + node]!);
      let candidates = intersection(usable, this.#near[start]!);
      while (room < this.#vcpus && !isEmpty(candidates)) {
        const missing = this.#vcpus - room;
        let [best, bestPrice] = [-1, Number.POSITIVE_INFINITY];
        forEachNode(candidates, (node) => {
          const price = (added[node]! + mean[node * count + node]!) / Math.min(this.#capacity[node]!, missing);
          if (price < bestPrice) [best, bestPrice] = [node, price];
        });
        sum += added[best]! + mean[best * count + best]!;
        room += this.#capacity[best]!;
        set.push(best);
        candidates = intersection(candidates, this.#near[best]!);
        for (let node = 0; node < count; node++) added[node] = added[node]! + 2 * mean[best * count + node]!;
      }
      if (room >= this.#vcpus) this.offer(set, sum);
    });
  }

  /** Drops a node, or exchanges one for another, as long as that lowers the mean. */
  improve(usable: NodeSet): void {
    for (let round = 0; round < MAX_EXCHANGES && this.nodes.length > 0; round++) {
      const before = this.mean;
      this.#exchangeOnce(usable);
      if (this.mean === before) return;
    }
  }

  #exchangeOnce(usable: NodeSet): void {
    const { count, mean } = this.#table;
    const set = this.nodes;
    const members: NodeSet = { low: 0, high: 0 };
    for (const node of set) add(members, node);
    const room = set.reduce((sum, node) => sum + this.#capacity[node]!, 0);
    const toSet = Float64Array.from({ length: count }, (_, node) => set.reduce((sum, member) => sum + mean[node * count + member]!, 0));
    const sum = set.reduce((all, node) => all + toSet[node]!, 0);
    const outside: NodeSet = { low: usable.low & ~members.low, high: usable.high & ~members.high };
    for (const out of set) {
      const rest = set.filter((node) => node !== out);
      const restRoom = room - this.#capacity[out]!;
      const restSum = sum - 2 * toSet[out]! + mean[out * count + out]!;
      if (rest.length > 0 && restRoom >= this.#vcpus) this.offer(rest, restSum);
      forEachNode(outside, (into) => {
        if (restRoom + this.#capacity[into]! < this.#vcpus) return;
        const newSum = restSum + 2 * (toSet[into]! - mean[into * count + out]!) + mean[into * count + into]!;
        if (newSum / (set.length * set.length) >= this.mean - MEAN_TOLERANCE) return;
        if (rest.every((node) => has(this.#near[node]!, into))) this.offer([...rest, into], newSum);
      });
    }
  }
}
