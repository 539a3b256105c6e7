// oxenstored's tree: versions of it share what they have in common. Here a version is taken in
// constant time, and a change copies only what an older version still needs. Source:
// tools/ocaml/xenstored/store.ml Node, Path (Xen 4.17).
import type { Permissions } from '../../protocol/permissions.js';
import { Children } from './children.js';
import type { Parts } from './paths.js';

export interface Node {
  /** latin1: one character a byte. */
  value: string;
  permissions: Permissions;
  children: Children<Node> | undefined;
  /** Only the tree whose epoch this is may change the node in place. */
  epoch: number;
}

let newestEpoch = 0;

export function lastEpoch(): number {
  return newestEpoch;
}

/**
 * Nodes of epochs up to this one came from another process: no tree of this one may take them for
 * its own.
 */
export function epochsAfter(epoch: number): void {
  newestEpoch = Math.max(newestEpoch, epoch);
}

export class Tree {
  root: Node;
  #epoch: number;

  constructor(root?: Node) {
    this.#epoch = ++newestEpoch;
    this.root = root ?? { value: '', permissions: [{ domid: 0, access: 'n' }], children: undefined, epoch: this.#epoch };
  }

  /**
   * The tree as it is now: whoever changes either from now on copies first, so that unchanged nodes
   * stay the same objects.
   */
  version(): Tree {
    this.#epoch = ++newestEpoch;
    return new Tree(this.root);
  }

  /** As `version`, of the root alone. */
  freeze(): Node {
    this.#epoch = ++newestEpoch;
    return this.root;
  }

  replaceRoot(root: Node): void {
    this.#epoch = ++newestEpoch;
    this.root = root;
  }

  /** The node, made one that may be changed in place, with its ancestors; it exists. */
  change(parts: Parts, depth = parts.length): Node {
    if (this.root.epoch !== this.#epoch) this.root = this.#copy(this.root);
    let node = this.root;
    for (let level = 0; level < depth; level++) {
      const name = parts[level]!;
      let child = node.children!.get(name)!;
      if (child.epoch !== this.#epoch) {
        child = this.#copy(child);
        node.children!.set(name, child);
      }
      node = child;
    }
    return node;
  }

  /** Adds or replaces a child of a node that exists. */
  put(parts: Parts, child: Node): void {
    const parent = this.change(parts, parts.length - 1);
    parent.children ??= new Children();
    parent.children.set(parts.at(-1)!, child);
  }

  create(parts: Parts, value: string, permissions: Permissions): void {
    this.put(parts, { value, permissions, children: undefined, epoch: this.#epoch });
  }

  remove(parts: Parts): void {
    const parent = this.change(parts, parts.length - 1);
    parent.children!.delete(parts.at(-1)!);
    if (parent.children!.size === 0) parent.children = undefined;
  }

  #copy(node: Node): Node {
    return {
      value: node.value,
      permissions: node.permissions,
      children: node.children?.copy(),
      epoch: this.#epoch,
    };
  }
}

export function find(root: Node, parts: Parts, depth = parts.length): Node | undefined {
  let node: Node | undefined = root;
  for (let level = 0; level < depth && node !== undefined; level++) node = node.children?.get(parts[level]!);
  return node;
}

/** Names in ascending order, as OCaml's map keeps them. */
export function namesOf(node: Node): string[] {
  return node.children === undefined ? [] : [...node.children.keys()].sort();
}
