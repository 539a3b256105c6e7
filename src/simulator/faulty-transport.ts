// The way to XenStore with faults: quotas, conflicts, and losses before or after a request took
// effect, which its sender cannot tell. The product's own client is on top of it, and comes back.
import { MemoryTransport } from '../xenstore/client/memory-transport.js';
import type { Transport, TransportEvents } from '../xenstore/client/transport.js';
import { HEADER_BYTES, MESSAGE } from '../xenstore/protocol/wire.js';
import type { Engine } from '../xenstore/store/engine.js';
import type { Faults, Life } from './faults.js';

const LOSSES = ['before', 'after'] as const;
/** A domain's quota of nodes or of memory (docs/misc/xenstore.txt). */
const QUOTA = 'ENOSPC';

export class FaultyTransport implements Transport {
  readonly #inner: MemoryTransport;
  readonly #faults: Faults;
  readonly #life: Life;
  /** Commits that are to meet a conflict, by request. */
  readonly #conflicts = new Set<number>();
  #events: TransportEvents | null = null;
  #lost = false;

  constructor(engine: Engine, faults: Faults, life: Life) {
    this.#inner = new MemoryTransport(engine, 0);
    this.#faults = faults;
    this.#life = life;
    // As at the end of a process: the daemon sees the end of the connection, but no code here does.
    void life.ended.then(() => {
      this.#events = null;
      this.#inner.close();
    });
  }

  /** A new connection, which may fail as well. */
  static async connect(engine: Engine, faults: Faults, life: Life): Promise<Transport> {
    await life.enterAsync();
    if (faults.next(['ECONNREFUSED']) !== null) throw new Error('connect ECONNREFUSED');
    return new FaultyTransport(engine, faults, life);
  }

  start(events: TransportEvents): void {
    this.#events = events;
    this.#inner.start({
      message: (type, requestId, payload) => {
        if (this.#conflicts.delete(requestId)) this.#refuse(requestId, 'EAGAIN');
        else if (!this.#lost && !this.#life.dead) this.#events?.message(type, requestId, payload);
      },
      closed: (error) => this.#events?.closed(error),
    });
  }

  send(message: Buffer): void {
    if (this.#lost || !this.#life.enters()) return;
    const way = this.#faults.seldom(LOSSES);
    if (way === null) this.#take(message);
    else this.#lose(way === 'after' ? message : null);
  }

  close(): void {
    this.#inner.close();
  }

  #take(message: Buffer): void {
    const [type, requestId] = [message.readUInt32LE(0), message.readUInt32LE(4)];
    const grows = type === MESSAGE.write || type === MESSAGE.mkdir;
    if (grows && this.#faults.next([QUOTA]) !== null) {
      this.#refuse(requestId, QUOTA);
      return;
    }
    const commits = type === MESSAGE.transactionEnd && message[HEADER_BYTES] === COMMIT;
    if (commits && this.#faults.next(['EAGAIN']) !== null) {
      // No part of the change is kept.
      message[HEADER_BYTES] = ABORT;
      this.#conflicts.add(requestId);
    }
    this.#inner.send(message);
  }

  #refuse(requestId: number, errno: string): void {
    if (!this.#life.dead) this.#events?.message(MESSAGE.error, requestId, Buffer.from(`${errno}\0`));
  }

  #lose(last: Buffer | null): void {
    this.#lost = true;
    if (last !== null) this.#inner.send(last);
    setImmediate(() => {
      if (!this.#life.dead) this.#inner.close();
    });
  }
}

const [COMMIT, ABORT] = [0x54, 0x46];
