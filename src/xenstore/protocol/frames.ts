// Cuts a stream of bytes into messages, however they arrive.
import { HEADER_BYTES } from './wire.js';

/**
 * oxenstored sends directories of any size in one message; beyond this it is no XenStore that
 * talks.
 */
const LONGEST_PAYLOAD_BYTES = 64 * 1024 * 1024;

export class Frames {
  #rest: Buffer = Buffer.alloc(0);

  /**
   * Calls `message` for each whole message; `payload` is valid during the call only.
   * @throws Error for a length that no daemon sends
   */
  push(chunk: Buffer, message: (type: number, requestId: number, payload: Buffer) => void): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      const length = bytes.readUInt32LE(at + 12);
      if (length > LONGEST_PAYLOAD_BYTES) throw new Error(`a message of ${length} bytes: this is no XenStore`);
      const end = at + HEADER_BYTES + length;
      if (end > bytes.length) break;
      message(bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4), bytes.subarray(at + HEADER_BYTES, end));
      at = end;
    }
    // A copy: the chunk may lie in a buffer that is used again.
    this.#rest = at === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(at));
  }
}
