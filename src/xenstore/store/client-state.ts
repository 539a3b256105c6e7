// The store's data of one client: its domain, watches and transactions.

import type { Outbox } from '../protocol/wire.js';

export interface Watch {
  readonly client: ClientState;
  readonly path: string;
  readonly token: string;
  /**
   * Length of the prefix that the watcher did not write and does not want to see: its home and '/',
   * or 0.
   */
  readonly hidden: number;
  /** Rises with each registration. */
  readonly order: number;
}

export interface ClientState<Tx = unknown> {
  readonly domid: number;
  /** "/local/domain/N": where its relative paths start. */
  readonly home: string;
  /** Domain that it acts for as well (SET_TARGET: the stub domain of a guest). */
  target: number | undefined;
  readonly out: Outbox;
  /** By path and token. */
  readonly watches: Map<string, Watch>;
  readonly transactions: Map<number, Tx>;
  nextTransaction: number;
  readonly sentEvents: SentEvents;
}

/**
 * Events that the current request has sent to a client: the C daemon does not queue the same one
 * twice. Most requests send one at most, which needs no set.
 */
export class SentEvents {
  #request = 0;
  #path = '';
  #token = '';
  readonly #others = new Set<string>();

  /** @returns false for one that the request has sent already */
  add(request: number, path: string, token: string): boolean {
    if (this.#request !== request) {
      this.#request = request;
      this.#path = path;
      this.#token = token;
      if (this.#others.size > 0) this.#others.clear();
      return true;
    }
    if (path === this.#path && token === this.#token) return false;
    const key = watchKey(path, token);
    if (this.#others.has(key)) return false;
    this.#others.add(key);
    return true;
  }
}

export function createClientState<Tx>(domid: number, out: Outbox): ClientState<Tx> {
  return {
    domid,
    home: `/local/domain/${domid}`,
    target: undefined,
    out,
    watches: new Map(),
    transactions: new Map(),
    nextTransaction: 1,
    sentEvents: new SentEvents(),
  };
}

/** A client's watches and numbers, as a live restart carries them. */
export interface DumpedClient {
  readonly target: number | undefined;
  readonly nextTransaction: number;
  readonly watches: readonly Omit<Watch, 'client'>[];
}

export function dumpClientState(client: ClientState): DumpedClient {
  return {
    target: client.target,
    nextTransaction: client.nextTransaction,
    watches: [...client.watches.values()].map(({ path, token, hidden, order }) => ({ path, token, hidden, order })),
  };
}

export function watchKey(path: string, token: string): string {
  return `${path}\0${token}`;
}
