// The free memory of a fleet of equal hosts, page for page: buddy blocks by node as in Xen's heap
// (xen/common/page_alloc.c, as src/xen/heap/free-heap.ts has it for one host), in one typed array
// over the whole fleet. Tests hold it to the embedded Xen.
import { InputError } from '../../base/errors.js';
import { MAX_ORDER } from '../../xen/heap/free-heap.js';
import type { Runs } from './frames.js';
import type { HeapLayout } from './heap-layout.js';

/** Frame 0 never enters the heap (page_alloc.c, init_heap_pages). */
const FIRST_FRAME = 1;
const ORDERS = MAX_ORDER + 1;

/**
 * A node's blocks are the slots of a hash table with open addressing (Knuth, TAOCP 3, 6.4): first
 * the keys of all slots, then for each the neighbours in the list of its zone and order, in halves
 * of a word. A start touches hundreds of blocks in memory that no cache holds, so a block is small,
 * and a look for a buddy that is in use mostly reads one word.
 *
 * A key is a block's first frame times two, with the bit of its order set below it: the order is
 * that of the lowest bit. Orders end before those of the other values of a slot.
 */
const EMPTY = 0;
/** A slot whose block went, with other blocks behind it. */
const GONE = 1 << 30;
/** Slot 0: as a neighbour it stands for none. */
const NONE = 1 << 31;
const LEAST_SLOTS = 16;
/** Neighbours are 16 bits. */
const MOST_SLOTS = 2 ** 16;
const FIRST_WORDS = 1 << 16;
const LINE_WORDS = 16;
/** Spreads keys, whose low bits are alike, over the slots. */
const SPREAD = 0x9e3779b1;

/**
 * A node of the fleet has the number host * nodes + node. As in Xen, each zone and order has a list
 * of blocks, of which the newest is taken first; a hash table finds a block's buddy. All that
 * belongs to a node lies together: a start or a stop touches many of its blocks.
 */
export class FleetHeap {
  /** By node of the fleet. */
  readonly freePages: Int32Array;
  readonly #nodes: number;
  /** By node of a host: the zones that its frames are in, and where its lists begin. */
  readonly #zoneLow: Int32Array;
  readonly #zoneHigh: Int32Array;
  readonly #firstList: Int32Array;
  readonly #listsOf: Int32Array;
  readonly #listsOfHost: number;
  readonly #firstZone: Int32Array;
  readonly #zonesOfHost: number;
  /** By host, node, zone and order: the newest block. */
  readonly #heads: Int32Array;
  /** By host, node and zone: the orders that have blocks. */
  readonly #orders: Int32Array;
  /** By node of the fleet: keys, and behind them the neighbours. */
  #words = new Int32Array(FIRST_WORDS);
  /** The same memory, as halves of words. */
  #halves = new Uint16Array(this.#words.buffer);
  /** Words of #words that some node has or had. */
  #used = 0;
  /** By node of the fleet: where its words begin, how many slots, how many of them not EMPTY. */
  readonly #base: Int32Array;
  readonly #slots: Int32Array;
  readonly #filled: Int32Array;
  /** Where nodes had their words before they needed more slots, by their number. */
  readonly #unused = new Map<number, number[]>();

  /** Sum of what `approach` read. */
  seen = 0;

  // What #enter selected: a node of the fleet, and where its data lies.
  #of = 0;
  /** Its first key; the first half of its neighbours, two for each slot. */
  #at = 0;
  #links = 0;
  #mask = 0;
  #shift = 0;
  #lists = 0;
  #zones = 0;
  #low = 0;

  constructor(layout: HeapLayout, hosts: number) {
    const nodes = layout.nodes.length;
    this.#nodes = nodes;
    const ends = layout.nodes.map(({ freeRanges }) => freeRanges.flat());
    this.#zoneLow = Int32Array.from(ends, (all) => zoneOf(Math.max(FIRST_FRAME, Math.min(...all, 2 ** 31 - 1))));
    this.#zoneHigh = Int32Array.from(ends, (all) => zoneOf(Math.max(FIRST_FRAME, ...all)));
    this.#firstList = new Int32Array(nodes);
    this.#listsOf = new Int32Array(nodes);
    this.#firstZone = new Int32Array(nodes);
    let zones = 0;
    for (let node = 0; node < nodes; node++) {
      this.#firstZone[node] = zones;
      this.#firstList[node] = zones * ORDERS;
      zones += Math.max(0, this.#zoneHigh[node]! - this.#zoneLow[node]! + 1);
      this.#listsOf[node] = zones * ORDERS - this.#firstList[node]!;
    }
    this.#zonesOfHost = zones;
    this.#listsOfHost = zones * ORDERS;
    this.#heads = new Int32Array(hosts * this.#listsOfHost);
    this.#orders = new Int32Array(hosts * zones);
    const all = hosts * nodes;
    this.freePages = new Int32Array(all);
    this.#base = new Int32Array(all);
    this.#slots = new Int32Array(all).fill(LEAST_SLOTS);
    this.#filled = new Int32Array(all).fill(1);
    for (let of = 0; of < all; of++) this.#base[of] = this.#reserve(LEAST_SLOTS);
    for (let host = 0; host < hosts; host++) {
      for (const [node, { freeRanges }] of layout.nodes.entries()) {
        this.#enter(host, node);
        for (const [start, end] of freeRanges) this.#freeRun(start, end - start);
      }
    }
  }

  /**
   * Takes runs of a node's frames as free, one after the other.
   * @param words each run's first frame and pages, in turn
   */
  free(host: number, node: number, words: Int32Array, from: number, to: number): void {
    this.#enter(host, node);
    for (let at = from; at < to; at += 2) this.#freeRun(words[at]!, words[at + 1]!);
  }

  /** Merges the frames with what borders on them. */
  #freeRun(start: number, pages: number): void {
    const end = start + pages;
    let from = Math.max(start, FIRST_FRAME);
    if (from >= end) return;
    this.freePages[this.#of]! += end - from;
    // The last block is not yet in its list: often the next one merges with it.
    let last = 0;
    let lastOrder = -1;
    while (from < end) {
      let order = largestOrder(from, end);
      let mfn = from;
      from += 1 << order;
      for (; order < MAX_ORDER; order++) {
        const size = 1 << order;
        if ((mfn & size) !== 0) {
          if (lastOrder === order && last === mfn - size) lastOrder = -1;
          else if (!this.#removeBlock(mfn - size, order)) break;
          mfn -= size;
        } else if (mfn + size < end || !this.#removeBlock(mfn + size, order)) break;
      }
      if (lastOrder >= 0) this.#add(last, lastOrder);
      last = mfn;
      lastOrder = order;
    }
    this.#add(last, lastOrder);
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
    this.#enter(host, node);
    const lowest = Math.max(zoneLow, this.#low);
    let got = 0;
    for (let zone = this.#zoneHigh[node]!; zone >= lowest && got < most; ) {
      const fitting = this.#orders[this.#zones + zone - this.#low]! & (-1 << order);
      if (fitting === 0) {
        zone--;
        continue;
      }
      const its = 31 - Math.clz32(fitting & -fitting);
      const list = this.#lists + (zone - this.#low) * ORDERS + its;
      const mfn = this.#takeHead(list, zone - this.#low, its);
      const extents = 1 << (its - order);
      const end = mfn + (1 << its);
      if (extents <= most - got) {
        got += extents;
        into.add(mfn, end);
        continue;
      }
      // Its highest pages; the lower part can't merge, since they are in use.
      const start = end - ((most - got) << order);
      got = most;
      for (let from = mfn; from < start; ) {
        const piece = largestOrder(from, start);
        this.#add(from, piece);
        from += 1 << piece;
      }
      into.add(start, end);
    }
    this.freePages[this.#of]! -= got << order;
    return got;
  }

  /**
   * Brings the host's blocks into the processor's cache at once, in the order of memory: a start
   * walks through lists of them, one miss after the other.
   */
  approach(host: number): void {
    let seen = 0;
    for (let of = host * this.#nodes; of < (host + 1) * this.#nodes; of++) {
      const end = this.#base[of]! + 2 * this.#slots[of]!;
      for (let at = this.#base[of]!; at < end; at += LINE_WORDS) seen += this.#words[at]!;
    }
    const end = (host + 1) * this.#listsOfHost;
    for (let at = host * this.#listsOfHost; at < end; at += LINE_WORDS) seen += this.#heads[at]!;
    // Kept, so that no compiler leaves the reading out.
    this.seen = seen;
  }

  #enter(host: number, node: number): void {
    const of = host * this.#nodes + node;
    this.#of = of;
    this.#lists = host * this.#listsOfHost + this.#firstList[node]!;
    this.#zones = host * this.#zonesOfHost + this.#firstZone[node]!;
    this.#low = this.#zoneLow[node]!;
    this.#find();
  }

  /** Where the selected node's words lie. */
  #find(): void {
    const slots = this.#slots[this.#of]!;
    this.#at = this.#base[this.#of]!;
    this.#links = 2 * (this.#at + slots);
    this.#mask = slots - 1;
    this.#shift = Math.clz32(slots) + 1;
  }

  #add(mfn: number, order: number): void {
    const zone = zoneOf(mfn) - this.#low;
    const list = this.#lists + zone * ORDERS + order;
    const next = this.#heads[list]!;
    const slot = this.#insert(keyOf(mfn, order));
    const halves = this.#halves;
    const link = this.#links + 2 * slot;
    halves[link] = next;
    halves[link + 1] = 0;
    if (next === 0) this.#orders[this.#zones + zone]! |= 1 << order;
    else halves[this.#links + 2 * next + 1] = slot;
    this.#heads[list] = slot;
    // Beyond three quarters a look for a block that is not there would pass many others.
    if (4 * this.#filled[this.#of]! > 3 * this.#mask) this.#rebuild();
  }

  /** @returns the slot that the key is in then */
  #insert(key: number): number {
    const [words, at, mask] = [this.#words, this.#at, this.#mask];
    let slot = Math.imul(key, SPREAD) >>> this.#shift;
    for (;;) {
      const there = words[at + slot]!;
      if (there === EMPTY) {
        this.#filled[this.#of]!++;
        break;
      }
      if (there === GONE) break;
      slot = (slot + 1) & mask;
    }
    words[at + slot] = key;
    return slot;
  }

  /** The newest block of a list that has one. @returns its first frame */
  #takeHead(list: number, zone: number, order: number): number {
    const slot = this.#heads[list]!;
    const next = this.#halves[this.#links + 2 * slot]!;
    this.#heads[list] = next;
    if (next === 0) this.#orders[this.#zones + zone]! &= ~(1 << order);
    else this.#halves[this.#links + 2 * next + 1] = 0;
    const key = this.#words[this.#at + slot]!;
    this.#drop(slot);
    return frameOf(key, order);
  }

  /** @returns false when there is no such block */
  #removeBlock(mfn: number, order: number): boolean {
    const zone = zoneOf(mfn) - this.#low;
    if ((this.#orders[this.#zones + zone]! & (1 << order)) === 0) return false;
    const key = keyOf(mfn, order);
    const [words, at, mask] = [this.#words, this.#at, this.#mask];
    let slot = Math.imul(key, SPREAD) >>> this.#shift;
    for (let there = words[at + slot]!; there !== key; there = words[at + slot]!) {
      if (there === EMPTY) return false;
      slot = (slot + 1) & mask;
    }
    const halves = this.#halves;
    const link = this.#links + 2 * slot;
    const next = halves[link]!;
    const before = halves[link + 1]!;
    if (next !== 0) halves[this.#links + 2 * next + 1] = before;
    if (before !== 0) halves[this.#links + 2 * before] = next;
    else {
      this.#heads[this.#lists + zone * ORDERS + order] = next;
      if (next === 0) this.#orders[this.#zones + zone]! &= ~(1 << order);
    }
    this.#drop(slot);
    return true;
  }

  /** Empties the slot, and those before it that were kept for what lay behind. */
  #drop(slot: number): void {
    const [words, at, mask] = [this.#words, this.#at, this.#mask];
    if (words[at + ((slot + 1) & mask)] !== EMPTY) {
      words[at + slot] = GONE;
      return;
    }
    let emptied = 0;
    for (let back = slot; back === slot || words[at + back] === GONE; back = (back - 1) & mask) {
      words[at + back] = EMPTY;
      emptied++;
    }
    this.#filled[this.#of]! -= emptied;
  }

  /** The selected node's blocks in slots of which half at most is in use. */
  #rebuild(): void {
    const of = this.#of;
    const [at, links, slots] = [this.#at, this.#links, this.#slots[of]!];
    let blocks = 1;
    for (let slot = 1; slot < slots; slot++) if (isBlock(this.#words[at + slot]!)) blocks++;
    const more = 2 * blocks > slots ? 2 * slots : slots;
    if (more > MOST_SLOTS) throw new InputError(`the free memory of a node lies in more than ${MOST_SLOTS / 2} pieces`);
    this.#base[of] = this.#reserve(more);
    this.#slots[of] = more;
    this.#filled[of] = 1;
    this.#find();
    for (let list = this.#lists; list < this.#lists + this.#listsOf[of % this.#nodes]!; list++) {
      let last = 0;
      for (let slot = this.#heads[list]!; slot !== 0; slot = this.#halves[links + 2 * slot]!) {
        const moved = this.#insert(this.#words[at + slot]!);
        this.#halves[this.#links + 2 * moved + 1] = last;
        if (last === 0) this.#heads[list] = moved;
        else this.#halves[this.#links + 2 * last] = moved;
        last = moved;
      }
    }
    const unused = this.#unused.get(slots) ?? [];
    unused.push(at);
    this.#unused.set(slots, unused);
  }

  /** Words of so many slots, all EMPTY. */
  #reserve(slots: number): number {
    const at = this.#unused.get(slots)?.pop() ?? this.#used;
    if (at === this.#used) {
      this.#used += 2 * slots;
      if (this.#used > this.#words.length) {
        const more = new Int32Array(Math.max(2 * this.#words.length, this.#used));
        more.set(this.#words);
        this.#words = more;
        this.#halves = new Uint16Array(more.buffer);
      }
    }
    this.#words.fill(EMPTY, at, at + 2 * slots);
    this.#words[at] = NONE;
    return at;
  }
}

function keyOf(mfn: number, order: number): number {
  return (mfn << 1) | (1 << order);
}

function frameOf(key: number, order: number): number {
  return (key ^ (1 << order)) >>> 1;
}

function isBlock(key: number): boolean {
  return key !== EMPTY && key !== GONE && key !== NONE;
}

function zoneOf(mfn: number): number {
  return 32 - Math.clz32(mfn);
}

/** Order of the largest aligned block that starts at `from` and ends at or before `end`. */
function largestOrder(from: number, end: number): number {
  return Math.min(MAX_ORDER, 31 - Math.clz32(end - from), 31 - Math.clz32(from & -from));
}
