// The invariants of oxenstored's store after every request.
import type { ClientState } from '../client-state.js';
import { sameWatches } from '../watch-invariants.js';
import type { WatchIndex } from '../watches.js';
import type { Store } from './store.js';
import { domainsBelow, type Node } from './tree.js';

/** @throws Error naming what does not hold */
export function checkStore(store: Store, index: WatchIndex, clients: Iterable<ClientState>): void {
  const owned = new Map<number, number>();
  const visit = (node: Node): void => {
    const owner = node.permissions[0]!.domid;
    owned.set(owner, (owned.get(owner) ?? 0) + 1);
    if (node.children?.size === 0) throw new Error('a node keeps an empty set of children');
    for (const child of node.children?.values() ?? []) visit(child);
    // The children's lists have been checked by now.
    const { domains } = node;
    node.domains = undefined;
    if (domains !== undefined && String(domainsBelow(node)) !== String(domains)) throw new Error(`a node keeps the domains ${domains}`);
  };
  visit(store.root);
  for (const domid of new Set([...owned.keys(), ...store.counts.keys()])) {
    if (owned.get(domid) !== store.counts.get(domid)) {
      throw new Error(`domain ${domid} is charged for ${store.counts.get(domid) ?? 0} nodes, owns ${owned.get(domid) ?? 0}`);
    }
  }
  sameWatches(index, clients);
}
