// Bytes that arrive in pieces, in one buffer that doubles. A list of pieces would keep an object
// for each, and often the whole buffer that a piece was read into: a sender of single bytes would
// take a hundred times as much memory as it sends.

const FIRST_BYTES = 512;

export class GrowingBytes {
  #buffer: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  readonly #most: number;

  /** @param most the buffer does not grow beyond it */
  constructor(most: number) {
    this.#most = most;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** What the buffer takes. */
  get capacity(): number {
    return this.#buffer.length;
  }

  /** The capacity that `more` bytes need; above `most` there is no room for them. */
  capacityFor(more: number): number {
    const needed = this.length + more;
    if (needed <= this.#buffer.length || needed > this.#most) return Math.max(needed, this.#buffer.length);
    return Math.min(this.#most, Math.max(needed, 2 * this.#buffer.length, FIRST_BYTES));
  }

  /** The piece is copied. @returns false when there is no room for it, and nothing was added */
  add(piece: Uint8Array): boolean {
    if (this.length + piece.length > this.#most) return false;
    if (this.#end + piece.length > this.#buffer.length) {
      const capacity = this.capacityFor(piece.length);
      const target = capacity === this.#buffer.length ? this.#buffer : Buffer.allocUnsafeSlow(capacity);
      this.#buffer.copy(target, 0, this.#start, this.#end);
      this.#buffer = target;
      this.#end -= this.#start;
      this.#start = 0;
    }
    this.#buffer.set(piece, this.#end);
    this.#end += piece.length;
    return true;
  }

  /** A view, valid until the next piece is added. */
  view(): Buffer {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** The first bytes leave. */
  drop(bytes: number): void {
    this.#start += Math.min(bytes, this.length);
  }
}
