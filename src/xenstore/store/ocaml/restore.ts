// Puts the nodes of a journal in place: without watches and without checks.
import type { Permissions } from '../../protocol/permissions.js';
import type { Parts } from './paths.js';
import type { Store } from './store.js';
import { find } from './tree.js';

/**
 * Makes or changes the node; parents that are missing yet are made like it, and get their own
 * values later.
 */
export function placeNode(store: Store, parts: Parts, value: string, permissions: Permissions): void {
  const node = find(store.root, parts);
  if (node !== undefined) {
    store.count(node.permissions[0]!.domid, -1);
    store.count(permissions[0]!.domid, 1);
    Object.assign(store.tree.change(parts), { value, permissions });
    return;
  }
  if (find(store.root, parts, parts.length - 1) === undefined) placeNode(store, parts.slice(0, -1), '', permissions);
  store.tree.create(parts, value, permissions);
  store.count(permissions[0]!.domid, 1);
}
