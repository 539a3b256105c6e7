// The distances of a host as policy `tight` weighs them: by pair of nodes the worse direction and
// the mean of both.
import type { PlannerHost } from '../policy.js';
import { add, type NodeSet } from './node-set.js';

/** What SLIT itself writes for "unreachable" (ACPI 6.5, 5.2.17); Xen hands it on as 0xffffffff. */
const UNREACHABLE_DISTANCE = 255;
const OWN_DISTANCE = 10;

export class DistanceTable {
  readonly count: number;
  /** At a * count + b: the larger of the two directions. */
  readonly worst: Float64Array;
  /**
   * At a * count + b: the mean of the two directions, so that a sum over all ordered pairs counts
   * both.
   */
  readonly mean: Float64Array;
  /** Distinct values of `worst`, ascending. */
  readonly levels: readonly number[];
  /** Nodes of one number can be swapped in any set without changing its distances. */
  readonly twinClass: Int32Array;
  /** By node: the others by rising mean distance. */
  readonly nearestFirst: readonly Int32Array[];
  readonly #near: (readonly NodeSet[] | undefined)[] = [];

  constructor(distances: PlannerHost['distances']) {
    const count = distances.length;
    this.count = count;
    this.worst = new Float64Array(count * count);
    this.mean = new Float64Array(count * count);
    for (let a = 0; a < count; a++) {
      for (let b = 0; b < count; b++) {
        const [there, back] = [readable(distances[a]![b]!), readable(distances[b]![a]!)];
        this.worst[a * count + b] = Math.max(there, back);
        this.mean[a * count + b] = (there + back) / 2;
      }
    }
    this.levels = [...new Set(this.worst)].sort((a, b) => a - b);
    this.twinClass = twinClasses(this);
    this.nearestFirst = Array.from({ length: count }, (_, a) => {
      const others = [...Array(count).keys()].filter((b) => b !== a);
      return Int32Array.from(others.sort((b, c) => this.mean[a * count + b]! - this.mean[a * count + c]! || b - c));
    });
  }

  /**
   * By node: the others that are at most levels[level] away, in both directions. In this graph a
   * set of that worst distance is a clique.
   */
  near(level: number): readonly NodeSet[] {
    this.#near[level] ??= nearNodes(this, this.levels[level]!);
    return this.#near[level];
  }

  /** Largest distance within the set, a node's own included. */
  worstOf(set: readonly number[]): number {
    let worst = 0;
    for (const a of set) for (const b of set) worst = Math.max(worst, this.worst[a * this.count + b]!);
    return worst;
  }

  /** Sum of the distances over all ordered pairs of the set, self pairs included. */
  sumOf(set: readonly number[]): number {
    let sum = 0;
    for (const a of set) for (const b of set) sum += this.mean[a * this.count + b]!;
    return sum;
  }

  meanOf(set: readonly number[]): number {
    return this.sumOf(set) / (set.length * set.length);
  }
}

function nearNodes({ count, worst }: DistanceTable, distance: number): NodeSet[] {
  return Array.from({ length: count }, (_, a) => {
    const near: NodeSet = { low: 0, high: 0 };
    if (worst[a * count + a]! > distance) return near;
    for (let b = 0; b < count; b++) {
      if (a !== b && worst[a * count + b]! <= distance && worst[b * count + b]! <= distance) add(near, b);
    }
    return near;
  });
}

function readable(distance: number): number {
  return distance >= OWN_DISTANCE && distance <= UNREACHABLE_DISTANCE ? distance : UNREACHABLE_DISTANCE;
}

function twinClasses(table: DistanceTable): Int32Array {
  const { count } = table;
  const classes = new Int32Array(count).fill(-1);
  let next = 0;
  for (let a = 0; a < count; a++) {
    if (classes[a] !== -1) continue;
    const members = [a];
    classes[a] = next;
    for (let b = a + 1; b < count; b++) {
      if (classes[b] !== -1 || !members.every((member) => areTwins(table, member, b))) continue;
      classes[b] = next;
      members.push(b);
    }
    next++;
  }
  return classes;
}

function areTwins({ count, worst, mean }: DistanceTable, a: number, b: number): boolean {
  if (mean[a * count + a] !== mean[b * count + b] || worst[a * count + a] !== worst[b * count + b]) return false;
  for (let other = 0; other < count; other++) {
    if (other === a || other === b) continue;
    if (mean[a * count + other] !== mean[b * count + other] || worst[a * count + other] !== worst[b * count + other]) return false;
  }
  return true;
}
