// The tree of nodes, copied where it must be and changed in place where it may: taking a snapshot costs nothing, and without
// snapshots a write touches one node. Box of the chart: XenStore.
import type { Permissions } from './permissions.js';

/** What a request sees of a node. */
export interface StoreNode {
  readonly value: Uint8Array;
  readonly permissions: Permissions;
  /** Names of the children, in the order of creation. */
  readonly children: ReadonlyMap<string, unknown>;
  /** Number of the last change of the value, the permissions or the set of children. */
  readonly generation: number;
}

/** What a request reads and changes: the live tree, or a transaction's own version of it. */
export interface StoreView {
  /** The node at the first `depth` names of `parts`. */
  find(parts: readonly string[], depth?: number): StoreNode | undefined;
  /** The node exists. */
  setValue(parts: readonly string[], value: Uint8Array): void;
  /** The node exists. */
  setPermissions(parts: readonly string[], permissions: Permissions): void;
  /** The parent exists, the node does not. */
  create(parts: readonly string[], permissions: Permissions, value: Uint8Array): void;
  /** The node exists; it goes with everything below it. */
  remove(parts: readonly string[]): void;
  /** How many nodes a domain owns, as this view sees it. */
  owned(domid: number): number;
}

export interface TreeNode extends StoreNode {
  value: Uint8Array;
  permissions: Permissions;
  children: Map<string, TreeNode>;
  generation: number;
  /** Only the tree whose epoch this is may change the node in place. */
  epoch: number;
}

/** No tree has this epoch: a node that carries it is copied before its next change. */
const FROZEN = 0;

let lastEpoch = FROZEN;
let lastGeneration = 0;

export function nextGeneration(): number {
  lastGeneration += 1;
  return lastGeneration;
}

function nextEpoch(): number {
  lastEpoch += 1;
  return lastEpoch;
}

export class Tree implements StoreView {
  root: TreeNode;
  private epoch = nextEpoch();
  private readonly counts: Map<number, number>;
  private readonly base: Tree | undefined;

  private constructor(root: TreeNode, base?: Tree) {
    this.root = root;
    this.base = base;
    this.counts = new Map();
  }

  /** A tree of one node, the root, which only domain 0 may read (n0, as both daemons answer). */
  static empty(): Tree {
    const root: TreeNode = {
      value: new Uint8Array(),
      permissions: [{ domid: 0, access: 'n' }],
      children: new Map(),
      generation: nextGeneration(),
      epoch: FROZEN,
    };
    const tree = new Tree(root);
    tree.counts.set(0, 1);
    return tree;
  }

  /** A version of its own, in constant time: from now on both trees copy what they change. */
  snapshot(): Tree {
    this.epoch = nextEpoch();
    return new Tree(this.root, this);
  }

  /** Takes over what a snapshot has become. Only when this tree has not changed since the snapshot was taken. */
  adopt(snapshot: Tree): void {
    this.root = snapshot.root;
    this.epoch = nextEpoch();
    for (const [domid, delta] of snapshot.counts) this.count(domid, delta);
  }

  /** The next change of the node copies it, so that the caller may keep it as it is now. */
  freeze(node: StoreNode): void {
    (node as TreeNode).epoch = FROZEN;
  }

  find(parts: readonly string[], depth = parts.length): TreeNode | undefined {
    let node: TreeNode | undefined = this.root;
    for (let level = 0; level < depth && node !== undefined; level++) node = node.children.get(parts[level]!);
    return node;
  }

  setValue(parts: readonly string[], value: Uint8Array): void {
    const node = this.mutable(parts, parts.length);
    node.value = value;
    node.generation = nextGeneration();
  }

  setPermissions(parts: readonly string[], permissions: Permissions): void {
    const node = this.mutable(parts, parts.length);
    this.count(node.permissions[0]!.domid, -1);
    this.count(permissions[0]!.domid, 1);
    node.permissions = permissions;
    node.generation = nextGeneration();
  }

  create(parts: readonly string[], permissions: Permissions, value: Uint8Array): void {
    const parent = this.mutable(parts, parts.length - 1);
    parent.generation = nextGeneration();
    parent.children.set(parts.at(-1)!, { value, permissions, children: new Map(), generation: nextGeneration(), epoch: this.epoch });
    this.count(permissions[0]!.domid, 1);
  }

  remove(parts: readonly string[]): void {
    const parent = this.mutable(parts, parts.length - 1);
    const name = parts.at(-1)!;
    this.uncount(parent.children.get(name)!);
    parent.children.delete(name);
    parent.generation = nextGeneration();
  }

  /** Removes what is below the root; the root keeps its permissions. */
  clear(): void {
    for (const name of [...this.root.children.keys()]) this.remove([name]);
  }

  owned(domid: number): number {
    return (this.counts.get(domid) ?? 0) + (this.base?.owned(domid) ?? 0);
  }

  /** Nodes by owner. */
  owners(): Map<number, number> {
    return new Map([...this.counts].filter(([, count]) => count !== 0));
  }

  private count(domid: number, delta: number): void {
    this.counts.set(domid, (this.counts.get(domid) ?? 0) + delta);
  }

  private uncount(node: TreeNode): void {
    this.count(node.permissions[0]!.domid, -1);
    for (const child of node.children.values()) this.uncount(child);
  }

  /** The node, with its ancestors, made this tree's own. */
  private mutable(parts: readonly string[], depth: number): TreeNode {
    if (this.root.epoch !== this.epoch) this.root = this.own(this.root);
    let node = this.root;
    for (let level = 0; level < depth; level++) {
      const name = parts[level]!;
      let child = node.children.get(name)!;
      if (child.epoch !== this.epoch) {
        child = this.own(child);
        node.children.set(name, child);
      }
      node = child;
    }
    return node;
  }

  private own(node: TreeNode): TreeNode {
    return {
      value: node.value,
      permissions: node.permissions,
      children: new Map(node.children),
      generation: node.generation,
      epoch: this.epoch,
    };
  }
}
