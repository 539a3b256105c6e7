// Xen's console ring: its messages until they are overwritten (xen/drivers/char/console.c).

const SMALLEST = 16 * 1024;
const BYTES_A_CPU = 2 * 1024;

export class ConsoleRing {
  readonly #bytes: Uint8Array;
  /** Bytes ever written; the last `#bytes.length` of them are still there. */
  #produced = 0;
  /** Where a reading that is not incremental starts. */
  #consumed = 0;

  /** The ring grows with the number of CPUs, as the real one does. */
  constructor(cpus: number) {
    let size = SMALLEST;
    while (size < cpus * BYTES_A_CPU) size *= 2;
    this.#bytes = new Uint8Array(size);
  }

  print(line: string): void {
    const text = Buffer.from(`(XEN) ${line}\n`, 'latin1');
    for (const byte of text) this.#bytes[this.#produced++ % this.#bytes.length] = byte;
  }

  /**
   * Copies what is in the ring to `into`, from `index` on when `incremental` and it is later.
   * `clear` forgets what was read.
   * @returns bytes copied, and the index to go on from
   */
  read(into: Uint8Array, incremental: boolean, index: number, clear: boolean): { readonly count: number; readonly index: number } {
    let from = this.#consumed;
    // Indexes on the wire are 32 bits wide and wrap.
    const start = this.#produced - ((this.#produced - index) >>> 0);
    if (incremental && start > from) from = start;
    from = Math.max(from, this.#produced - this.#bytes.length);
    const count = Math.min(into.length, this.#produced - from);
    for (let i = 0; i < count; i++) into[i] = this.#bytes[(from + i) % this.#bytes.length]!;
    if (clear) this.#consumed = from + count;
    return { count, index: (from + count) >>> 0 };
  }
}
