// Whether an archive is whole: its end is there. One that was cut off between two entries would be
// read as a host with fewer listings.

/** "End of central directory" of a zip: 22 bytes and a comment (APPNOTE.TXT 4.3.16). */
const END_BYTES = 22;
const MOST_COMMENT = 0xffff;
const END = [0x50, 0x4b, 0x05, 0x06];
/** Stands before it where the numbers of ZIP64 do (4.3.15). */
const LOCATOR = [0x50, 0x4b, 0x06, 0x07];
const LOCATOR_BYTES = 20;
const ENTRY = [0x50, 0x4b, 0x01, 0x02];

/** Also of a zip that holds another one, whose record is no end of the outer one. */
export function hasZipEnd(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const has = (at: number, signature: readonly number[]) => at >= 0 && signature.every((byte, index) => bytes[at + index] === byte);
  const last = bytes.length - END_BYTES;
  for (let at = last; at >= Math.max(0, last - MOST_COMMENT); at--) {
    if (!has(at, END) || view.getUint16(at + 20, true) > last - at) continue;
    if (has(at - LOCATOR_BYTES, LOCATOR)) return true;
    const [directoryBytes, directoryAt] = [view.getUint32(at + 12, true), view.getUint32(at + 16, true)];
    if (directoryAt + directoryBytes === at && has(directoryAt, ENTRY)) return true;
  }
  return false;
}

/** A tar archive ends with blocks of zeros (POSIX, pax, "ustar Interchange Format"). */
const TAR_BLOCK = 512;

/**
 * The same chunks.
 * @throws Error after them when they do not end as a tar archive does
 */
export async function* withTarEnd(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let zeros = 0;
  for await (const chunk of chunks) {
    const text = chunk.findLastIndex((byte) => byte !== 0);
    zeros = text < 0 ? zeros + chunk.length : chunk.length - 1 - text;
    yield chunk;
  }
  if (zeros < TAR_BLOCK) throw new Error('its end is missing');
}
