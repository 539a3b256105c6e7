// Messages that wait to be sent to one client, as bytes.
import { type Bytes, HEADER_BYTES, MESSAGE, type Outbox } from '../protocol/wire.js';

const FIRST_BYTES = 4096;
/** Shorter strings are copied faster here than by a call of Node's own. */
const SHORT = 40;

/** Bytes that wait for all connections of a domain. */
export interface WaitingBytes {
  waitingBytes: number;
}

export class OutBuffer implements Outbox {
  bytes = Buffer.allocUnsafeSlow(FIRST_BYTES) as Bytes;
  start = 0;
  end = 0;
  /** Replies among what waits, from the last time that nothing waited. */
  replies = 0;
  readonly #dirty: () => void;
  readonly #limit: number;
  readonly #account: WaitingBytes;
  /**
   * Events that wait already: the same one again says nothing new. Kept only while the client is
   * behind.
   */
  readonly #waitingEvents = new Set<string>();
  behind = false;
  overflowed = false;

  /** `dirty` is called when something waits where nothing did, and when more waits than may. */
  constructor(limit: number, account: WaitingBytes, dirty: () => void) {
    this.#limit = limit;
    this.#account = account;
    this.#dirty = dirty;
  }

  get length(): number {
    return this.end - this.start;
  }

  reply(type: number, requestId: number, txId: number, payload: string): void {
    if (this.overflowed) return;
    this.replies++;
    this.#append(type, requestId, txId, payload.length);
    this.#put(payload);
  }

  event(path: string, token: string): void {
    if (this.overflowed) return;
    if (this.behind) {
      const key = `${path}\0${token}`;
      if (this.#waitingEvents.has(key)) return;
      this.#waitingEvents.add(key);
    }
    this.#append(MESSAGE.watchEvent, 0, 0, path.length + token.length + 2);
    this.#put(path);
    this.bytes[this.end++] = 0;
    this.#put(token);
    this.bytes[this.end++] = 0;
  }

  /** Bytes as they are: what waited before a restart. */
  raw(bytes: Buffer): void {
    this.#reserve(bytes.length);
    this.bytes.set(bytes, this.end);
    this.end += bytes.length;
    this.#account.waitingBytes += bytes.length;
  }

  sent(bytes: number): void {
    this.start += bytes;
    this.#account.waitingBytes -= bytes;
    if (this.start < this.end) return;
    this.start = 0;
    this.end = 0;
    this.replies = 0;
    this.behind = false;
    this.#waitingEvents.clear();
    if (this.bytes.length > 16 * FIRST_BYTES) this.bytes = Buffer.allocUnsafeSlow(FIRST_BYTES) as Bytes;
  }

  #append(type: number, requestId: number, txId: number, length: number): void {
    this.#reserve(HEADER_BYTES + length);
    this.#account.waitingBytes += HEADER_BYTES + length;
    const { bytes } = this;
    let at = this.end;
    at = put32(bytes, at, type);
    at = put32(bytes, at, requestId);
    at = put32(bytes, at, txId);
    this.end = put32(bytes, at, length);
  }

  #put(text: string): void {
    const { bytes } = this;
    let at = this.end;
    if (text.length < SHORT) {
      for (let index = 0; index < text.length; index++) bytes[at++] = text.charCodeAt(index);
    } else {
      at += bytes.latin1Write(text, at);
    }
    this.end = at;
  }

  #reserve(more: number): void {
    if (this.end - this.start + more > this.#limit) this.overflowed = true;
    if (this.end === this.start || this.overflowed) this.#dirty();
    if (this.end + more <= this.bytes.length) return;
    const waiting = this.end - this.start;
    let size = this.bytes.length;
    while (size < waiting + more) size *= 2;
    const next = size === this.bytes.length ? this.bytes : (Buffer.allocUnsafeSlow(size) as Bytes);
    this.bytes.copy(next, 0, this.start, this.end);
    this.bytes = next;
    this.start = 0;
    this.end = waiting;
  }
}

function put32(bytes: Buffer, at: number, value: number): number {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
  return at + 4;
}
