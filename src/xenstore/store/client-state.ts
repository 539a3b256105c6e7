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
  /** Events that the current request has sent: the C daemon does not queue the same one twice. */
  readonly sentEvents: Set<string>;
  sentByRequest: number;
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
    sentEvents: new Set(),
    sentByRequest: 0,
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
