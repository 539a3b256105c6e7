// The link of a client to its daemon: numbers requests, gives each its reply, and reconnects after
// a loss.
import { setTimeout as delay } from 'node:timers/promises';
import { ERRNO, type Errno, XenError } from '../../base/errors.js';
import { encodeRequest, MESSAGE, type Payload } from '../protocol/wire.js';
import type { Connect, Transport } from './transport.js';

const FIRST_WAIT_MS = 10;
const LONGEST_WAIT_MS = 1000;

/** The answer in the payload of a reply, which is valid during the call only. */
export type Decode<T> = (payload: Buffer) => T;

interface Waiting {
  readonly id: number;
  readonly call: string;
  readonly decode: Decode<unknown>;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** The connection went before the reply came: whether the request took effect is not known. */
export class ConnectionLostError extends XenError {
  constructor(call: string, why: string) {
    super('EIO', call, why);
  }
}

export type Send = (type: number, payload: Payload) => Promise<void>;

export interface LinkEvents {
  event(path: string, token: string): void;
  lost(): void;
  /** Before any other request of the new connection: what the old one had must be made again. */
  back(send: Send): Promise<void>;
  /** No connection any more, and none to come. */
  ended(error: Error | undefined): void;
}

export class Link {
  #transport: Transport | undefined;
  readonly #reconnect: Connect | undefined;
  readonly #events: LinkEvents;
  readonly #waiting = new Map<number, Waiting>();
  /** Requests made while there is no connection go out when it is back. */
  #returning: Promise<void> | undefined;
  #lastId = 0;
  /**
   * The request that is being sent, not yet among those that wait: a store in this process replies
   * before `send` returns, and a map that is filled and emptied again and again is slow.
   */
  #sending: Waiting | undefined;
  readonly #closing = new AbortController();
  /** As its signal says, which each request would have to look up. */
  #isClosing = false;
  #failure: Error | undefined;

  constructor(transport: Transport, reconnect: Connect | undefined, events: LinkEvents) {
    this.#reconnect = reconnect;
    this.#events = events;
    this.#use(transport);
  }

  get isClosed(): boolean {
    return this.#isClosing || this.#failure !== undefined;
  }

  /**
   * The answer in the reply. @throws XenError with the daemon's errno; EIO when the connection
   * went before the reply came
   */
  request<T>(call: string, type: number, txId: number, payload: Payload, decode: Decode<T>): Promise<T> {
    const isUp = this.#transport !== undefined && this.#returning === undefined && !this.#isClosing && this.#failure === undefined;
    return isUp ? this.#send(call, type, txId, payload, decode) : this.#requestLater(call, type, txId, payload, decode);
  }

  async #requestLater<T>(call: string, type: number, txId: number, payload: Payload, decode: Decode<T>): Promise<T> {
    while (this.#returning !== undefined && !this.isClosed) await this.#returning;
    if (this.isClosed)
      throw new XenError('EINVAL', call, `the connection is closed${this.#failure === undefined ? '' : `: ${this.#failure.message}`}`);
    return this.#send(call, type, txId, payload, decode);
  }

  close(): void {
    if (this.isClosed) return;
    this.#isClosing = true;
    this.#closing.abort();
    this.#transport?.close();
    this.#rejectAll('the connection was closed');
    this.#events.ended(undefined);
  }

  #send<T>(call: string, type: number, txId: number, payload: Payload, decode: Decode<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const id = this.#nextId();
      const waiting: Waiting = { id, call, decode, resolve: resolve as (answer: unknown) => void, reject };
      if (this.#sending !== undefined) this.#waiting.set(this.#sending.id, this.#sending);
      this.#sending = waiting;
      this.#transport!.send(encodeRequest(type, id, txId, payload));
      if (this.#sending !== waiting) return;
      this.#sending = undefined;
      this.#waiting.set(id, waiting);
    });
  }

  #use(transport: Transport): void {
    this.#transport = transport;
    transport.start({
      message: (type, requestId, payload) => this.#message(type, requestId, payload),
      closed: (error) => {
        if (this.#transport === transport) this.#lost(error ?? new Error('the other side closed the connection'));
      },
    });
  }

  #message(type: number, requestId: number, payload: Buffer): void {
    if (type === MESSAGE.watchEvent) {
      const [path, token] = payload.toString('utf8').split('\0');
      this.#events.event(path ?? '', token ?? '');
      return;
    }
    const sending = this.#sending;
    const isEarly = sending?.id === requestId;
    const waiting = isEarly ? sending : this.#waiting.get(requestId);
    if (waiting === undefined) return;
    if (isEarly) this.#sending = undefined;
    else this.#waiting.delete(requestId);
    if (type !== MESSAGE.error) {
      waiting.resolve(waiting.decode(payload));
      return;
    }
    const error = new XenError(errnoOf(payload), waiting.call);
    // Nobody awaits the promise yet: Node would note it as unhandled, and take the note back.
    if (isEarly) queueMicrotask(() => waiting.reject(error));
    else waiting.reject(error);
  }

  #lost(error: Error): void {
    this.#transport = undefined;
    if (this.#isClosing) return;
    this.#events.lost();
    this.#rejectAll(`the connection was lost: ${error.message}; whether it took effect is not known`);
    if (this.#reconnect === undefined) this.#end(error);
    else
      this.#returning ??= this.#comeBack(this.#reconnect).finally(() => {
        this.#returning = undefined;
      });
  }

  async #comeBack(reconnect: Connect): Promise<void> {
    for (let waitMs = FIRST_WAIT_MS; !this.isClosed; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
      try {
        const transport = await reconnect();
        if (this.isClosed) {
          transport.close();
          return;
        }
        this.#use(transport);
        await this.#events.back((type, payload) => this.#send('reconnect', type, 0, payload, nothing));
        if (this.#transport === transport) return;
      } catch {
        // Nobody is there yet.
      }
      await delay(waitMs, undefined, { signal: this.#closing.signal }).catch(() => {});
    }
  }

  #end(error: Error): void {
    this.#failure = error;
    this.#events.ended(error);
  }

  #rejectAll(why: string): void {
    const all = [...this.#waiting.values()];
    if (this.#sending !== undefined) all.push(this.#sending);
    this.#sending = undefined;
    this.#waiting.clear();
    for (const { call, reject } of all) reject(new ConnectionLostError(call, why));
  }

  #nextId(): number {
    do this.#lastId = (this.#lastId + 1) % 0xfffffff0;
    while (this.#waiting.has(this.#lastId));
    return this.#lastId;
  }
}

/**
 * The errno that a daemon names. Clients do not know oxenstored's EQUOTA, nor names outside of the
 * protocol.
 */
function errnoOf(payload: Buffer): Errno {
  const name = payload.toString('latin1', 0, payload.at(-1) === 0 ? payload.length - 1 : payload.length);
  return Object.hasOwn(ERRNO, name) ? (name as Errno) : 'EINVAL';
}

function nothing(): void {}
