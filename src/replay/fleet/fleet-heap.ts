// The free memory of a fleet of equal hosts, page for page: buddy blocks by node as in Xen's heap
// (xen/common/page_alloc.c, as src/xen/heap/free-heap.ts has it for one host), in one typed array
// over the whole fleet. Tests hold it to the embedded Xen.
import { InputError } from '../../base/errors.js';
import { MAX_ORDER } from '../../xen/heap/free-heap.js';
import { EMPTY, frameOf, GONE, isBlock, keyOf, largestOrder, NONE, slotOf, zoneOf } from './block-keys.js';
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
 */
const LEAST_SLOTS = 16;
/** Neighbours are 16 bits. */
const MOST_SLOTS = 2 ** 16;
const FIRST_WORDS = 1 << 16;
const LINE_WORDS = 16;

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
  /** Slots that may be not EMPTY. */
  #most = 0;
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
        for (const [start, end] of freeRanges) this.#freeRun(start | 0, (end - start) | 0);
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
    const end = (start + pages) | 0;
    let from = Math.max(start, FIRST_FRAME);
    if (from >= end) return;
    this.freePages[this.#of]! += (end - from) | 0;
    // The last block is not yet in its list: often the next one merges with it.
    let last = 0;
    let lastOrder = -1;
    const highest = MAX_ORDER;
    while (from < end) {
      let order = largestOrder(from, end);
      let mfn = from;
      from = (from + (1 << order)) | 0;
      for (; order < highest; order = (order + 1) | 0) {
        const size = 1 << order;
        if ((mfn & size) !== 0) {
          if (lastOrder === order && last === ((mfn - size) | 0)) lastOrder = -1;
          else if (!this.#removeBlock((mfn - size) | 0, order)) break;
          mfn = (mfn - size) | 0;
        } else if (((mfn + size) | 0) < end || !this.#removeBlock((mfn + size) | 0, order)) break;
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
  take(host: number, node: number, order: number, zoneLow: number, wanted: number, into: Runs): number {
    this.#enter(host, node);
    const most = wanted | 0;
    const low = this.#low;
    const lowest = Math.max(zoneLow | 0, low);
    let got = 0;
    for (let zone = this.#zoneHigh[node]!; zone >= lowest && got < most; zone--) {
      const at = (zone - low) | 0;
      let fitting = this.#orders[(this.#zones + at) | 0]! & (-1 << order);
      for (; fitting !== 0 && got < most; fitting &= (fitting - 1) | 0) {
        const its = 31 - Math.clz32(fitting & -fitting);
        const extents = 1 << (its - order);
        got = (got + extents * this.#takeBlocks(at, its, Math.floor((most - got) / extents) | 0, into)) | 0;
        // What is left is less than a block. The other lists have none that is smaller.
        if (got < most && (this.#orders[(this.#zones + at) | 0]! & (1 << its)) !== 0) {
          this.#takePart(at, its, (most - got) << order, into);
          got = most;
        }
      }
    }
    this.freePages[this.#of]! -= got << order;
    return got;
  }

  /** Whole blocks of a list, the newest first. @returns how many */
  #takeBlocks(zone: number, order: number, most: number, into: Runs): number {
    const [words, halves, at, links] = [this.#words, this.#halves, this.#at, this.#links];
    const list = listOf(this.#lists, zone, order);
    let slot = this.#heads[list]!;
    let got = 0;
    for (; got < most && slot !== 0; got = (got + 1) | 0) {
      const mfn = frameOf(words[(at + slot) | 0]!, order);
      into.add(mfn, (mfn + (1 << order)) | 0);
      this.#drop(slot);
      slot = halves[(links + 2 * slot) | 0]!;
    }
    this.#heads[list] = slot;
    if (slot === 0) this.#orders[(this.#zones + zone) | 0]! &= ~(1 << order);
    else halves[(links + 2 * slot + 1) | 0] = 0;
    return got;
  }

  /** The newest block's highest pages; the lower part can't merge, since they are in use. */
  #takePart(zone: number, order: number, pages: number, into: Runs): void {
    const mfn = frameOf(this.#words[this.#at + this.#heads[listOf(this.#lists, zone, order)]!]!, order);
    this.#removeBlock(mfn, order);
    const end = (mfn + (1 << order)) | 0;
    const start = (end - pages) | 0;
    for (let from = mfn; from < start; ) {
      const piece = largestOrder(from, start);
      this.#add(from, piece);
      from = (from + (1 << piece)) | 0;
    }
    into.add(start, end);
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
    const of = (host * this.#nodes + node) | 0;
    this.#of = of;
    this.#lists = (host * this.#listsOfHost + this.#firstList[node]!) | 0;
    this.#zones = (host * this.#zonesOfHost + this.#firstZone[node]!) | 0;
    this.#low = this.#zoneLow[node]! | 0;
    this.#find();
  }

  /** Where the selected node's words lie. */
  #find(): void {
    const slots = this.#slots[this.#of]!;
    this.#at = this.#base[this.#of]!;
    this.#links = (2 * (this.#at + slots)) | 0;
    this.#mask = (slots - 1) | 0;
    this.#most = (3 * (slots >> 2)) | 0;
    this.#shift = Math.clz32(slots) + 1;
  }

  #add(mfn: number, order: number): void {
    const zone = (zoneOf(mfn) - this.#low) | 0;
    const list = listOf(this.#lists, zone, order);
    const next = this.#heads[list]!;
    const slot = this.#insert(keyOf(mfn, order));
    const [halves, links] = [this.#halves, this.#links];
    const link = (links + 2 * slot) | 0;
    halves[link] = next;
    halves[(link + 1) | 0] = 0;
    if (next === 0) this.#orders[(this.#zones + zone) | 0]! |= 1 << order;
    else halves[(links + 2 * next + 1) | 0] = slot;
    this.#heads[list] = slot;
    // Beyond three quarters a look for a block that is not there would pass many others.
    if (this.#filled[this.#of]! > this.#most) this.#rebuild();
  }

  /** @returns the slot that the key is in then */
  #insert(key: number): number {
    const [words, at, mask] = [this.#words, this.#at, this.#mask];
    const gone = GONE;
    let slot = slotOf(key, this.#shift);
    let there = words[(at + slot) | 0]!;
    while (there !== 0 && there !== gone) {
      slot = (slot + 1) & mask;
      there = words[(at + slot) | 0]!;
    }
    if (there === 0) this.#filled[this.#of]!++;
    words[(at + slot) | 0] = key;
    return slot;
  }

  /** @returns false when there is no such block */
  #removeBlock(mfn: number, order: number): boolean {
    const zone = (zoneOf(mfn) - this.#low) | 0;
    if ((this.#orders[(this.#zones + zone) | 0]! & (1 << order)) === 0) return false;
    const key = keyOf(mfn, order);
    const [words, at, mask] = [this.#words, this.#at, this.#mask];
    let slot = slotOf(key, this.#shift);
    for (let there = words[(at + slot) | 0]!; there !== key; there = words[(at + slot) | 0]!) {
      if (there === 0) return false;
      slot = (slot + 1) & mask;
    }
    this.#unlink(slot, zone, order);
    this.#drop(slot);
    return true;
  }

  #unlink(slot: number, zone: number, order: number): void {
    const [halves, links] = [this.#halves, this.#links];
    const link = (links + 2 * slot) | 0;
    const next = halves[link]!;
    const before = halves[(link + 1) | 0]!;
    if (next !== 0) halves[(links + 2 * next + 1) | 0] = before;
    if (before !== 0) {
      halves[(links + 2 * before) | 0] = next;
      return;
    }
    this.#heads[listOf(this.#lists, zone, order)] = next;
    if (next === 0) this.#orders[(this.#zones + zone) | 0]! &= ~(1 << order);
  }

  /** Empties the slot, and those before it that were kept for what lay behind. */
  #drop(slot: number): void {
    const [words, at, mask] = [this.#words, this.#at, this.#mask];
    if (words[(at + ((slot + 1) & mask)) | 0] !== 0) {
      words[(at + slot) | 0] = GONE;
      return;
    }
    let emptied = 0;
    let back = slot;
    do {
      words[(at + back) | 0] = 0;
      emptied = (emptied + 1) | 0;
      back = (back - 1) & mask;
    } while (words[(at + back) | 0] === GONE);
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

/** The list of a node's zone and order, from its first list on. */
function listOf(first: number, zone: number, order: number): number {
  return (first + zone * ORDERS + order) | 0;
}
