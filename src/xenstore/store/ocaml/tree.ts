// oxenstored's tree: its versions share their common parts. A version is taken in constant time,
// and a change copies only nodes that an older version still needs. Source:
// tools/ocaml/xenstored/store.ml Node, Path (Xen 4.17).
import type { Permissions } from '../../protocol/permissions.js';
import { Folder } from './folder.js';
import type { Parts } from './paths.js';

export interface Node {
  /** latin1: one character a byte. */
  value: string;
  permissions: Permissions;
  children: Folder<Node> | undefined;
  /** Only the tree whose epoch this is may change the node in place. */
  epoch: number;
  /** What domainsBelow found, until something below changes. */
  domains: readonly number[] | null | undefined;
}

/** A node as a live restart carries it to the next program, which knows maps but no Folder. */
export interface CarriedNode {
  readonly value: string;
  readonly permissions: Permissions;
  readonly children: Map<string, CarriedNode> | undefined;
  readonly epoch: number;
}

/** One carried node for each: transactions compare nodes as objects. */
const carriedNodes = new WeakMap<Node, CarriedNode>();

/** @param node of a tree that is frozen */
export function carry(node: Node): CarriedNode {
  let carried = carriedNodes.get(node);
  if (carried === undefined) {
    const { value, permissions, epoch } = node;
    const children = node.children === undefined ? undefined : new Map([...node.children].map(([name, child]) => [name, carry(child)]));
    carried = { value, permissions, children, epoch };
    carriedNodes.set(node, carried);
  }
  return carried;
}

const revivedNodes = new WeakMap<CarriedNode, Node>();

/** The node that was carried: again one for each. */
export function revive(carried: CarriedNode): Node {
  let node = revivedNodes.get(carried);
  if (node === undefined) {
    const { value, permissions, epoch } = carried;
    const children =
      carried.children === undefined ? undefined : new Folder(new Map([...carried.children].map(([name, child]) => [name, revive(child)])));
    node = { value, permissions, children, epoch, domains: undefined };
    revivedNodes.set(carried, node);
  }
  return node;
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
    this.root = root ?? {
      value: '',
      permissions: [{ domid: 0, access: 'n' }],
      children: undefined,
      epoch: this.#epoch,
      domains: undefined,
    };
  }

  /**
   * The current version of the tree. A later change of either copies first, so that unchanged
   * nodes stay the same objects.
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
    node.domains = undefined;
    for (let level = 0; level < depth; level++) {
      const name = parts[level]!;
      let child = node.children!.get(name)!;
      if (child.epoch !== this.#epoch) {
        child = this.#copy(child);
      } else {
        child.domains = undefined;
      }
      // Also when it is the same object: `having` counts on hearing of it.
      node.children!.set(name, child);
      node = child;
    }
    return node;
  }

  /** Adds or replaces a child of a node that exists. */
  put(parts: Parts, child: Node): void {
    const parent = this.change(parts, parts.length - 1);
    parent.children ??= new Folder();
    parent.children.set(parts.at(-1)!, child);
  }

  create(parts: Parts, value: string, permissions: Permissions): void {
    this.put(parts, { value, permissions, children: undefined, epoch: this.#epoch, domains: undefined });
  }

  /** A child of a node that may be changed in place; so may the child. */
  createBelow(parent: Node, name: string, permissions: Permissions): Node {
    const child: Node = { value: '', permissions, children: undefined, epoch: this.#epoch, domains: undefined };
    parent.children ??= new Folder();
    parent.children.set(name, child);
    return child;
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
      domains: undefined,
    };
  }
}

export function find(root: Node, parts: Parts, depth = parts.length): Node | undefined {
  let node: Node | undefined = root;
  for (let level = 0; level < depth && node !== undefined; level++) node = node.children?.get(parts[level]!);
  return node;
}

/**
 * Above this many domains or children a node says nothing: the folder of all domains would name
 * each, and has an index of them.
 */
const MOST_DOMAINS = 16;
const MOST_CHILDREN = 256;

/** The domains that the permissions of a node and of all nodes below it name; null = many. */
export function domainsOf(child: Node): readonly number[] | null {
  // Most nodes have no children: they keep no list of their own.
  return child.children === undefined ? child.permissions.map(({ domid }) => domid) : domainsBelow(child);
}

/**
 * The same of a node with children, kept in the node, so that a release need not look at the nodes
 * of all other domains.
 */
export function domainsBelow(node: Node): readonly number[] | null {
  if (node.domains !== undefined) return node.domains;
  if (node.children !== undefined && node.children.size > MOST_CHILDREN) return null;
  const found = new Set<number>();
  for (const { domid } of node.permissions) found.add(domid);
  for (const child of node.children?.values() ?? []) {
    const domains = domainsOf(child);
    for (const domid of domains ?? []) found.add(domid);
    if (domains === null || found.size > MOST_DOMAINS) {
      node.domains = null;
      return null;
    }
  }
  node.domains = [...found];
  return node.domains;
}

/** Names in ascending order, as OCaml's map keeps them. */
export function namesOf(node: Node): string[] {
  return node.children === undefined ? [] : [...node.children.keys()].sort();
}
