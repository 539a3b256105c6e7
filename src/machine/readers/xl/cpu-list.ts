// Lists of CPUs in xl guest configs, by xl's own rules (Xen 4.17, tools/xl/xl_parse.c: parse_range,
// update_cpumap_range, parse_cpurange).
import { strtoul } from './c-numbers.js';

/** The host's figures that xl uses when it reads a config. */
export interface XlMachine {
  /** CPUs that Xen can number: the highest number + 1, absent ones included. */
  readonly maxCpus: number;
  readonly onlineCpus: number;
  readonly nodes: number;
  /** CPUs of a node by Xen's number, ascending; [] for an absent node. */
  cpusOfNode(node: number): readonly number[];
}

/**
 * Xen's MAX_NUMNODES. xl keeps the CPUs of a node in a mask as wide as its mask of nodes, so
 * `node:` neither adds nor removes CPUs from this number on (xl_parse.c, update_cpumap_range:
 * libxl_node_bitmap_alloc for node_cpumap).
 */
export const MAX_NODES = 64;
const ULONG_MAX = 2n ** 64n - 1n;
const TWO_32 = 2n ** 32n;

/** A list that xl refuses, with the reason. */
export class CpuListRefusal extends Error {}

/** Width of xl's CPU masks in bits: whole bytes, so that it may exceed the host's CPUs. */
export function maskBits(machine: XlMachine): number {
  return Math.ceil(machine.maxCpus / 8) * 8;
}

/**
 * Items from left to right: `3`, `0-5`, `all`, `node:1`, `nodes:0-3`, `^2` and `^node:1` to take
 * out. CPUs past the mask are ignored; "all" sets every bit of the mask. Empty items and an empty
 * text are fine.
 * @returns ascending
 * @throws CpuListRefusal
 */
export function parseCpuList(text: string, machine: XlMachine): number[] {
  const chosen = new Set<number>();
  for (const item of text.split(',')) if (item !== '') updateMask(item, chosen, machine);
  return [...chosen].sort((a, b) => a - b);
}

function updateMask(item: string, chosen: Set<number>, machine: XlMachine): void {
  const match = /^(\^?)(nodes?:)?(.*)$/s.exec(item)!;
  const takesOut = match[1] === '^';
  const bits = maskBits(machine);
  if (match[3] === 'all') {
    if (takesOut) throw new CpuListRefusal(`'${clip(item)}': xl does not combine ^ and all`);
    for (let cpu = 0; cpu < bits; cpu++) chosen.add(cpu);
    return;
  }
  const range = parseRange(match[3]!);
  if (range === null) throw new CpuListRefusal(`'${clip(item)}' names no CPUs`);
  if (range.to - range.from >= TWO_32) throw new CpuListRefusal(`'${clip(item)}' is a range that xl would take hours to count`);
  const isNodes = match[2] !== undefined;
  for (const number of asInts(range, isNodes ? MAX_NODES : bits)) {
    for (const cpu of isNodes ? machine.cpusOfNode(number).filter((one) => one < MAX_NODES) : [number]) {
      if (takesOut) chosen.delete(cpu);
      else chosen.add(cpu);
    }
  }
}

export interface UlongRange {
  readonly from: bigint;
  readonly to: bigint;
}

/** "3" or "0-5" in unsigned 64 bits; null for text that parse_range refuses. */
export function parseRange(text: string): UlongRange | null {
  const first = strtoul(text);
  if (first === null || first.value === ULONG_MAX) return null;
  let { end } = first;
  let to = first.value;
  if (text[end] === '-') {
    const second = strtoul(text.slice(end + 1));
    if (second === null || second.value === ULONG_MAX || second.value < first.value) return null;
    to = second.value;
    end += 1 + second.end;
  }
  return end === text.length ? { from: first.value, to } : null;
}

/**
 * The numbers of a range from 0 below `limit`, after C has cut each to an int of 32 bits; the range
 * has at most 2^32 of them.
 */
function asInts({ from, to }: UlongRange, limit: number): number[] {
  const found = new Set<number>();
  for (let base = (from / TWO_32) * TWO_32; base <= to; base += TWO_32) {
    const low = from > base ? Number(from - base) : 0;
    const high = Math.min(limit - 1, Number(to - base));
    for (let number = low; number <= high; number++) found.add(number);
  }
  return [...found];
}

function clip(text: string): string {
  return text.slice(0, 40);
}
