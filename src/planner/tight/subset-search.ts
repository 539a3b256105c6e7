// Exact search on hosts of up to 14 nodes: every set of nodes, sorted once a host by worst and mean
// distance, is tried in order.
import type { DistanceTable } from './distance-table.js';
import { type Capacity, type Found, MEAN_TOLERANCE } from './search.js';

/** 16,383 sets: sorted in some 20 ms, once a host. */
export const MAX_SUBSET_SEARCH_NODES = 14;

/** The nodes of a set must have that much together. */
export interface Need {
  readonly room: Capacity;
  readonly least: number;
}

export class SubsetSearch {
  readonly #count: number;
  readonly #sets: Uint16Array;
  readonly #worst: Float64Array;
  readonly #mean: Float64Array;

  constructor(table: DistanceTable) {
    const { count } = table;
    this.#count = count;
    const total = 2 ** count;
    const worst = new Float64Array(total);
    const sum = new Float64Array(total);
    for (let mask = 1; mask < total; mask++) {
      const top = 31 - Math.clz32(mask);
      const rest = mask ^ (1 << top);
      let [largest, all] = [Math.max(worst[rest]!, table.worst[top * count + top]!), sum[rest]! + table.mean[top * count + top]!];
      for (let bits = rest; bits !== 0; bits &= bits - 1) {
        const node = 31 - Math.clz32(bits & -bits);
        largest = Math.max(largest, table.worst[top * count + node]!);
        all += 2 * table.mean[top * count + node]!;
      }
      worst[mask] = largest;
      sum[mask] = all;
    }
    const mean = sum.map((all, mask) => all / bitCount(mask) ** 2);
    this.#sets = Uint16Array.from({ length: total - 1 }, (_, at) => at + 1).sort(
      (a, b) => worst[a]! - worst[b]! || mean[a]! - mean[b]! || a - b,
    );
    this.#worst = Float64Array.from(this.#sets, (mask) => worst[mask]!);
    this.#mean = Float64Array.from(this.#sets, (mask) => mean[mask]!);
  }

  /**
   * The best sets with room, all of the same worst and mean distance; empty when no set has room.
   * @param capacity the members of a set all have some
   * @param needs what a set must have in all
   * @param most nodes of a set
   */
  best(capacity: Capacity, needs: readonly Need[], most = this.#count): Found[] {
    let usable = 0;
    for (let node = 0; node < this.#count; node++) if (capacity[node]! > 0) usable |= 1 << node;
    const found: Found[] = [];
    for (let at = 0; at < this.#sets.length; at++) {
      const [first] = found;
      const [worst, mean] = [this.#worst[at]!, this.#mean[at]!];
      if (first !== undefined && (worst > first.worst || mean > first.mean + MEAN_TOLERANCE)) break;
      const mask = this.#sets[at]!;
      if ((mask & ~usable) !== 0 || (most < this.#count && bitCount(mask) > most)) continue;
      if (fits(mask, needs)) found.push({ nodes: nodesOf(mask), worst, mean, worstAtLeast: worst, meanAtLeast: mean, exact: true });
    }
    return found;
  }
}

function fits(mask: number, needs: readonly Need[]): boolean {
  for (const { room, least } of needs) {
    let sum = 0;
    for (let bits = mask; bits !== 0; bits &= bits - 1) sum += room[31 - Math.clz32(bits & -bits)]!;
    if (sum < least) return false;
  }
  return true;
}

function nodesOf(mask: number): number[] {
  const nodes: number[] = [];
  for (let bits = mask; bits !== 0; bits &= bits - 1) nodes.push(31 - Math.clz32(bits & -bits));
  return nodes;
}

function bitCount(mask: number): number {
  let count = 0;
  for (let bits = mask; bits !== 0; bits &= bits - 1) count++;
  return count;
}
