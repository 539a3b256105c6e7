// The best set found so far by the general search of policy `tight`, and two cheap ways to a good
// one: growth from each node, and exchanges of one node.
import type { DistanceTable } from './distance-table.js';
import { add, forEachNode, has, type NodeSet } from './node-set.js';
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
    // By node: what it would add to the sum, its own distance included.
    const added = new Float64Array(count);
    forEachNode(usable, (start) => {
      const set = [start];
      let room = this.#capacity[start]!;
      let sum = mean[start * count + start]!;
      for (let node = 0; node < count; node++) added[node] = mean[node * count + node]! + 2 * mean[start * count + node]!;
      let [low, high] = [usable.low & this.#near[start]!.low, usable.high & this.#near[start]!.high];
      while (room < this.#vcpus && (low | high) !== 0) {
        const best = this.#cheapest(low, high, added, this.#vcpus - room);
        sum += added[best]!;
        room += this.#capacity[best]!;
        set.push(best);
        low &= this.#near[best]!.low;
        high &= this.#near[best]!.high;
        for (let node = 0; node < count; node++) added[node]! += 2 * mean[best * count + node]!;
      }
      if (room >= this.#vcpus) this.offer(set, sum);
    });
  }

  /** Of two words of nodes, as objects would cost more than the search itself. */
  #cheapest(low: number, high: number, added: Float64Array, missing: number): number {
    const capacity = this.#capacity;
    let best = -1;
    let bestPrice = Number.POSITIVE_INFINITY;
    for (let word = 0; word < 2; word++) {
      for (let bits = word === 0 ? low : high; bits !== 0; bits &= bits - 1) {
        const node = 32 * word + 31 - Math.clz32(bits & -bits);
        const price = added[node]! / Math.min(capacity[node]!, missing);
        if (price >= bestPrice) continue;
        best = node;
        bestPrice = price;
      }
    }
    return best;
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
    const toSet = new Float64Array(count);
    for (let node = 0; node < count; node++) for (const member of set) toSet[node]! += mean[node * count + member]!;
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
