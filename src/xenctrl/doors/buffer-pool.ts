// Small hypercall buffers share pages: every page of hypercall memory costs a system call and a
// mapping, and most buffers have 16 to 144 bytes.
import { PAGE_BYTES } from '../../base/units.js';
import type { HypercallBuffer } from './door.js';

/** Where pages come from: page-aligned memory that stays where it is. */
export interface PageSource {
  allocPages(sizeBytes: number): { readonly address: number; readonly memory: ArrayBuffer };
  freePages(address: number): void;
}

/** Buffers of a power of two up to this share pages; larger ones have pages of their own. */
const LARGEST_SHARED_BYTES = 1024;
const SMALLEST_BYTES = 32;
/** Empty pages of one size class that are kept for the next buffer. */
const KEPT_EMPTY_PAGES = 1;
const NO_BYTES = new Uint8Array(0);
const NO_VIEW = new DataView(new ArrayBuffer(0));

interface Page {
  readonly address: number;
  readonly memory: ArrayBuffer;
  readonly slotBytes: number;
  /** Slots not given out, last freed first. */
  readonly free: number[];
  readonly slots: number;
}

class PooledBuffer implements HypercallBuffer {
  readonly address: number;
  bytes: Uint8Array;
  view: DataView;
  readonly sizeBytes: number;
  /** undefined = pages of its own. */
  readonly page: Page | undefined;
  constructor(address: number, memory: ArrayBuffer, offset: number, sizeBytes: number, page: Page | undefined) {
    this.address = address;
    this.bytes = new Uint8Array(memory, offset, sizeBytes);
    this.view = new DataView(memory, offset, sizeBytes);
    this.sizeBytes = sizeBytes;
    this.page = page;
  }
}

export class BufferPool {
  readonly #source: PageSource;
  /** Pages with a slot left, by size of their slots. */
  readonly #open = new Map<number, Page[]>();
  readonly #live = new Map<number, PooledBuffer>();
  readonly #pages = new Set<number>();

  constructor(source: PageSource) {
    this.#source = source;
  }

  /** Zeroed. */
  alloc(sizeBytes: number): HypercallBuffer {
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 1) throw new RangeError(`a hypercall buffer of ${sizeBytes} bytes`);
    const buffer = sizeBytes > LARGEST_SHARED_BYTES ? this.#allocAlone(sizeBytes) : this.#allocShared(sizeBytes);
    this.#live.set(buffer.address, buffer);
    buffer.bytes.fill(0);
    return buffer;
  }

  /** `bytes` and `view` are empty from then on: the memory may be gone. */
  free(buffer: HypercallBuffer): void {
    const live = this.#live.get(buffer.address);
    if (live === undefined || live !== buffer) throw new RangeError('a hypercall buffer was given back twice, or is of another door');
    this.#live.delete(live.address);
    live.bytes = NO_BYTES;
    live.view = NO_VIEW;
    if (live.page === undefined) this.#release(live.address);
    else this.#freeSlot(live.page, live.address);
  }

  /** Buffers in use. */
  get liveBuffers(): number {
    return this.#live.size;
  }

  /** Frees all memory, buffers in use included. */
  clear(): void {
    for (const buffer of this.#live.values()) {
      buffer.bytes = NO_BYTES;
      buffer.view = NO_VIEW;
    }
    this.#live.clear();
    this.#open.clear();
    for (const address of this.#pages) this.#source.freePages(address);
    this.#pages.clear();
  }

  #allocAlone(sizeBytes: number): PooledBuffer {
    const { address, memory } = this.#take(sizeBytes);
    return new PooledBuffer(address, memory, 0, sizeBytes, undefined);
  }

  #allocShared(sizeBytes: number): PooledBuffer {
    const slotBytes = Math.max(SMALLEST_BYTES, 2 ** Math.ceil(Math.log2(sizeBytes)));
    let open = this.#open.get(slotBytes);
    if (open === undefined) {
      open = [];
      this.#open.set(slotBytes, open);
    }
    let page = open.at(-1);
    if (page === undefined) {
      const slots = PAGE_BYTES / slotBytes;
      page = { ...this.#take(PAGE_BYTES), slotBytes, slots, free: Array.from({ length: slots }, (_, i) => slots - 1 - i) };
      open.push(page);
    }
    const slot = page.free.pop()!;
    if (page.free.length === 0) open.pop();
    return new PooledBuffer(page.address + slot * slotBytes, page.memory, slot * slotBytes, sizeBytes, page);
  }

  #freeSlot(page: Page, address: number): void {
    const open = this.#open.get(page.slotBytes)!;
    page.free.push((address - page.address) / page.slotBytes);
    if (page.free.length === 1) open.push(page);
    const empty = open.filter((one) => one.free.length === one.slots);
    if (empty.length <= KEPT_EMPTY_PAGES) return;
    open.splice(open.indexOf(page), 1);
    this.#release(page.address);
  }

  #take(sizeBytes: number): { address: number; memory: ArrayBuffer } {
    const pages = this.#source.allocPages(sizeBytes);
    this.#pages.add(pages.address);
    return pages;
  }

  #release(address: number): void {
    this.#pages.delete(address);
    this.#source.freePages(address);
  }
}
