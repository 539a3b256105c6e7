// The free memory of one node as buddy blocks by zone and order, as Xen's heap keeps it. A zone is
// the bit length of a frame number, so that "below 2^n" is a range of zones.

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
 * Blocks are nodes of doubly linked lists in parallel arrays; `slotOf` finds a block by its first
 * frame, for merging. What is free is always fully merged, so the set of blocks follows from the
 * set of free frames; only the order within a list is history.
 */
export class FreeHeap {
  freePages = 0;
  readonly #zonePages = new Float64Array(NR_ZONES);
  readonly #head = new Int32Array(NR_ZONES * ORDERS).fill(-1);
  /** Bit o of a zone's word: its list of order o is not empty. */
  readonly #orders = new Int32Array(NR_ZONES);
  readonly #slotOf = new Map<number, number>();
  readonly #mfn: number[] = [];
  readonly #order: number[] = [];
  readonly #next: number[] = [];
  readonly #prev: number[] = [];
  readonly #unused: number[] = [];

  /** Takes the frames [start, start + pages) as free; merges them with what borders on them. */
  free(start: number, pages: number): void {
    let from = start;
    const end = start + pages;
    if (from < FIRST_FRAME) from = FIRST_FRAME;
    this.freePages += Math.max(0, end - from);
    while (from < end) {
      const order = largestOrder(from, end);
      this.#zonePages[zoneOf(from)]! += 2 ** order;
      this.#merge(from, order);
      from += 2 ** order;
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
      from += 2 ** order;
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
      const mfn = this.#mfn[slot]!;
      this.#remove(slot);
      const pages = 2 ** found;
      const extents = Math.min(most, 2 ** (found - order));
      const taken = extents * 2 ** order;
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
    for (const [mfn, slot] of this.#slotOf) yield { mfn, order: this.#order[slot]! };
  }

  #merge(start: number, ofOrder: number): void {
    let mfn = start;
    let order = ofOrder;
    while (order < MAX_ORDER) {
      const size = 2 ** order;
      const upper = (mfn / size) % 2 === 1;
      const buddy = this.#slotOf.get(upper ? mfn - size : mfn + size);
      if (buddy === undefined || this.#order[buddy] !== order) break;
      this.#remove(buddy);
      if (upper) mfn -= size;
      order++;
    }
    this.#insert(mfn, order);
  }

  #insert(mfn: number, order: number): void {
    const zone = zoneOf(mfn);
    const list = zone * ORDERS + order;
    const slot = this.#unused.pop() ?? this.#mfn.length;
    const head = this.#head[list]!;
    this.#mfn[slot] = mfn;
    this.#order[slot] = order;
    this.#next[slot] = head;
    this.#prev[slot] = -1;
    if (head >= 0) this.#prev[head] = slot;
    this.#head[list] = slot;
    this.#orders[zone]! |= 1 << order;
    this.#slotOf.set(mfn, slot);
  }

  #remove(slot: number): void {
    const mfn = this.#mfn[slot]!;
    const next = this.#next[slot]!;
    const prev = this.#prev[slot]!;
    if (next >= 0) this.#prev[next] = prev;
    if (prev >= 0) this.#next[prev] = next;
    else {
      const zone = zoneOf(mfn);
      const order = this.#order[slot]!;
      this.#head[zone * ORDERS + order] = next;
      if (next < 0) this.#orders[zone]! &= ~(1 << order);
    }
    this.#slotOf.delete(mfn);
    this.#unused.push(slot);
  }
}

/** Order of the largest aligned block that starts at `from` and ends at or before `end`. */
function largestOrder(from: number, end: number): number {
  const fits = Math.min(MAX_ORDER, Math.floor(Math.log2(end - from)));
  const low = from % 2 ** MAX_ORDER;
  if (low === 0) return fits;
  return Math.min(fits, 31 - Math.clz32(low & -low));
}
