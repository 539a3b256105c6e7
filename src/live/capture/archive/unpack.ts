// gzip and bzip2 piece by piece, in Node and in a browser alike.
import bitIterator from 'unbzip2-stream/lib/bit_iterator.js';
import bzip2 from 'unbzip2-stream/lib/bzip2.js';

/** @throws Error for damaged or cut data */
export async function* gunzip(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const reader = streamOf([bytes]).pipeThrough(new DecompressionStream('gzip')).getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    // Without effect at the end of the data; after a limit was reached, the rest is not unpacked.
    await reader.cancel().catch(() => {});
  }
}

/** One block after the other, each at most 900,000 bytes before its runs are written out. */
const BLOCK_UNIT = 100_000;

/** @throws Error for damaged or cut data */
export async function* bunzip2(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const parts = [bytes];
  const bits = bitIterator(() => {
    const part = parts.shift();
    if (part === undefined) throw new Error('its end is missing');
    return part;
  });
  // Several streams may follow each other.
  while (bits.bytesRead < bytes.length) {
    const size = BLOCK_UNIT * bzip2.header(bits);
    const buffer = new Int32Array(size);
    for (let checksum: number | null = 0; ; ) {
      const block = new Block();
      checksum = bzip2.decompress(bits, (byte) => block.add(byte), buffer, size, checksum);
      if (checksum === null) break;
      yield block.bytes();
    }
  }
}

/** Bytes that come one by one. */
class Block {
  #bytes = new Uint8Array(BLOCK_UNIT);
  #length = 0;

  add(byte: number): void {
    if (this.#length === this.#bytes.length) {
      const longer = new Uint8Array(2 * this.#length);
      longer.set(this.#bytes);
      this.#bytes = longer;
    }
    this.#bytes[this.#length++] = byte;
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** @param chunks are taken when the reader wants them */
export function streamOf(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): ReadableStream<Uint8Array<ArrayBuffer>> {
  const source = Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]();
  return new ReadableStream({
    async pull(controller) {
      const next = await source.next();
      if (next.done === true) controller.close();
      else controller.enqueue(next.value as Uint8Array<ArrayBuffer>);
    },
    async cancel() {
      await source.return?.();
    },
  });
}
