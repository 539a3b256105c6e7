// One shared ring between the server and a domain: struct xenstore_domain_interface
// (xen/include/public/io/xs_wire.h). The other side may write anything at any time, so bytes are
// copied before they are looked at, and indices are checked each time.
import { PAGE_BYTES } from '../../../base/units.js';

export const RING_BYTES = 1024;
/** In 32-bit words. */
const REQUEST_CONSUMED = 512;
const REQUEST_PRODUCED = 513;
const REPLY_CONSUMED = 514;
const REPLY_PRODUCED = 515;
/** What the server can do beyond requests; nothing. */
const SERVER_FEATURES = 516;
/** 0: connected. */
const CONNECTION = 517;

export class BrokenRing extends Error {
  override readonly name = 'BrokenRing';
}

export class Ring {
  readonly #words: Int32Array;
  readonly #requests: Uint8Array;
  readonly #replies: Uint8Array;

  /** @param page of PAGE_BYTES, shared with the domain */
  constructor(page: ArrayBuffer) {
    this.#words = new Int32Array(page, 0, PAGE_BYTES / 4);
    this.#requests = new Uint8Array(page, 0, RING_BYTES);
    this.#replies = new Uint8Array(page, RING_BYTES, RING_BYTES);
    Atomics.store(this.#words, SERVER_FEATURES, 0);
    Atomics.store(this.#words, CONNECTION, 0);
  }

  /**
   * Takes what the domain has written.
   * @param into with room for RING_BYTES
   * @returns how many bytes there were
   * @throws BrokenRing
   */
  take(into: Uint8Array): number {
    const consumed = Atomics.load(this.#words, REQUEST_CONSUMED);
    const bytes = distance(Atomics.load(this.#words, REQUEST_PRODUCED), consumed);
    if (bytes === 0) return 0;
    const from = offset(consumed);
    const first = Math.min(bytes, RING_BYTES - from);
    into.set(this.#requests.subarray(from, from + first), 0);
    into.set(this.#requests.subarray(0, bytes - first), first);
    Atomics.store(this.#words, REQUEST_CONSUMED, (consumed + bytes) | 0);
    return bytes;
  }

  /**
   * Writes as much of `bytes` as there is room for.
   * @returns how many bytes that was
   * @throws BrokenRing
   */
  put(bytes: Uint8Array): number {
    const produced = Atomics.load(this.#words, REPLY_PRODUCED);
    const room = RING_BYTES - distance(produced, Atomics.load(this.#words, REPLY_CONSUMED));
    const count = Math.min(room, bytes.length);
    if (count === 0) return 0;
    const at = offset(produced);
    const first = Math.min(count, RING_BYTES - at);
    this.#replies.set(bytes.subarray(0, first), at);
    this.#replies.set(bytes.subarray(first, count), 0);
    Atomics.store(this.#words, REPLY_PRODUCED, (produced + count) | 0);
    return count;
  }
}

/** Both count up and wrap at 2^32. */
function distance(produced: number, consumed: number): number {
  const bytes = (produced - consumed) >>> 0;
  if (bytes > RING_BYTES) throw new BrokenRing(`its indices are ${bytes} bytes apart: a ring has ${RING_BYTES}`);
  return bytes;
}

function offset(index: number): number {
  return (index >>> 0) % RING_BYTES;
}
