// Tar archives with any entries, also those that `tar` does not write: absolute names, links, two
// entries of one name.
const BLOCK = 512;

export interface TarEntry {
  readonly name: string;
  readonly content?: string | Uint8Array;
  /** 0 file, 1 hard link, 2 symbolic link, 5 folder, 6 pipe. */
  readonly type?: '0' | '1' | '2' | '5' | '6';
  readonly link?: string;
}

/** In the format ustar, with its two end blocks. */
export function tarOf(entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(blocksOf), Buffer.alloc(2 * BLOCK)]);
}

function blocksOf({ name, content = '', type = '0', link = '' }: TarEntry): Buffer[] {
  const bytes = Buffer.from(content as string);
  const head = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number) => head.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at);
  head.write(name, 0, 100);
  octal(0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(bytes.length, 124, 12);
  octal(1_770_000_000, 136, 12);
  head.write('        ', 148);
  head.write(type, 156);
  head.write(link, 157, 100);
  head.write('ustar\x0000', 257);
  head.write('root', 265);
  head.write('root', 297);
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return [head, bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)];
}
