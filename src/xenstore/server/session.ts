// One client of the server: cuts its bytes into requests, has them answered, and delays them if it
// must. No sockets here.

import { type Bytes, HEADER_BYTES, MESSAGE, PAYLOAD_MAX_BYTES, type Request } from '../protocol/wire.js';
import type { ClientState } from '../store/client-state.js';
import type { Engine } from '../store/engine.js';
import type { Account } from './account.js';
import type { ServerLimits } from './client-limits.js';
import { OutBuffer } from './out-buffer.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export class Session {
  readonly out: OutBuffer;
  readonly client: ClientState;
  /** Of its domain. */
  readonly account: Account;
  /** Its part of the account's replies. */
  #countedReplies = 0;
  /** Its last words are on their way: close it when they are sent. */
  ending = false;
  readonly #engine: Engine;
  readonly #limits: ServerLimits;
  /**
   * What came and is not answered yet: the beginning of a message, or whole ones while the client
   * must read first.
   */
  #rest: Buffer | undefined;
  readonly #request: Writable<Request> = { type: 0, requestId: 0, txId: 0, bytes: NONE, start: 0, end: 0 };

  constructor(engine: Engine, domid: number, limits: ServerLimits, account: Account, dirty: (session: Session) => void) {
    this.#engine = engine;
    this.#limits = limits;
    this.account = account;
    this.out = new OutBuffer(limits.waitingBytes, account, () => dirty(this));
    this.client = engine.connect(domid, this.out);
  }

  /** Whether its bytes should be read now. */
  get listens(): boolean {
    return !this.ending && !this.#mustRead();
  }

  /** Whole messages wait that can be answered now, or in its next turn. */
  get canResume(): boolean {
    return this.hasRequest && this.listens;
  }

  /** More of its bytes should be read now: what it sent before is answered. */
  get reads(): boolean {
    return this.listens && !this.hasRequest;
  }

  /** Its domain has had its share of the turn. */
  get spent(): boolean {
    return this.client.domid !== 0 && this.account.units >= this.#limits.turnUnits;
  }

  /** A whole message waits. */
  get hasRequest(): boolean {
    const rest = this.#rest;
    if (rest === undefined || rest.length < HEADER_BYTES) return false;
    const size = get32(rest, 12);
    return size > PAYLOAD_MAX_BYTES || rest.length >= HEADER_BYTES + size;
  }

  /** What it sent and is not answered yet. */
  get unanswered(): Buffer {
    return this.#rest ?? NONE;
  }

  /** What it holds of the server's memory. */
  get heldBytes(): number {
    return this.out.length + this.unanswered.length;
  }

  /** After it was sent to: a reply counts from then on, until all are read. */
  countReplies(): void {
    const replies = this.out.length > 0 ? this.out.replies : 0;
    this.account.waitingReplies += replies - this.#countedReplies;
    this.#countedReplies = replies;
  }

  leaveAccount(): void {
    this.account.waitingBytes -= this.out.length;
    this.account.waitingReplies -= this.#countedReplies;
    this.#countedReplies = 0;
    this.#keep(undefined);
  }

  #keep(rest: Buffer | undefined): void {
    this.account.unansweredBytes += (rest?.length ?? 0) - (this.#rest?.length ?? 0);
    this.#rest = rest;
  }

  /** Bytes of the client; they may be overwritten afterwards. */
  receive(bytes: Bytes, length: number): void {
    if (this.ending) return;
    if (this.#rest === undefined) {
      const used = this.#answer(bytes, length);
      if (used < length && !this.ending) this.#keep(Buffer.from(bytes.subarray(used, length)));
      return;
    }
    this.hold(bytes, length);
    this.resume();
  }

  /** Keeps bytes of the client for `resume`. */
  hold(bytes: Bytes, length: number): void {
    if (!this.ending) this.#keep(Buffer.concat([this.unanswered, bytes.subarray(0, length)]));
  }

  /** Answers what waits, as far as the client may go on. */
  resume(): void {
    const rest = this.#rest;
    if (rest === undefined || this.ending) return;
    const used = this.#answer(rest as Bytes, rest.length);
    if (used === rest.length || this.ending) this.#keep(undefined);
    else if (used > 0) this.#keep(tailOf(rest, used));
  }

  close(): void {
    this.ending = true;
    this.#keep(undefined);
    this.#engine.disconnect(this.client);
  }

  /** How many bytes were used up. */
  #answer(bytes: Bytes, length: number): number {
    const request = this.#request;
    let at = 0;
    request.bytes = bytes;
    while (length - at >= HEADER_BYTES && !this.#mustRead() && !this.spent) {
      const size = get32(bytes, at + 12);
      if (size > PAYLOAD_MAX_BYTES) {
        this.#refuse(bytes, at);
        return length;
      }
      const end = at + HEADER_BYTES + size;
      if (end > length) break;
      request.type = get32(bytes, at);
      request.requestId = get32(bytes, at + 4);
      request.txId = get32(bytes, at + 8);
      request.start = at + HEADER_BYTES;
      request.end = end;
      this.#process(request);
      at = end;
    }
    return at;
  }

  #process(request: Request): void {
    const { client, account, out } = this;
    const { work } = this.#engine;
    const before = work.units;
    const waiting = out.length;
    this.#engine.process(client, request);
    // Domain 0 may do what it likes.
    if (client.domid === 0) return;
    const bytes = request.end - request.start + Math.max(0, out.length - waiting);
    account.units += REQUEST_UNITS + (bytes >>> 6) + work.units - before;
  }

  /**
   * Nothing after a message that is too long can be understood: the C daemon closes at once, for
   * oxenstored we answer first.
   */
  #refuse(bytes: Buffer, at: number): void {
    if (this.#engine.personality === 'oxenstored') this.out.reply(MESSAGE.error, get32(bytes, at + 4), get32(bytes, at + 8), 'EINVAL\0');
    this.ending = true;
  }

  #mustRead(): boolean {
    const { out, client, account } = this;
    const { waitingReplyBytes } = this.#limits;
    if (client.domid === 0) return out.length > waitingReplyBytes;
    const { outstanding } = this.#engine.quota;
    if (account.waitingBytes > waitingReplyBytes || account.waitingReplies >= outstanding) return true;
    return (out.behind && out.replies >= outstanding) || !this.#engine.listens(client, account.waitingBytes);
  }
}

/** What any request costs: its header, its reply, the descriptor. */
const REQUEST_UNITS = 20;

/** The end of a buffer; a copy once most of the buffer is used up, so that memory is given back. */
function tailOf(rest: Buffer, used: number): Buffer {
  const tail = rest.subarray(used);
  return tail.length * 2 > rest.buffer.byteLength ? tail : Buffer.from(tail);
}

const NONE = Buffer.alloc(0) as Bytes;

function get32(bytes: Buffer, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
