// Puts the nodes of a journal in place: in any order, without watches and without checks.
import type { Permissions } from '../../protocol/permissions.js';
import { nodeBytes } from './memory.js';
import { lastPart, parentOf } from './names.js';
import { addChild, newNode } from './nodes.js';
import type { Store } from './store.js';

/**
 * Makes or changes the node; parents that are missing yet are made like it, and get their own
 * values later.
 */
export function placeNode(store: Store, path: string, value: string, permissions: Permissions): void {
  const node = store.live.get(path);
  store.generation++;
  if (node !== undefined) {
    store.domains.charge(node.permissions[0]!.domid, -nodeBytes(path, node));
    store.domains.count(node.permissions[0]!.domid, -1);
    store.domains.count(permissions[0]!.domid, 1);
    Object.assign(node, { value, permissions, since: store.generation, generation: store.generation });
    store.domains.charge(permissions[0]!.domid, nodeBytes(path, node));
    return;
  }
  const parentName = parentOf(path);
  if (!store.live.has(parentName)) placeNode(store, parentName, '', permissions);
  const parent = store.live.get(parentName)!;
  addChild(parent, lastPart(path));
  store.domains.charge(parent.permissions[0]!.domid, lastPart(path).length + 1);
  parent.generation = store.generation;
  const placed = newNode(value, permissions, store.generation, store.generation);
  store.live.set(path, placed);
  store.domains.charge(permissions[0]!.domid, nodeBytes(path, placed));
  store.domains.count(permissions[0]!.domid, 1);
}
