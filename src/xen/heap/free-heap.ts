// The free memory of one node as buddy blocks by zone and order, as Xen's heap keeps it. A zone is
// the bit length of a frame number, so that "below 2^n" is a range of zones.
import { BlockTable } from './block-table.js';

/** Largest block: 2^20 pages, 4 GiB (xen/include/xen/mm.h, MAX_ORDER). */
export const MAX_ORDER = 20;
/**
 * Zones 1 .. 40: frames of 1 .. 40 bits, addresses of up to 52 bits (xen/common/page_alloc.c,
 * NR_ZONES).
 */
export const NR_ZONES = 41;
/** Lowest zone that guests' memory may come from: zone 0 is Xen's own heap. */
export const ZONE_MIN = 1;
export const ZONE_MAX = NR_ZONES - 1;

const ORDERS = MAX_ORDER + 1;
const TWO_32 = 2 ** 32;
/**
 * Frame 0 never enters the heap: it would let two blocks of different zones merge (page_alloc.c,
 * init_heap_pages).
 */
const FIRST_FRAME = 1;

/** Bit length of a frame number (page_alloc.c, page_to_zone). */
export function zoneOf(mfn: number): number {
  return mfn >= TWO_32 ? 64 - Math.clz32(mfn / TWO_32) : 32 - Math.clz32(mfn);
}

/** A run of frames taken in one go: extents of 2^order pages, the first one highest. */
export interface Chunk {
  /** One past the highest frame. */
  end: number;
  /** Extents in the chunk. */
  extents: number;
}

/**
 * Blocks are nodes of doubly linked lists; the table finds a block by its first frame, for merging.
 * What is free is always fully merged, so the set of blocks follows from the set of free frames;
 * only the order within a list is history.
 */
export class FreeHeap {
  freePages = 0;
  readonly #zonePages = new Float64Array(NR_ZONES);
  readonly #head = new Int32Array(NR_ZONES * ORDERS).fill(-1);
  /** Bit o of a zone's word: its list of order o is not empty. */
  readonly #orders = new Int32Array(NR_ZONES);
  readonly #blocks = new BlockTable();

  /** Takes the frames [start, start + pages) as free; merges them with what borders on them. */
  free(start: number, pages: number): void {
    let from = start;
    const end = start + pages;
    if (from < FIRST_FRAME) from = FIRST_FRAME;
    this.freePages += Math.max(0, end - from);
    while (from < end) {
      const order = largestOrder(from, end);
      this.#zonePages[zoneOf(from)]! += 1 << order;
      this.#merge(from, order);
      from += 1 << order;
    }
  }

  /**
   * Gives back the unused lower part of a chunk that `take` returned: nothing can merge, its upper
   * part is in use.
   */
  putBack(start: number, pages: number): void {
    let from = start;
    const end = start + pages;
    this.freePages += pages;
    this.#zonePages[zoneOf(start)]! += pages;
    while (from < end) {
      const order = largestOrder(from, end);
      this.#insert(from, order);
      from += 1 << order;
    }
  }

  /**
   * The highest part of the block that Xen would take for an extent of `order`: zones from high to
   * low, the smallest order that fits (page_alloc.c:855-958). Up to `most` extents of it at once,
   * which is what as many single requests would get.
   * @returns false when no zone has such a block
   */
  take(order: number, zoneLow: number, zoneHigh: number, most: number, into: Chunk): boolean {
    const wanted = -1 << order;
    for (let zone = zoneHigh; zone >= zoneLow; zone--) {
      const fitting = this.#orders[zone]! & wanted;
      if (fitting === 0) continue;
      const found = 31 - Math.clz32(fitting & -fitting);
      const slot = this.#head[zone * ORDERS + found]!;
      const mfn = this.#blocks.mfn[slot]!;
      this.#remove(slot);
      const pages = 1 << found;
      const extents = Math.min(most, 1 << (found - order));
      const taken = extents << order;
      this.freePages -= pages;
      this.#zonePages[zone]! -= pages;
      if (taken < pages) this.putBack(mfn, pages - taken);
      into.end = mfn + pages;
      into.extents = extents;
      return true;
    }
    return false;
  }

  /** Free pages of the zones low .. high. */
  zonesFree(low: number, high: number): number {
    let sum = 0;
    for (let zone = low; zone <= high; zone++) sum += this.#zonePages[zone]!;
    return sum;
  }

  /** Every free block, in no particular order: for checks and reports. */
  *blocks(): IterableIterator<{ readonly mfn: number; readonly order: number }> {
    for (const slot of this.#blocks.slots()) yield { mfn: this.#blocks.mfn[slot]!, order: this.#blocks.order[slot]! };
  }

  #merge(start: number, ofOrder: number): void {
    let mfn = start;
    let order = ofOrder;
    while (order < MAX_ORDER) {
      const size = 1 << order;
      // Bits of frame numbers beyond 32 bits are above those of any order.
      const upper = (mfn & size) !== 0;
      const other = upper ? mfn - size : mfn + size;
      if ((this.#orders[zoneOf(other)]! & size) === 0) break;
      const buddy = this.#blocks.find(other);
      if (buddy < 0 || this.#blocks.order[buddy] !== order) break;
      this.#remove(buddy);
      if (upper) mfn -= size;
      order++;
    }
    this.#insert(mfn, order);
  }

  #insert(mfn: number, order: number): void {
    const zone = zoneOf(mfn);
    const list = zone * ORDERS + order;
    const blocks = this.#blocks;
    const slot = blocks.add(mfn, order);
    const head = this.#head[list]!;
    blocks.next[slot] = head;
    blocks.prev[slot] = -1;
    if (head >= 0) blocks.prev[head] = slot;
    this.#head[list] = slot;
    this.#orders[zone]! |= 1 << order;
  }

  #remove(slot: number): void {
    const blocks = this.#blocks;
    const next = blocks.next[slot]!;
    const prev = blocks.prev[slot]!;
    if (next >= 0) blocks.prev[next] = prev;
    if (prev >= 0) blocks.next[prev] = next;
    else {
      const zone = zoneOf(blocks.mfn[slot]!);
      const order = blocks.order[slot]!;
      this.#head[zone * ORDERS + order] = next;
      if (next < 0) this.#orders[zone]! &= ~(1 << order);
    }
    blocks.remove(slot);
  }
}

/** Order of the largest aligned block that starts at `from` and ends at or before `end`. */
function largestOrder(from: number, end: number): number {
  const fits = 31 - Math.clz32(Math.min(1 << MAX_ORDER, end - from));
  const low = from & ((1 << MAX_ORDER) - 1);
  if (low === 0) return fits;
  return Math.min(fits, 31 - Math.clz32(low & -low));
}
