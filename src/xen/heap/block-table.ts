// The free blocks of a node, each in a slot, found by its first frame: a hash table with open
// addressing and no marks of what went (Knuth, TAOCP 3, 6.4, algorithm R). All in typed arrays,
// since every start of a VM takes and splits thousands of blocks.

const FIRST_SLOTS = 16;
const SPREAD = 0x9e3779b1;

export class BlockTable {
  /** By slot; that of a slot without a block is history. */
  mfn = new Float64Array(FIRST_SLOTS);
  order = new Uint8Array(FIRST_SLOTS);
  /** Neighbours in the list of its zone and order, for the owner of the lists; -1 = none. */
  next = new Int32Array(FIRST_SLOTS);
  prev = new Int32Array(FIRST_SLOTS);
  /** Slots plus 1 by hash, twice as many places as slots; 0 = empty. */
  #places = new Int32Array(2 * FIRST_SLOTS);
  #shift = 31 - Math.log2(FIRST_SLOTS);
  /** Slots that were in use at some time. */
  #used = 0;
  /** Slots that are not in use any more, one leading to the next by `next`. */
  #unused = -1;

  /** Slot of the block that starts there; -1 = none. */
  find(mfn: number): number {
    const places = this.#places;
    const mask = places.length - 1;
    for (let place = this.#home(mfn); ; place = (place + 1) & mask) {
      const slot = places[place]! - 1;
      if (slot < 0 || this.mfn[slot] === mfn) return slot;
    }
  }

  /** @returns its slot */
  add(mfn: number, order: number): number {
    let slot = this.#unused;
    if (slot >= 0) this.#unused = this.next[slot]!;
    else {
      slot = this.#used++;
      if (slot === this.mfn.length) this.#grow();
    }
    this.mfn[slot] = mfn;
    this.order[slot] = order;
    this.#enter(slot);
    return slot;
  }

  remove(slot: number): void {
    const places = this.#places;
    const mask = places.length - 1;
    let gap = this.#home(this.mfn[slot]!);
    while (places[gap] !== slot + 1) gap = (gap + 1) & mask;
    // What lies behind moves up, unless that is before its own place.
    for (let place = (gap + 1) & mask; places[place] !== 0; place = (place + 1) & mask) {
      const home = this.#home(this.mfn[places[place]! - 1]!);
      if (((place - home) & mask) < ((place - gap) & mask)) continue;
      places[gap] = places[place]!;
      gap = place;
    }
    places[gap] = 0;
    this.next[slot] = this.#unused;
    this.#unused = slot;
  }

  *slots(): IterableIterator<number> {
    for (const place of this.#places) if (place !== 0) yield place - 1;
  }

  #home(mfn: number): number {
    return Math.imul((mfn | 0) ^ ((mfn / 2 ** 32) | 0), SPREAD) >>> this.#shift;
  }

  #enter(slot: number): void {
    const places = this.#places;
    const mask = places.length - 1;
    let place = this.#home(this.mfn[slot]!);
    while (places[place] !== 0) place = (place + 1) & mask;
    places[place] = slot + 1;
  }

  /** All slots are in use but the last one, which is about to be. */
  #grow(): void {
    const slots = this.mfn.length;
    const twice = <T extends Float64Array | Uint8Array | Int32Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.mfn = twice(this.mfn, new Float64Array(2 * slots));
    this.order = twice(this.order, new Uint8Array(2 * slots));
    this.next = twice(this.next, new Int32Array(2 * slots));
    this.prev = twice(this.prev, new Int32Array(2 * slots));
    this.#places = new Int32Array(4 * slots);
    this.#shift--;
    for (let slot = 0; slot < slots; slot++) this.#enter(slot);
  }
}
