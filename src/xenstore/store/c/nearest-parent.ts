// The nearest parent of a node that exists, whose permissions decide about a missing one.
// Source: tools/xenstore/xenstored_core.c errno_from_parents (Xen 4.17).
import { parentOf } from './names.js';
import type { Node } from './nodes.js';

type Read = (name: string) => Node | undefined;

/**
 * @param isLive every node has its parents. Most names lack their last part only; others are
 *   looked up from the root, as far as they exist. A transaction touches each missing parent on the
 *   way up, as the daemon's does.
 */
export function nearestParent(read: Read, name: string, isLive: boolean): Node | undefined {
  const parent = read(parentOf(name));
  if (parent !== undefined) return parent;
  return isLive ? lowest(read, name) : above(read, parentOf(name));
}

function lowest(read: Read, name: string): Node | undefined {
  let found = read('/');
  for (let slash = name.indexOf('/', 1); slash > 0; slash = name.indexOf('/', slash + 1)) {
    const node = read(name.slice(0, slash));
    if (node === undefined) break;
    found = node;
  }
  return found;
}

function above(read: Read, name: string): Node | undefined {
  for (let at = name; at !== '/'; ) {
    at = parentOf(at);
    const node = read(at);
    if (node !== undefined) return node;
  }
  return undefined;
}
