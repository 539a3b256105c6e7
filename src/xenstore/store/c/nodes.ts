// The live nodes of the C daemon: a flat table by path, as its trivial database is.
// Source: tools/xenstore/xenstored_core.c read_node, write_node (Xen 4.17).
import type { Permissions } from '../../protocol/permissions.js';
import { PAYLOAD_MAX_BYTES } from '../../protocol/wire.js';
import { Children } from '../children.js';
import { fail } from '../failure.js';

/** Never changed once a transaction may hold it, but for `held` and `childrenShared`. */
export interface Node {
  /** latin1: one character a byte. */
  value: string;
  permissions: Permissions;
  /**
   * Generation at which the permissions were given: entries of domains that are younger do not
   * count.
   */
  since: number;
  /** Names, in the order of their creation; undefined when there are none. */
  children: Children<true> | undefined;
  /** Bytes of the children's names, each with its NUL. */
  childBytes: number;
  /** The names as DIRECTORY sends them, while they are as they were then. */
  listing: string | undefined;
  generation: number;
  /** A transaction keeps this object: copy it before the next change. */
  held: boolean;
  /** Another node object uses the same set of children: copy it before the next change. */
  childrenShared: boolean;
}

export const NO_GENERATION = -1;

export function newNode(value: string, permissions: Permissions, since: number, generation: number): Node {
  return {
    value,
    permissions,
    since,
    children: undefined,
    childBytes: 0,
    listing: undefined,
    generation,
    held: false,
    childrenShared: false,
  };
}

/** A copy that may be changed while `node` stays as it is. */
export function copyOf(node: Node): Node {
  if (node.children !== undefined) node.childrenShared = true;
  return { ...node, held: false };
}

export function addChild(node: Node, name: string): void {
  const children = ownChildren(node);
  if (!children.has(name)) children.set(name, true);
  node.childBytes += name.length + 1;
  node.listing = undefined;
}

export function removeChild(node: Node, name: string): void {
  const children = ownChildren(node);
  if (!children.has(name)) return;
  children.delete(name);
  node.childBytes -= name.length + 1;
  node.listing = undefined;
  if (node.childBytes === 0) node.children = undefined;
}

/** One that fits into a reply. @throws StoreFailure E2BIG, before it is made */
export function shortListingOf(node: Node): string {
  return listsMore(node, PAYLOAD_MAX_BYTES) ? fail('E2BIG') : listingOf(node);
}

function listsMore(node: Node, bytes: number): boolean {
  if (node.listing !== undefined) return node.listing.length > bytes;
  if (node.childBytes <= bytes) return false;
  let length = 0;
  for (const name of node.children?.keys() ?? []) {
    length += name.length + 1;
    if (length > bytes) return true;
  }
  return false;
}

export function listingOf(node: Node): string {
  if (node.listing === undefined) {
    let text = '';
    if (node.children !== undefined) for (const name of node.children.keys()) text += `${name}\0`;
    node.listing = text;
  }
  return node.listing;
}

function ownChildren(node: Node): Children<true> {
  if (node.children === undefined) node.children = new Children();
  else if (node.childrenShared) node.children = node.children.copy();
  node.childrenShared = false;
  return node.children;
}
