// A member's answer as a message: JSON, compressed if it exceeds the servers' message size. The map
// of a host with hundreds of VMs does.
import { gunzipSync, gzipSync } from 'node:zlib';

/** JSON has no such beginning. */
const GZIP = [0x1f, 0x8b] as const;
/** Limit of an unpacked answer: a small message must not fill a reader's memory. */
const MOST_BYTES = 64 * 2 ** 20;
/** A server's own default. */
const MESSAGE_BYTES = 2 ** 20;

/**
 * @param most bytes of a message
 * @returns an answer that says why where even compressed it is too long
 */
export function encodeAnswer(answer: object, most: number = MESSAGE_BYTES): Uint8Array {
  const plain = Buffer.from(JSON.stringify(answer));
  if (plain.length <= most) return plain;
  if (plain.length <= MOST_BYTES) {
    const small = gzipSync(plain);
    if (small.length <= most) return small;
  }
  return Buffer.from(JSON.stringify({ error: `the answer has ${plain.length} bytes, more than a message may have` }));
}

/** @throws Error for what is no answer */
export function decodeAnswer(bytes: Uint8Array): string {
  const packed = bytes[0] === GZIP[0] && bytes[1] === GZIP[1];
  return Buffer.from(packed ? gunzipSync(bytes, { maxOutputLength: MOST_BYTES }) : bytes).toString();
}
