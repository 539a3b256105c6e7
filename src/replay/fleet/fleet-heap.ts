// The free memory of a fleet of equal hosts, page for page: buddy blocks by node as in Xen's heap
// (xen/common/page_alloc.c, as src/xen/heap/free-heap.ts has it for one host). Tests hold it to the
// embedded Xen.
import { MAX_ORDER } from '../../xen/heap/free-heap.js';
import { BlockLists } from './block-lists.js';
import type { Runs } from './frames.js';
import type { HeapLayout } from './heap-layout.js';

/** Frame 0 never enters the heap (page_alloc.c, init_heap_pages). */
const FIRST_FRAME = 1;
const ORDERS = MAX_ORDER + 1;

/**
 * A node of the fleet has the number host * nodes + node. As in Xen, each zone and order has a list
 * of blocks, of which the newest is taken first.
 */
export class FleetHeap {
  /** By node of the fleet. */
  readonly freePages: Int32Array;
  readonly #nodes: number;
  /** By node of a host: the zones that its frames are in, and where its lists begin. */
  readonly #zoneLow: Int32Array;
  readonly #zoneHigh: Int32Array;
  readonly #firstList: Int32Array;
  readonly #listsOfHost: number;
  readonly #firstZone: Int32Array;
  readonly #zonesOfHost: number;
  /** By host, node, zone and order: the free blocks. */
  readonly #blocks: BlockLists;
  /** By host, node and zone: the orders that have blocks. */
  readonly #orders: Int32Array;

  // What #enter selected: a node of the fleet, and where its data lies.
  #of = 0;
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
    this.#firstZone = new Int32Array(nodes);
    let zones = 0;
    for (let node = 0; node < nodes; node++) {
      this.#firstZone[node] = zones;
      this.#firstList[node] = zones * ORDERS;
      zones += Math.max(0, this.#zoneHigh[node]! - this.#zoneLow[node]! + 1);
    }
    this.#zonesOfHost = zones;
    this.#listsOfHost = zones * ORDERS;
    this.#blocks = new BlockLists(hosts * this.#listsOfHost);
    this.#orders = new Int32Array(hosts * zones);
    this.freePages = new Int32Array(hosts * nodes);
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
    const list = listOf(this.#lists, zone, order);
    const got = this.#blocks.popTo(into, list, 1 << order, most);
    if (this.#blocks.length(list) === 0) this.#orders[(this.#zones + zone) | 0]! &= ~(1 << order);
    return got;
  }

  /** The newest block's highest pages; the lower part can't merge, since they are in use. */
  #takePart(zone: number, order: number, pages: number, into: Runs): void {
    const list = listOf(this.#lists, zone, order);
    const mfn = this.#blocks.pop(list);
    if (this.#blocks.length(list) === 0) this.#orders[(this.#zones + zone) | 0]! &= ~(1 << order);
    const end = (mfn + (1 << order)) | 0;
    const start = (end - pages) | 0;
    for (let from = mfn; from < start; ) {
      const piece = largestOrder(from, start);
      this.#add(from, piece);
      from = (from + (1 << piece)) | 0;
    }
    into.add(start, end);
  }

  #enter(host: number, node: number): void {
    this.#of = (host * this.#nodes + node) | 0;
    this.#lists = (host * this.#listsOfHost + this.#firstList[node]!) | 0;
    this.#zones = (host * this.#zonesOfHost + this.#firstZone[node]!) | 0;
    this.#low = this.#zoneLow[node]! | 0;
  }

  #add(mfn: number, order: number): void {
    const zone = (zoneOf(mfn) - this.#low) | 0;
    this.#blocks.push(listOf(this.#lists, zone, order), mfn);
    this.#orders[(this.#zones + zone) | 0]! |= 1 << order;
  }

  /** @returns false when there is no such block */
  #removeBlock(mfn: number, order: number): boolean {
    const zone = (zoneOf(mfn) - this.#low) | 0;
    if ((this.#orders[(this.#zones + zone) | 0]! & (1 << order)) === 0) return false;
    const list = listOf(this.#lists, zone, order);
    if (!this.#blocks.remove(list, mfn)) return false;
    if (this.#blocks.length(list) === 0) this.#orders[(this.#zones + zone) | 0]! &= ~(1 << order);
    return true;
  }
}

/** The list of a node's zone and order, from its first list on. */
function listOf(first: number, zone: number, order: number): number {
  return (first + zone * ORDERS + order) | 0;
}

function zoneOf(mfn: number): number {
  return 32 - Math.clz32(mfn);
}

/** Order of the largest aligned block that starts at `from` and ends at or before `end`. */
function largestOrder(from: number, end: number): number {
  const fits = 31 - Math.clz32(end - from);
  const aligned = 31 - Math.clz32(from & -from);
  return Math.min(fits, aligned, MAX_ORDER);
}
