// The two parts of unbzip2-stream that need no streams of Node.
declare module 'unbzip2-stream/lib/bit_iterator.js' {
  /** Reads so many bits; null moves to the next whole byte. */
  export interface BitReader {
    (bits: number | null): number;
    bytesRead: number;
  }
  export default function bitIterator(nextBuffer: () => Uint8Array | undefined): BitReader;
}
declare module 'unbzip2-stream/lib/bzip2.js' {
  import type { BitReader } from 'unbzip2-stream/lib/bit_iterator.js';

  const bzip2: {
    /** @returns the size of a block, in 100,000 bytes */
    header(bits: BitReader): number;
    /** @returns the checksum so far; null at the end of a stream */
    decompress(bits: BitReader, add: (byte: number) => void, buffer: Int32Array, size: number, checksum: number): number | null;
  };
  export default bzip2;
}
