// Random arguments of hypercalls, valid and invalid: masks of every width, faulting handles, flags,
// mem_flags.

import type { Random } from '../base/random.js';
import type { JsonObject } from '../conformance/player.js';

export type Bitmap = JsonObject | null;

/** The generator's view of the machine. */
export interface MachineFacts {
  readonly sched: number;
  readonly cpuToNode: readonly number[];
  readonly nodes: number;
  /** All memory is free that Domain-0 and Xen do not use: no ballast domain holds most of it. */
  readonly whole: boolean;
}

const ODD_WIDTHS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 15, 17, 33, 63, 65, 72, 100, 127, 128, 200, 256, 1024, 4096];

export class Arguments {
  readonly random: Random;
  readonly facts: MachineFacts;

  constructor(random: Random, facts: MachineFacts) {
    this.random = random;
    this.facts = facts;
  }

  get cpus(): number {
    return this.facts.cpuToNode.length;
  }

  cpusOfNodes(nodes: readonly number[]): number[] {
    return [...this.facts.cpuToNode.keys()].filter((cpu) => nodes.includes(this.facts.cpuToNode[cpu]!));
  }

  /** Some CPUs: whole nodes, single ones, any, all, none; now and then some that do not exist. */
  cpuSet(): number[] {
    const { random } = this;
    const all = [...this.facts.cpuToNode.keys()];
    return random.weighted<() => number[]>([
      [() => this.cpusOfNodes([random.below(this.facts.nodes)]), 30],
      [() => this.cpusOfNodes([random.below(this.facts.nodes), random.below(this.facts.nodes)]), 20],
      [() => all.filter(() => random.chance(50)), 25],
      [() => [random.below(this.cpus)], 12],
      [() => all, 6],
      [() => [], 3],
      [() => [...all.filter(() => random.chance(30)), random.between(this.cpus, 63)], 4],
    ])();
  }

  nodeSet(): number[] {
    const { random } = this;
    const all = Array.from({ length: this.facts.nodes }, (_, node) => node);
    return random.weighted<() => number[]>([
      [() => [random.below(this.facts.nodes)], 40],
      [() => all.filter(() => random.chance(50)), 30],
      [() => all, 6],
      [() => Array.from({ length: 64 }, (_, node) => node), 10],
      [() => Array.from({ length: 63 }, (_, node) => node), 2],
      [() => [...all.filter(() => random.chance(40)), random.between(this.facts.nodes, 63)], 8],
      [() => [], 4],
    ])();
  }

  /**
   * A caller's map of 64 bits with these members; `odd` percent of them of another width, null or
   * faulting.
   */
  map(members: readonly number[], odd: number): Bitmap {
    const { random } = this;
    if (!random.chance(odd)) return { bytes: hexOf(members, 8), nr_bits: 64 };
    if (random.chance(5)) return { bad: true, nr_bits: random.pick([0, 1, 8, 64, 128]) };
    if (random.chance(5)) return { null: true, nr_bits: random.pick([0, 1, 8, 64]) };
    const width = random.pick(ODD_WIDTHS);
    const bytes = Math.max(1, Math.ceil(width / 8)) + (random.chance(30) ? 1 : 0);
    const junk = random.chance(25) ? [random.below(bytes * 8), random.below(bytes * 8)] : [];
    return { bytes: hexOf([...members, ...junk], bytes), nr_bits: width };
  }

  /** A buffer that Xen writes to. */
  out(odd: number): Bitmap {
    const { random } = this;
    if (!random.chance(odd)) return { bytes: '00'.repeat(8), nr_bits: 64 };
    if (random.chance(6)) return { bad: true, nr_bits: random.pick([0, 8, 64]) };
    if (random.chance(6)) return { null: true, nr_bits: random.pick([0, 8, 64]) };
    const width = random.pick(ODD_WIDTHS.filter((one) => one <= 256));
    return { bytes: 'a5'.repeat(Math.max(1, Math.ceil(width / 8))), nr_bits: width };
  }

  affinityFlags(): number {
    return this.random.weighted([
      [2, 44],
      [3, 27],
      [1, 23],
      [0, 1],
      [4, 1],
      [5, 1],
      [6, 1],
      [7, 1],
      [8, 1],
      [9, 1],
      [11, 1],
      [0x80000000, 1],
    ]);
  }

  /** The part of mem_flags that asks for a node; mostly none. */
  memFlags(nodePercent: number): number {
    const { random } = this;
    if (!random.chance(nodePercent)) return 0;
    const node = random.chance(85) ? random.below(this.facts.nodes) : random.between(this.facts.nodes, 70);
    return (((node + 1) & 0xff) << 8) | (random.chance(50) ? 1 << 17 : 0);
  }
}

/** Members beyond the bytes are left out. */
export function hexOf(members: readonly number[], bytes: number): string {
  const map = Buffer.alloc(bytes);
  for (const member of members) if (member < bytes * 8) map[member >>> 3]! |= 1 << (member & 7);
  return map.toString('hex');
}
