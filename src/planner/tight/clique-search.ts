// The first half of the general search: is there a set with room whose nodes are all within a
// distance of each other? That is a clique of given weight in the graph of near pairs, found by
// branch and bound under a weighted colouring, with a budget of search nodes.
import { forEachNode, intersection, isEmpty, type NodeSet, remove } from './node-set.js';
import type { Capacity } from './search.js';

export type CliqueAnswer = readonly number[] | 'none' | 'budget spent';

/** Nodes of a set, and levels of the search, at most. */
const MOST = 64;

/**
 * By depth: the candidates in the order of their colours, and what a clique of those up to each can
 * hold at most. For all searches, of which there is one at a time: each depth is written before it
 * is read, and new memory for each would cost more than a short search.
 */
const ORDER = new Int32Array(MOST * (MOST + 1));
const BOUNDS = new Float64Array(MOST * (MOST + 1));

export class CliqueSearch {
  readonly #near: readonly NodeSet[];
  readonly #capacity: Capacity;
  readonly #vcpus: number;
  #left: number;
  readonly #chosen: number[] = [];
  readonly #order = ORDER;
  readonly #bounds = BOUNDS;

  /** @param budget search nodes to visit at most */
  constructor(near: readonly NodeSet[], capacity: Capacity, vcpus: number, budget: number) {
    this.#near = near;
    this.#capacity = capacity;
    this.#vcpus = vcpus;
    this.#left = budget;
  }

  /** @param nodes those that may take part: with capacity, and near enough to themselves */
  find(nodes: NodeSet): CliqueAnswer {
    const candidates = { ...nodes };
    this.#peel(candidates);
    if (isEmpty(candidates)) return 'none';
    return this.#extend(0, candidates.low, candidates.high, 0);
  }

  /**
   * Takes out nodes that, with all their neighbours, have too little room; repeated until none is
   * left.
   */
  #peel(candidates: NodeSet): void {
    for (let changed = true; changed; ) {
      changed = false;
      forEachNode({ ...candidates }, (node) => {
        let room = this.#capacity[node]!;
        forEachNode(intersection(this.#near[node]!, candidates), (other) => {
          room += this.#capacity[other]!;
        });
        if (room >= this.#vcpus) return;
        remove(candidates, node);
        changed = true;
      });
    }
  }

  /** The candidates are given as two words: objects would cost more here than the search itself. */
  #extend(depth: number, low: number, high: number, room: number): CliqueAnswer {
    if (room >= this.#vcpus) return [...this.#chosen];
    if (this.#left-- <= 0) return 'budget spent';
    const base = depth * MOST;
    const count = this.#colour(base, low, high);
    let [leftLow, leftHigh] = [low, high];
    for (let at = base + count - 1; at >= base; at--) {
      if (room + this.#bounds[at]! < this.#vcpus) return 'none';
      const node = this.#order[at]!;
      const near = this.#near[node]!;
      this.#chosen.push(node);
      const answer = this.#extend(depth + 1, leftLow & near.low, leftHigh & near.high, room + this.#capacity[node]!);
      if (answer !== 'none') return answer;
      this.#chosen.pop();
      if (node < 32) leftLow &= ~(1 << node);
      else leftHigh &= ~(1 << (node - 32));
    }
    return 'none';
  }

  /**
   * Divides the candidates into groups without near pairs, of which a clique has one node each.
   * @returns how many candidates there are
   */
  #colour(base: number, low: number, high: number): number {
    let end = base;
    let before = 0;
    let [leftLow, leftHigh] = [low, high];
    while ((leftLow | leftHigh) !== 0) {
      const start = end;
      let [freeLow, freeHigh] = [leftLow, leftHigh];
      while ((freeLow | freeHigh) !== 0) {
        const node = freeLow !== 0 ? 31 - Math.clz32(freeLow & -freeLow) : 63 - Math.clz32(freeHigh & -freeHigh);
        const near = this.#near[node]!;
        if (node < 32) leftLow &= ~(1 << node);
        else leftHigh &= ~(1 << (node - 32));
        freeLow &= leftLow & ~near.low;
        freeHigh &= leftHigh & ~near.high;
        this.#insert(start, end++, node);
      }
      for (let at = start; at < end; at++) this.#bounds[at] = before + this.#capacity[this.#order[at]!]!;
      before = this.#bounds[end - 1]!;
    }
    return end - base;
  }

  /** Into the group that starts there, by rising capacity. */
  #insert(start: number, end: number, node: number): void {
    let at = end;
    while (at > start && this.#capacity[this.#order[at - 1]!]! > this.#capacity[node]!) {
      this.#order[at] = this.#order[at - 1]!;
      at--;
    }
    this.#order[at] = node;
  }
}
