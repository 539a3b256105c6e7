// The invariants of the C personality's store after every request.
import { sameWatches } from '../watch-invariants.js';
import { nodeBytes, watchBytes } from './memory.js';
import { childOf } from './names.js';
import type { Client, Store } from './store.js';

/** @throws Error naming what does not hold */
export function checkStore(store: Store, clients: ReadonlySet<Client>): void {
  const owned = new Map<number, number>();
  const charged = new Map<number, number>();
  const charge = (domid: number, bytes: number): void => {
    charged.set(domid, (charged.get(domid) ?? 0) + bytes);
  };
  for (const client of clients) {
    for (const watch of client.watches.values()) charge(client.domid, watchBytes(watch));
    for (const tx of client.transactions.values()) {
      for (const [path, { node }] of tx.accessed) if (node !== undefined) charge(client.domid, tx.bytesOf(path, node));
    }
  }
  let named = 0;
  for (const [path, node] of store.live) {
    const owner = node.permissions[0]!.domid;
    owned.set(owner, (owned.get(owner) ?? 0) + 1);
    charge(owner, nodeBytes(path, node));
    let bytes = 0;
    if (node.children !== undefined) {
      for (const name of node.children.keys()) {
        bytes += name.length + 1;
        named++;
        if (!store.live.has(childOf(path, name))) throw new Error(`${path} names a child ${name} that is not there`);
      }
    }
    if (bytes !== node.childBytes) throw new Error(`${path} counts ${node.childBytes} bytes of names, has ${bytes}`);
    if (node.generation > store.generation) throw new Error(`${path} is newer than the store`);
  }
  // Each child is there and named by one parent: no more nodes than those and the root, and none is
  // without its parent.
  if (named !== store.live.size - 1) throw new Error(`${store.live.size} nodes, of which parents name ${named}`);
  for (const domain of store.domains.all()) {
    if (domain.nodes !== (owned.get(domain.domid) ?? 0)) {
      throw new Error(`domain ${domain.domid} is charged for ${domain.nodes} nodes, owns ${owned.get(domain.domid) ?? 0}`);
    }
    const bytes = charged.get(domain.domid) ?? 0;
    if (domain.domid !== 0 && domain.memory !== bytes) {
      throw new Error(`domain ${domain.domid} is charged for ${domain.memory} bytes, has ${bytes}`);
    }
    owned.delete(domain.domid);
  }
  if (owned.size > 0) throw new Error(`nodes of domains that are not known: ${[...owned.keys()].join(', ')}`);
  sameWatches(store.index, clients);
}
