// The state of the C personality that a live restart carries over: the store with its domains, and
// each client's watches and transactions.

import type { Permissions } from '../../protocol/permissions.js';
import { Children } from '../children.js';
import { type DumpedClient, dumpClientState } from '../client-state.js';
import type { Domain, Domains } from './domains.js';
import { nodeBytes, watchBytes } from './memory.js';
import type { Node } from './nodes.js';
import type { Client, Store } from './store.js';
import type { Accessed, Transaction, TransactionStart } from './transaction.js';

/** A node with the names of its children alone: structured data has no classes. */
type CarriedNode = Omit<Node, 'children'> & { readonly children: readonly string[] | undefined };

export interface DumpedStore {
  readonly live: ReadonlyMap<string, CarriedNode>;
  readonly domains: readonly Domain[];
  readonly releases: ReturnType<Domains['releases']['dump']>;
  readonly special: ReadonlyMap<string, Permissions>;
  readonly generation: number;
  /** Number of the last watch that was registered. */
  readonly order: number;
}

type CarriedAccess = Omit<Accessed, 'node'> & { readonly node: CarriedNode | undefined };
type DumpedTransactions = ReadonlyMap<
  number,
  Pick<Transaction, 'counts' | 'created' | 'failed' | 'start'> & { readonly accessed: ReadonlyMap<string, CarriedAccess> }
>;
type DumpedWatcher = DumpedClient & { readonly transactions: DumpedTransactions };

/** A node that the store and transactions share is one object on both sides of the restart. */
let carried = new WeakMap<Node, CarriedNode>();
let revived = new WeakMap<CarriedNode, Node>();

function carry(node: Node): CarriedNode {
  const known = carried.get(node);
  if (known !== undefined) return known;
  const one: CarriedNode = { ...node, children: node.children === undefined ? undefined : [...node.children.keys()] };
  carried.set(node, one);
  return one;
}

function revive(one: CarriedNode): Node {
  const known = revived.get(one);
  if (known !== undefined) return known;
  // Each has its own set of children now.
  const children = one.children === undefined ? undefined : new Children(new Map(one.children.map((name) => [name, true as const])));
  const node: Node = { ...one, children, childrenShared: false };
  revived.set(one, node);
  return node;
}

/** Before the clients of the same dump. */
export function dumpStore(store: Store, order: number): DumpedStore {
  const { domains, special, generation } = store;
  carried = new WeakMap();
  const live = new Map([...store.live].map(([path, node]) => [path, carry(node)]));
  return { live, domains: [...domains.all()], releases: domains.releases.dump(), special, generation, order };
}

export function loadStore(store: Store, { live, domains, releases, special, generation }: DumpedStore): void {
  store.live.clear();
  for (const domain of domains) Object.assign(store.domains.allocate(domain.domid, domain.generation), domain, { memory: 0 });
  store.domains.releases.load(releases);
  revived = new WeakMap();
  for (const [path, one] of live) {
    const node = revive(one);
    store.live.set(path, node);
    store.domains.charge(node.permissions[0]!.domid, nodeBytes(path, node));
  }
  for (const [event, permissions] of special) store.special.set(event, permissions);
  store.generation = generation;
}

function carryAccess(access: Accessed): CarriedAccess {
  return { ...access, node: access.node === undefined ? undefined : carry(access.node) };
}

export function dumpClient(client: Client): DumpedWatcher {
  const transactions: DumpedTransactions = new Map(
    [...client.transactions].map(([id, { accessed, counts, created, failed, start }]) => [
      id,
      { accessed: new Map([...accessed].map(([path, access]) => [path, carryAccess(access)])), counts, created, failed, start },
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
    for (const [path, given] of accessed) {
      const access: Accessed = { ...given, node: given.node === undefined ? undefined : revive(given.node) };
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
