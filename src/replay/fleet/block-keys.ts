// The keys of free blocks, and where they belong in a hash table.
//
// A key is a block's first frame times two, with the bit of its order set below it: the order is
// that of the lowest bit. Orders end before those of the other values of a slot.
//
// All numbers are 32-bit integers, and the code says so (`| 0`): else the compiler of V8 checks
// each sum for overflow, or takes it for a floating-point number.
import { MAX_ORDER } from '../../xen/heap/free-heap.js';

export const EMPTY = 0;
/** A slot whose block went, with other blocks behind it. */
export const GONE = 1 << 30;
/** Slot 0: as a neighbour it stands for none. */
export const NONE = 1 << 31;

/** Spreads keys, whose low bits are alike, over the slots. */
export function slotOf(key: number, shift: number): number {
  return (Math.imul(key, 0x9e3779b1) >>> shift) | 0;
}

export function keyOf(mfn: number, order: number): number {
  return (mfn << 1) | (1 << order);
}

export function frameOf(key: number, order: number): number {
  return (key ^ (1 << order)) >>> 1;
}

export function isBlock(key: number): boolean {
  return key !== 0 && key !== GONE && key !== NONE;
}

export function zoneOf(mfn: number): number {
  return 32 - Math.clz32(mfn);
}

/** Order of the largest aligned block that starts at `from` and ends at or before `end`. */
export function largestOrder(from: number, end: number): number {
  const fits = 31 - Math.clz32(end - from);
  const aligned = 31 - Math.clz32(from & -from);
  return Math.min(fits, aligned, MAX_ORDER);
}
