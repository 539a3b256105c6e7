// What a live restart carries of the C personality: the store with its domains, and each client's
// watches and transactions.

import type { Permissions } from '../../protocol/permissions.js';
import { type DumpedClient, dumpClientState } from '../client-state.js';
import type { Domain, Domains } from './domains.js';
import { nodeBytes, watchBytes } from './memory.js';
import type { Node } from './nodes.js';
import type { Client, Store } from './store.js';
import type { Transaction, TransactionStart } from './transaction.js';

export interface DumpedStore {
  readonly live: ReadonlyMap<string, Node>;
  readonly domains: readonly Domain[];
  readonly releases: ReturnType<Domains['releases']['dump']>;
  readonly special: ReadonlyMap<string, Permissions>;
  readonly generation: number;
  /** Number of the last watch that was registered. */
  readonly order: number;
}

type DumpedTransactions = ReadonlyMap<number, Pick<Transaction, 'accessed' | 'counts' | 'created' | 'failed' | 'start'>>;
type DumpedWatcher = DumpedClient & { readonly transactions: DumpedTransactions };

export function dumpStore({ live, domains, special, generation }: Store, order: number): DumpedStore {
  return { live, domains: [...domains.all()], releases: domains.releases.dump(), special, generation, order };
}

export function loadStore(store: Store, { live, domains, releases, special, generation }: DumpedStore): void {
  store.live.clear();
  for (const domain of domains) Object.assign(store.domains.allocate(domain.domid, domain.generation), domain, { memory: 0 });
  store.domains.releases.load(releases);
  for (const [path, node] of live) {
    store.live.set(path, node);
    store.domains.charge(node.permissions[0]!.domid, nodeBytes(path, node));
  }
  for (const [event, permissions] of special) store.special.set(event, permissions);
  store.generation = generation;
}

export function dumpClient(client: Client): DumpedWatcher {
  const transactions: DumpedTransactions = new Map(
    [...client.transactions].map(([id, { accessed, counts, created, failed, start }]) => [
      id,
      { accessed, counts, created, failed, start },
    ]),
  );
  return { ...dumpClientState(client), transactions };
}

/** `newTransaction` creates an empty one of the client, which is filled here. */
export function loadClient(
  store: Store,
  client: Client,
  dumped: DumpedWatcher,
  newTransaction: (start: TransactionStart) => Transaction,
): void {
  client.target = dumped.target;
  client.nextTransaction = dumped.nextTransaction;
  store.index.restore(client, dumped.watches);
  store.usage.add(client.domid, 'watches', dumped.watches.length);
  for (const watch of dumped.watches) store.domains.charge(client.domid, watchBytes(watch));
  for (const [id, { accessed, counts, created, failed, start }] of dumped.transactions) {
    const tx = newTransaction(start);
    for (const [path, access] of accessed) {
      tx.accessed.set(path, access);
      if (access.node !== undefined) tx.charge(tx.bytesOf(path, access.node));
    }
    for (const [domid, delta] of counts) tx.counts.set(domid, delta);
    tx.created = created;
    tx.failed = failed;
    client.transactions.set(id, tx);
    store.usage.add(client.domid, 'transactions', 1);
  }
}
