// A set of CPUs or of nodes as a bitmap of a fixed width, like Xen's cpumask_t and nodemask_t. It
// is mutable, because the embedded hypervisor updates masks in place; code that passes a mask on
// copies it first.
import { InputError } from './errors.js';

export class Bitset {
  /** Number of bits; members are 0 .. width-1. */
  readonly width: number;
  readonly words: Uint32Array;

  constructor(width: number) {
    this.width = width;
    this.words = new Uint32Array((width + 31) >>> 5);
  }

  static all(width: number): Bitset {
    return new Bitset(width).fill();
  }

  /** @throws RangeError when a member is not in 0 .. width-1 */
  static of(width: number, members: Iterable<number>): Bitset {
    const set = new Bitset(width);
    for (const member of members) set.add(member);
    return set;
  }

  has(bit: number): boolean {
    return bit >= 0 && bit < this.width && ((this.words[bit >>> 5]! >>> (bit & 31)) & 1) === 1;
  }

  add(bit: number): this {
    if (!Number.isInteger(bit) || bit < 0 || bit >= this.width) throw new RangeError(`bit ${bit} is not in 0..${this.width - 1}`);
    this.words[bit >>> 5]! |= 1 << (bit & 31);
    return this;
  }

  delete(bit: number): this {
    if (bit >= 0 && bit < this.width) this.words[bit >>> 5]! &= ~(1 << (bit & 31));
    return this;
  }

  fill(): this {
    this.words.fill(0xffffffff);
    return this.trim();
  }

  clear(): this {
    this.words.fill(0);
    return this;
  }

  /** Clears the bits at and past `width` in the last word. */
  trim(): this {
    const rest = this.width & 31;
    if (rest !== 0) this.words[this.words.length - 1]! &= (1 << rest) - 1;
    return this;
  }

  copyFrom(other: Bitset): this {
    const n = Math.min(this.words.length, other.words.length);
    for (let i = 0; i < n; i++) this.words[i] = other.words[i]!;
    for (let i = n; i < this.words.length; i++) this.words[i] = 0;
    return this.trim();
  }

  clone(): Bitset {
    return new Bitset(this.width).copyFrom(this);
  }

  /** this &= other */
  and(other: Bitset): this {
    for (let i = 0; i < this.words.length; i++) this.words[i]! &= other.words[i] ?? 0;
    return this;
  }

  /** this |= other */
  or(other: Bitset): this {
    const n = Math.min(this.words.length, other.words.length);
    for (let i = 0; i < n; i++) this.words[i]! |= other.words[i]!;
    return this.trim();
  }

  /** this &= ~other */
  andNot(other: Bitset): this {
    const n = Math.min(this.words.length, other.words.length);
    for (let i = 0; i < n; i++) this.words[i]! &= ~other.words[i]!;
    return this;
  }

  intersects(other: Bitset): boolean {
    const n = Math.min(this.words.length, other.words.length);
    for (let i = 0; i < n; i++) if ((this.words[i]! & other.words[i]!) !== 0) return true;
    return false;
  }

  get isEmpty(): boolean {
    for (let i = 0; i < this.words.length; i++) if (this.words[i] !== 0) return false;
    return true;
  }

  get isFull(): boolean {
    return this.size === this.width;
  }

  get size(): number {
    let count = 0;
    for (let word of this.words) {
      word -= (word >>> 1) & 0x55555555;
      word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
      count += (((word + (word >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
    }
    return count;
  }

  /** Smallest member, -1 when empty. */
  get first(): number {
    return this.next(-1);
  }

  /** Smallest member greater than `bit`, -1 when there is none. */
  next(bit: number): number {
    for (let i = bit + 1; i < this.width; ) {
      const word = this.words[i >>> 5]! >>> (i & 31);
      if (word !== 0) {
        const found = i + (31 - Math.clz32(word & -word));
        return found < this.width ? found : -1;
      }
      i = ((i >>> 5) + 1) << 5;
    }
    return -1;
  }

  /**
   * Smallest member after `bit`, wrapping to the first one; -1 when empty (Xen's cycle_node,
   * xen/include/xen/nodemask.h).
   */
  cycle(bit: number): number {
    const after = this.next(bit);
    return after >= 0 ? after : this.first;
  }

  equals(other: Bitset): boolean {
    const n = Math.max(this.words.length, other.words.length);
    for (let i = 0; i < n; i++) if ((this.words[i] ?? 0) !== (other.words[i] ?? 0)) return false;
    return true;
  }

  *[Symbol.iterator](): IterableIterator<number> {
    for (let bit = this.first; bit >= 0; bit = this.next(bit)) yield bit;
  }

  toArray(): number[] {
    const members: number[] = [];
    for (let i = 0; i < this.words.length; i++) {
      for (let word = this.words[i]!; word !== 0; word &= word - 1) members.push(i * 32 + 31 - Math.clz32(word & -word));
    }
    return members;
  }

  /** "0-3,5"; "" when empty. From run to run: masks of thousands of CPUs have few runs. */
  toString(): string {
    let text = '';
    for (let start = this.first; start >= 0; ) {
      const end = this.#nextAbsent(start);
      if (text !== '') text += ',';
      text += end === start + 1 ? start : `${start}-${end - 1}`;
      start = this.next(end);
    }
    return text;
  }

  /** Smallest number greater than `bit` that is no member; `width` when all up to it are. */
  #nextAbsent(bit: number): number {
    for (let i = bit + 1; i < this.width; ) {
      const absent = ~this.words[i >>> 5]! >>> (i & 31);
      if (absent !== 0) return Math.min(this.width, i + 31 - Math.clz32(absent & -absent));
      i = ((i >>> 5) + 1) << 5;
    }
    return this.width;
  }

  /**
   * Little-endian bytes, ceil(bits / 8) of them, as in a xenctl_bitmap. Bits past the set's width
   * are 0.
   */
  toBytes(bits: number = this.width): Uint8Array {
    const bytes = new Uint8Array((bits + 7) >>> 3);
    for (let i = 0; i < bytes.length; i++) bytes[i] = (this.words[i >>> 2] ?? 0) >>> ((i & 3) * 8);
    return bytes;
  }

  /** From little-endian bytes; bits at and past `width` are dropped. */
  static fromBytes(bytes: Uint8Array, width: number): Bitset {
    const set = new Bitset(width);
    const n = Math.min(bytes.length, set.words.length * 4);
    for (let i = 0; i < n; i++) set.words[i >>> 2]! |= bytes[i]! << ((i & 3) * 8);
    return set.trim();
  }
}

/** Ascending numbers as "0-3,5"; "" for none. */
export function formatList(members: Iterable<number>): string {
  const list: readonly number[] = Array.isArray(members) ? members : [...members];
  let text = '';
  for (let at = 0; at < list.length; ) {
    const start = list[at]!;
    let end = start;
    for (at++; at < list.length && list[at] === end + 1; at++) end++;
    if (text !== '') text += ',';
    text += end === start ? start : `${start}-${end}`;
  }
  return text;
}

/**
 * Parses "0-3,5,^1", as `xl` and `taskset` users write it: items from left to right, `^` removes,
 * "all" is every one.
 * @throws InputError that says which item is wrong
 */
export function parseList(text: string, width: number, what = 'CPU'): Bitset {
  const set = new Bitset(width);
  for (const item of text.split(',')) {
    const word = item.trim();
    const match = /^(\^?)(?:all|(\d{1,9})(?:-(\d{1,9}))?)$/.exec(word);
    if (match === null) {
      throw new InputError(`'${word}' is not a ${what} list item`, {}, `write items such as 3, 0-5, ^2 or all, separated by commas`);
    }
    const all = match[2] === undefined;
    const from = all ? 0 : Number(match[2]);
    const to = all ? width - 1 : Number(match[3] ?? match[2]);
    if (from > to || to >= width) {
      throw new InputError(`'${word}' is not within ${what}s 0-${width - 1}`, {}, `give numbers from 0 to ${width - 1}, the smaller first`);
    }
    for (let bit = from; bit <= to; bit++) match[1] === '^' ? set.delete(bit) : set.add(bit);
  }
  return set;
}
