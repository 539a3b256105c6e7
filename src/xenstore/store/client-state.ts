// What the store keeps of one client: its domain, watches and transactions.

import type { Outbox } from '../protocol/wire.js';
import type { Watch } from './watches.js';

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
  /** Events of the request that is being answered: the C daemon does not queue one twice. */
  readonly told: Set<string>;
  toldBy: number;
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
    told: new Set(),
    toldBy: 0,
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
