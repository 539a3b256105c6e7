// The lists of free blocks of a whole fleet, in one typed array: of each list its blocks' first
// frames lie side by side, the newest last, so that most steps touch one or two cache lines.
//
// A look for a buddy that is in use, the usual case, would pass all blocks of a list. So a list
// with room for 128 blocks or more has a filter before its blocks, 4 bits for each: the bit of a
// block that is there is set (Bloom 1970, with one hash). Bits of blocks that went stay set until
// the list is empty, gets more room, or was looked through in vain too often.
//
// All numbers are 32-bit integers, and the code says so (`| 0`): else the compiler of V8 checks
// each sum for overflow, or takes it for a floating-point number.
import type { Runs } from './frames.js';

const FIRST_WORDS = 1 << 16;
/** Blocks that a list has room for: 4, or 8, 16, ... by its class. */
const LEAST_ROOM = 4;
/** A list's length and the class of its room share a word. */
const CLASS_BITS = 5;
const CLASS_MASK = (1 << CLASS_BITS) - 1;
/** The first class with a filter. */
const FILTERED = 5;

export class BlockLists {
  #words = new Int32Array(FIRST_WORDS);
  /** The first word stays unused: a list without room begins there. */
  #used = 1;
  /** By list: where its blocks begin; its length and class. */
  readonly #lists: Int32Array;
  /** By class: where rooms that lists have left begin. */
  readonly #left: number[][] = Array.from({ length: CLASS_MASK + 1 }, () => []);

  /** Lists that are empty, with the numbers from 0 up. */
  constructor(lists: number) {
    this.#lists = new Int32Array(2 * lists);
  }

  length(list: number): number {
    return this.#lists[(2 * list + 1) | 0]! >> CLASS_BITS;
  }

  push(list: number, mfn: number): void {
    const lists = this.#lists;
    const at = (2 * list) | 0;
    let size = lists[(at + 1) | 0]!;
    if (size >> CLASS_BITS === LEAST_ROOM << (size & CLASS_MASK) || size === 0) size = this.#grow(at);
    const first = lists[at]!;
    const words = this.#words;
    words[(first + (size >> CLASS_BITS)) | 0] = mfn;
    lists[(at + 1) | 0] = (size + (1 << CLASS_BITS)) | 0;
    const class_ = size & CLASS_MASK;
    if (class_ < FILTERED) return;
    const bit = bitOf(mfn, class_);
    words[(first - 1 - (bit >> 5)) | 0]! |= 1 << bit;
  }

  /** @returns false when the list has no such block */
  remove(list: number, mfn: number): boolean {
    const [words, lists] = [this.#words, this.#lists];
    const at = (2 * list) | 0;
    const first = lists[at]!;
    const size = lists[(at + 1) | 0]!;
    const class_ = size & CLASS_MASK;
    if (class_ >= FILTERED) {
      const bit = bitOf(mfn, class_);
      if ((words[(first - 1 - (bit >> 5)) | 0]! & (1 << bit)) === 0) return false;
    }
    const end = (first + (size >> CLASS_BITS)) | 0;
    let found = first;
    while (found < end && words[found] !== mfn) found = (found + 1) | 0;
    if (found === end) {
      if (class_ >= FILTERED) this.#lookedInVain(first, end, class_);
      return false;
    }
    for (let next = (found + 1) | 0; next < end; next = (next + 1) | 0) words[(next - 1) | 0] = words[next]!;
    this.#shorten(at, 1);
    return true;
  }

  /** The newest block of a list that has some. */
  pop(list: number): number {
    const at = (2 * list) | 0;
    const mfn = this.#words[(this.#lists[at]! + this.length(list) - 1) | 0]!;
    this.#shorten(at, 1);
    return mfn;
  }

  /** Blocks of so many pages, the newest first, `most` of them at most. @returns how many */
  popTo(into: Runs, list: number, pages: number, most: number): number {
    const words = this.#words;
    const at = (2 * list) | 0;
    const first = this.#lists[at]!;
    const length = this.length(list);
    const taken = Math.min(length, most) | 0;
    const last = (first + length - taken) | 0;
    for (let block = (first + length - 1) | 0; block >= last; block = (block - 1) | 0) {
      into.add(words[block]!, (words[block]! + pages) | 0);
    }
    this.#shorten(at, taken);
    return taken;
  }

  #shorten(at: number, blocks: number): void {
    const size = (this.#lists[(at + 1) | 0]! - (blocks << CLASS_BITS)) | 0;
    this.#lists[(at + 1) | 0] = size;
    if (size >> CLASS_BITS === 0 && (size & CLASS_MASK) >= FILTERED) this.#clear(this.#lists[at]!, size & CLASS_MASK);
  }

  #clear(first: number, class_: number): void {
    const words = this.#words;
    for (let at = (first - headOf(class_)) | 0; at < first; at = (at + 1) | 0) words[at] = 0;
  }

  /** The filter is made anew once as many blocks were passed as twice the room has. */
  #lookedInVain(first: number, end: number, class_: number): void {
    const words = this.#words;
    const count = (first - headOf(class_)) | 0;
    words[count]! += (end - first) | 0;
    if (words[count]! > LEAST_ROOM << (class_ + 1)) this.#filter(first, end, class_);
  }

  #filter(first: number, end: number, class_: number): void {
    const words = this.#words;
    this.#clear(first, class_);
    for (let block = first; block < end; block = (block + 1) | 0) {
      const bit = bitOf(words[block]!, class_);
      words[(first - 1 - (bit >> 5)) | 0]! |= 1 << bit;
    }
  }

  /** Gives a list twice the room, or its first. @returns its length and class */
  #grow(at: number): number {
    const lists = this.#lists;
    const [from, size] = [lists[at]!, lists[at + 1]!];
    const length = size >> CLASS_BITS;
    const class_ = from === 0 ? 0 : (size & CLASS_MASK) + 1;
    const to = this.#left[class_]!.pop() ?? this.#reserve(class_);
    this.#words.copyWithin(to, from, from + length);
    if (from !== 0) this.#left[size & CLASS_MASK]!.push(from);
    if (class_ >= FILTERED) this.#filter(to, to + length, class_);
    lists[at] = to;
    lists[at + 1] = (length << CLASS_BITS) | class_;
    return lists[at + 1]!;
  }

  /** @returns where the blocks begin */
  #reserve(class_: number): number {
    const first = this.#used + headOf(class_);
    this.#used = first + (LEAST_ROOM << class_);
    if (this.#used > this.#words.length) {
      const more = new Int32Array(Math.max(2 * this.#words.length, this.#used));
      more.set(this.#words);
      this.#words = more;
    }
    return first;
  }
}

/** Words before the blocks: those passed in vain, and the filter. */
function headOf(class_: number): number {
  return class_ < FILTERED ? 0 : (1 + (1 << (class_ - 1))) | 0;
}

/** The bit of a block among the 16 << class of its list's filter. */
function bitOf(mfn: number, class_: number): number {
  return (Math.imul(mfn, 0x9e3779b1) >>> (28 - class_)) | 0;
}
