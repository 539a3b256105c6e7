// Sends hostile messages to a store, and checks the invariants after each.

import { numbersBelow } from '../../base/random.js';
import { createEngine } from '../in-process.js';
import { type Bytes, MESSAGE } from '../protocol/wire.js';
import type { ClientState } from '../store/client-state.js';
import type { Engine } from '../store/engine.js';
import type { Personality } from '../store/limits.js';
import { type FuzzMessage, makeMessage, type Random } from './messages.js';

export interface FuzzOptions {
  readonly personality: Personality;
  readonly messages: number;
  readonly seed: number;
  readonly progress?: (done: number) => void;
}

/** Domains of the clients: two of domain 0, and guests. */
const DOMAINS = [0, 0, 1, 1, 2, 3];
/**
 * The store is replaced after this many messages, so that it stays small and its checks stay quick.
 */
const MESSAGES_A_STORE = 2000;
const OPEN_TRANSACTIONS = 12;
const NOTHING: ReadonlySet<string> = new Set();

class Fuzzed {
  readonly engine: Engine;
  readonly clients: ClientState[];
  #replies = 0;
  /** As after the last message, when that was a guest's. */
  #secrets: ReadonlySet<string> | undefined;
  readonly #trusted = new Set<number>();
  readonly #open: number[][];

  constructor(personality: Personality) {
    this.engine = createEngine({ personality, domainExists: (domid) => domid < 4, quota: { nodes: 60, watches: 8 } });
    this.#open = DOMAINS.map(() => []);
    this.clients = DOMAINS.map((domid, at) =>
      this.engine.connect(domid, {
        reply: (type, requestId, txId, payload) => this.#reply(at, type, requestId, txId, payload),
        event: (path, token) => {
          if (path.length + token.length + 2 > 4096 && domid !== 0) throw new Error('an event that is too long for a guest');
        },
      }),
    );
  }

  step(random: Random): void {
    const at = random(DOMAINS.length);
    const open = this.#open[at]!;
    if (random(500) === 0) {
      // Disconnected with all of its open transactions and requests.
      this.engine.disconnect(this.clients[at]!);
      open.length = 0;
      this.clients[at] = this.engine.connect(DOMAINS[at]!, this.clients[at]!.out);
      return;
    }
    this.send(at, makeMessage(random, open));
  }

  send(at: number, { type, txId, payload }: FuzzMessage): void {
    const bytes = Buffer.from(payload, 'latin1') as Bytes;
    // A stub domain of domain 0 may what domain 0 may, and commit later what it did as one.
    for (const client of this.clients) if (client.target === 0) this.#trusted.add(client.domid);
    const guest = DOMAINS[at] !== 0 && !this.#trusted.has(DOMAINS[at]!);
    const hidden = guest ? (this.#secrets ?? this.#secretsOf()) : NOTHING;
    this.#secrets = undefined;
    this.#replies = 0;
    this.engine.process(this.clients[at]!, { type, requestId: 5, txId, bytes, start: 0, end: bytes.length });
    if (this.#replies !== 1) throw new Error(`${this.#replies} replies to one message`);
    this.engine.checkInvariants();
    if (guest) {
      this.#secrets = this.#secretsOf();
      // More of them is no harm: a guest may close what was open to it.
      for (const secret of hidden) if (!this.#secrets.has(secret)) throw new Error('a guest changed what only domain 0 may change');
    }
    const open = this.#open[at]!;
    while (open.length > OPEN_TRANSACTIONS) open.shift();
  }

  /**
   * Nodes that are domain 0's alone, and everything above them as well: no guest has any right
   * there.
   */
  #secretsOf(): ReadonlySet<string> {
    const secrets = new Set<string>();
    const open: string[] = [];
    for (const { path, value, permissions } of this.engine.nodes()) {
      const closed = permissions.length === 1 && permissions[0]!.domid === 0 && permissions[0]!.access === 'n';
      if (!closed) open.push(path === '/' ? '/' : `${path}/`);
      else if (!open.some((above) => above === '/' || path.startsWith(above))) secrets.add(`${path}=${value}`);
    }
    return secrets;
  }

  #reply(at: number, type: number, requestId: number, txId: number, payload: string): void {
    this.#replies++;
    if (requestId !== 5) throw new Error('a reply to another request');
    if (type === MESSAGE.error && !/^E[A-Z0-9]+\0$/.test(payload)) throw new Error(`an error without a name: ${JSON.stringify(payload)}`);
    if (type === MESSAGE.transactionStart) this.#open[at]!.push(Number.parseInt(payload, 10));
    if (type === MESSAGE.transactionEnd) this.#open[at] = this.#open[at]!.filter((id) => id !== txId);
    if (type === MESSAGE.resetWatches) this.#open[at] = [];
    if (DOMAINS[at] !== 0 && payload.length > 4096) throw new Error('a reply that is too long for a guest');
  }
}

/**
 * @returns how many messages were sent
 * @throws Error with the seed of the store and the number of the message that broke it
 */
export function fuzz({ personality, messages, seed, progress }: FuzzOptions): number {
  let done = 0;
  for (let round = 0; done < messages; round++) {
    done += fuzzStore(personality, (seed * 1_000_003 + round) >>> 0, Math.min(MESSAGES_A_STORE, messages - done));
    if (round % 50 === 0) progress?.(done);
  }
  return done;
}

/**
 * One store, as a failure of `fuzz` names it.
 * @returns how many messages were sent
 * @throws Error with the seed of the store and the number of the message that broke it
 */
export function fuzzStore(personality: Personality, storeSeed: number, messages = MESSAGES_A_STORE): number {
  const random = numbersBelow(storeSeed);
  const fuzzed = new Fuzzed(personality);
  for (let at = 0; at < messages; at++) {
    try {
      fuzzed.step(random);
    } catch (error) {
      throw new Error(`${personality}, store seed ${storeSeed}, message ${at}: ${(error as Error).message}`, { cause: error });
    }
  }
  return messages;
}

/** Plays kept messages: one a line, "CLIENT TYPE TX PAYLOAD-IN-BASE64". */
export function replayCorpus(personality: Personality, corpus: string): number {
  const fuzzed = new Fuzzed(personality);
  const lines = corpus.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  for (const line of lines) {
    const [at, type, txId, payload] = line.split(' ');
    fuzzed.send(Number(at) % DOMAINS.length, {
      type: Number(type),
      txId: Number(txId),
      payload: Buffer.from(payload ?? '', 'base64').toString('latin1'),
    });
  }
  return lines.length;
}
