// The free memory of a fleet of equal hosts, page for page: buddy blocks by node as in Xen's heap
// (xen/common/page_alloc.c, as src/xen/heap/free-heap.ts has it for one host), in one typed array
// over the whole fleet. Tests hold it to the embedded Xen.
import { MAX_ORDER } from '../../xen/heap/free-heap.js';
import type { HeapLayout } from './heap-layout.js';

/** Frame 0 never enters the heap (page_alloc.c, init_heap_pages). */
const FIRST_FRAME = 1;
/** Words of a block: first frame, order, and the count of its node's blocks when it came. */
const WORDS = 3;
/** In the place of the order: the block is no longer there. */
const TAKEN = -1;
const LEAST_BLOCKS = 16;
const FIRST_WORDS = 1 << 16;

/** Frames [start, end) as pairs, newest last. */
export type Runs = number[];

/**
 * A node of the fleet has the number host * nodes + node. Its blocks lie together, by first frame:
 * a buddy can only be the block before or the one after. Xen keeps a list for each zone and order,
 * and takes from it what came last, which the third word tells.
 */
export class FleetHeap {
  /** By node of the fleet. */
  readonly freePages: Int32Array;
  readonly #nodes: number;
  #words = new Int32Array(FIRST_WORDS);
  /** Words of #words that some node has or had. */
  #used = 0;
  /** By node of the fleet: where its blocks begin, for how many there is room, how many it has. */
  readonly #base: Int32Array;
  readonly #room: Int32Array;
  readonly #count: Int32Array;
  readonly #came: Int32Array;
  /** Where nodes had their blocks before they needed more room, by that room. */
  readonly #unused = new Map<number, number[]>();
  /** Blocks that take the place of others: first frame and order of each. */
  readonly #fresh = new Int32Array(2 * 4 * (MAX_ORDER + 1));

  /** Blocks that a request needs whole: where they lie. */
  readonly #needed: number[] = [];
  /** By order, of the blocks of the zone that a request looks at: extents, and the newest block. */
  readonly #extents = new Int32Array(MAX_ORDER + 1);
  readonly #newest = new Int32Array(MAX_ORDER + 1);
  /** By order: where its blocks begin and end in #needed. */
  readonly #starts = new Int32Array(MAX_ORDER + 1);
  readonly #ends = new Int32Array(MAX_ORDER + 1);

  constructor(layout: HeapLayout, hosts: number) {
    this.#nodes = layout.nodes.length;
    const all = hosts * this.#nodes;
    this.freePages = new Int32Array(all);
    this.#base = new Int32Array(all);
    this.#room = new Int32Array(all);
    this.#count = new Int32Array(all);
    this.#came = new Int32Array(all);
    for (let of = 0; of < all; of++) {
      this.#base[of] = this.#reserve(LEAST_BLOCKS);
      this.#room[of] = LEAST_BLOCKS;
    }
    for (let host = 0; host < hosts; host++) {
      for (const [node, { freeRanges }] of layout.nodes.entries()) {
        // In pieces, because #fresh has room for no more blocks of the largest order.
        for (const [start, end] of freeRanges) {
          for (let from = start; from < end; from += 2 ** MAX_ORDER) this.free(host, node, from, Math.min(2 ** MAX_ORDER, end - from));
        }
      }
    }
  }

  /** Takes the frames [start, start + pages) as free; merges them with what borders on them. */
  free(host: number, node: number, start: number, pages: number): void {
    const end = start + pages;
    let from = Math.max(start, FIRST_FRAME);
    if (from >= end) return;
    const of = host * this.#nodes + node;
    this.freePages[of]! += end - from;
    // Runs longer than that come in pieces, as above.
    for (let stop = from + 2 ** MAX_ORDER; stop < end; stop += 2 ** MAX_ORDER) {
      this.#insert(of, from, stop);
      from = stop;
    }
    this.#insert(of, from, end);
  }

  /**
   * Extents of `order`, `most` of them at most, as Xen takes them one by one: from the block that
   * it finds first, zones from high to low and then the smallest order that fits, its highest part
   * (page_alloc.c:855-958).
   * @param zoneLow the lowest zone that counts
   * @param into receives the frames
   * @returns how many there were
   */
  take(host: number, node: number, order: number, zoneLow: number, most: number, into: Runs): number {
    const of = host * this.#nodes + node;
    let got = 0;
    while (got < most) {
      const zone = this.#survey(of, order, zoneLow);
      if (zone < 0) break;
      const lasts = this.#lastOrder(order, most - got);
      const newest = this.#newest[lasts]!;
      // Most requests need a part of one block.
      if (this.#extents[lasts] !== 0 && this.#isFirst(order, lasts) && most - got <= 1 << (lasts - order)) {
        this.#takePart(of, (newest - this.#base[of]!) / WORDS, (most - got) << order, into);
        got = most;
      } else got += this.#takeWhole(of, order, lasts, zone, most - got, into);
    }
    this.freePages[of]! -= got << order;
    return got;
  }

  /**
   * Of the highest zone with a block for the order: extents and the newest block of each order.
   * @returns the zone; -1 = there is no such block
   */
  #survey(of: number, order: number, zoneLow: number): number {
    const [words, extents, newest] = [this.#words, this.#extents, this.#newest];
    const base = this.#base[of]!;
    const end = base + WORDS * this.#count[of]!;
    extents.fill(0);
    let highest = -1;
    for (let at = base; at < end; at += WORDS) {
      const its = words[at + 1]!;
      if (its < order) continue;
      const zone = 32 - Math.clz32(words[at]!);
      if (zone !== highest) {
        if (zone < zoneLow || zone < highest) continue;
        highest = zone;
        extents.fill(0);
      }
      if (extents[its] === 0 || words[at + 2]! > words[newest[its]! + 2]!) newest[its] = at;
      extents[its]! += 1 << (its - order);
    }
    return highest;
  }

  /** Up to which order the blocks of the survey are needed for so many extents. */
  #lastOrder(order: number, most: number): number {
    let sum = 0;
    for (let its = order; its < MAX_ORDER; its++) {
      sum += this.#extents[its]!;
      if (sum >= most) return its;
    }
    return MAX_ORDER;
  }

  /** There is no smaller block. */
  #isFirst(order: number, lasts: number): boolean {
    for (let its = order; its < lasts; its++) if (this.#extents[its] !== 0) return false;
    return true;
  }

  /** The highest pages of a block. */
  #takePart(of: number, index: number, pages: number, into: Runs): void {
    const at = this.#base[of]! + WORDS * index;
    const mfn = this.#words[at]!;
    const end = mfn + (1 << this.#words[at + 1]!);
    // The lower part: nothing can merge, its upper part is in use.
    let fresh = 0;
    for (let from = mfn; from < end - pages; fresh++) {
      const piece = largestOrder(from, end - pages);
      this.#fresh[2 * fresh] = from;
      this.#fresh[2 * fresh + 1] = piece;
      from += 1 << piece;
    }
    this.#replace(of, index, index + 1, fresh);
    addRun(into, end - pages, end);
  }

  /**
   * Blocks of one zone that are needed whole, in the order in which Xen finds them; the one that is
   * needed in part stays.
   * @returns extents
   */
  #takeWhole(of: number, order: number, lasts: number, zone: number, most: number, into: Runs): number {
    const words = this.#words;
    const base = this.#base[of]!;
    const end = base + WORDS * this.#count[of]!;
    // By order, and within one the newest first.
    const [starts, ends, needed] = [this.#starts, this.#ends, this.#needed];
    let found = 0;
    for (let its = order; its <= lasts; its++) {
      starts[its] = found;
      ends[its] = found;
      found += this.#extents[its]! >> (its - order);
    }
    while (needed.length < found) needed.push(0);
    for (let at = base; at < end; at += WORDS) {
      const its = words[at + 1]!;
      if (its < order || its > lasts || 32 - Math.clz32(words[at]!) !== zone) continue;
      const came = words[at + 2]!;
      const start = starts[its]!;
      let place = ends[its]!++;
      for (; place > start && words[needed[place - 1]! + 2]! < came; place--) needed[place] = needed[place - 1]!;
      needed[place] = at;
    }
    let got = 0;
    for (let place = 0; place < found; place++) {
      const at = needed[place]!;
      const extents = 1 << (words[at + 1]! - order);
      if (got + extents > most) break;
      got += extents;
      addRun(into, words[at]!, words[at]! + (extents << order));
      words[at + 1] = TAKEN;
    }
    this.#close(of, base, end);
    return got;
  }

  /** Closes the gaps that blocks taken whole left. */
  #close(of: number, base: number, end: number): void {
    const words = this.#words;
    let to = base;
    for (let at = base; at < end; at += WORDS) {
      if (words[at + 1] === TAKEN) continue;
      if (to !== at) {
        words[to] = words[at]!;
        words[to + 1] = words[at + 1]!;
        words[to + 2] = words[at + 2]!;
      }
      to += WORDS;
    }
    this.#count[of] = (to - base) / WORDS;
  }

  #insert(of: number, start: number, end: number): void {
    const [words, fresh] = [this.#words, this.#fresh];
    const base = this.#base[of]!;
    const count = this.#count[of]!;
    let low = this.#indexOf(of, start);
    let high = low;
    let top = 0;
    for (let from = start; from < end; ) {
      let order = largestOrder(from, end);
      let mfn = from;
      from += 1 << order;
      for (; order < MAX_ORDER; order++) {
        const size = 1 << order;
        if ((mfn & size) !== 0) {
          const buddy = mfn - size;
          if (top > 0) {
            if (fresh[2 * top - 2] !== buddy || fresh[2 * top - 1] !== order) break;
            top--;
          } else {
            const before = base + WORDS * (low - 1);
            if (low === 0 || words[before] !== buddy || words[before + 1] !== order) break;
            low--;
          }
          mfn = buddy;
        } else {
          const after = base + WORDS * high;
          if (mfn + size < end || high === count || words[after] !== mfn + size || words[after + 1] !== order) break;
          high++;
        }
      }
      fresh[2 * top] = mfn;
      fresh[2 * top + 1] = order;
      top++;
    }
    this.#replace(of, low, high, top);
  }

  /** The node's first block that does not lie below. */
  #indexOf(of: number, mfn: number): number {
    const words = this.#words;
    const base = this.#base[of]!;
    let low = 0;
    let high = this.#count[of]!;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (words[base + WORDS * middle]! < mfn) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Blocks [low, high) of the node give way to the first `fresh` of #fresh. */
  #replace(of: number, low: number, high: number, fresh: number): void {
    const count = this.#count[of]!;
    const after = count + fresh - (high - low);
    if (after > this.#room[of]!) this.#enlarge(of);
    const words = this.#words;
    const base = this.#base[of]!;
    if (after !== count && high < count) {
      words.copyWithin(base + WORDS * (low + fresh), base + WORDS * high, base + WORDS * count);
    }
    let came = this.#came[of]!;
    for (let at = base + WORDS * low, block = 0; block < fresh; block++, at += WORDS) {
      words[at] = this.#fresh[2 * block]!;
      words[at + 1] = this.#fresh[2 * block + 1]!;
      words[at + 2] = ++came;
    }
    this.#came[of] = came;
    this.#count[of] = after;
  }

  #enlarge(of: number): void {
    const room = this.#room[of]!;
    const from = this.#base[of]!;
    const to = this.#reserve(2 * room);
    this.#words.copyWithin(to, from, from + WORDS * room);
    const unused = this.#unused.get(room) ?? [];
    unused.push(from);
    this.#unused.set(room, unused);
    this.#base[of] = to;
    this.#room[of] = 2 * room;
  }

  #reserve(blocks: number): number {
    const known = this.#unused.get(blocks)?.pop();
    if (known !== undefined) return known;
    const at = this.#used;
    this.#used += WORDS * blocks;
    if (this.#used > this.#words.length) {
      const more = new Int32Array(Math.max(2 * this.#words.length, this.#used));
      more.set(this.#words);
      this.#words = more;
    }
    return at;
  }
}

/** A run that borders on the one before joins it. */
function addRun(runs: Runs, start: number, end: number): void {
  const last = runs.length - 2;
  if (last >= 0 && runs[last] === end) runs[last] = start;
  else if (last >= 0 && runs[last + 1] === start) runs[last + 1] = end;
  else runs.push(start, end);
}

/** Order of the largest aligned block that starts at `from` and ends at or before `end`. */
function largestOrder(from: number, end: number): number {
  return Math.min(MAX_ORDER, 31 - Math.clz32(end - from), 31 - Math.clz32(from & -from));
}
