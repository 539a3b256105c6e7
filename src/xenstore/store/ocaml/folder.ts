// The children of a node by name, in versions that share their common parts. Few are one map. Many
// are a tree over the hashes of their names, and a change copies one path of it: a host has folders
// with an entry for each domain, and every transaction makes a version of each.

/** Above this many they are a tree, and at a quarter of it one map again. */
const SMALL = 64;
/** A leaf with more children becomes a branch. */
const LEAF_MOST = 16;
/** Bits of the hash that choose the part of a branch. */
const BITS = 3;
const PARTS = 2 ** BITS;
/** Leaves that use up the hash grow. */
const HASH_BITS = 30;

/** Only the version that owns a part changes it in place. */
interface Leaf<T> {
  readonly owner: object;
  readonly parts: undefined;
  readonly children: Map<string, T>;
  /** The keys of all its children, see `having`; null = any; undefined = to be found out. */
  keys: ReadonlySet<number> | null | undefined;
}
interface Branch<T> {
  readonly owner: object;
  readonly parts: Part<T>[];
  /** The same of all its leaves; null also where it has branches below. */
  keys: ReadonlySet<number> | null | undefined;
}
type Part<T> = Leaf<T> | Branch<T>;

const NO_OWNER = {};

export class Folder<T> {
  /** Few children; null = they are in `#tree`. */
  #few: Map<string, T> | null;
  /** Another version has the same map: it is copied before a change. */
  #isShared = false;
  #tree: Branch<T> | undefined;
  #owner: object = NO_OWNER;
  #size: number;

  constructor(children: Map<string, T> | null = new Map()) {
    this.#few = children;
    this.#size = children?.size ?? 0;
    if (this.#size > SMALL) this.#divide();
  }

  get size(): number {
    return this.#size;
  }

  get(name: string): T | undefined {
    if (this.#few !== null) return this.#few.get(name);
    let part: Part<T> = this.#tree!;
    for (let hash = hashOf(name); part.parts !== undefined; hash >>>= BITS) part = part.parts[hash & (PARTS - 1)]!;
    return part.children.get(name);
  }

  set(name: string, child: T): void {
    if (this.#few === null) {
      const leaf = this.#ownLeaf(name, true);
      const before = leaf.children.size;
      leaf.children.set(name, child);
      leaf.keys = undefined;
      this.#size += leaf.children.size - before;
      return;
    }
    if (this.#isShared) this.#unshare();
    this.#few.set(name, child);
    this.#size = this.#few.size;
    if (this.#size > SMALL) this.#divide();
  }

  delete(name: string): void {
    if (this.get(name) === undefined) return;
    this.#size--;
    if (this.#few !== null) {
      if (this.#isShared) this.#unshare();
      this.#few.delete(name);
      return;
    }
    const leaf = this.#ownLeaf(name, false);
    leaf.children.delete(name);
    leaf.keys = undefined;
    if (this.#size > SMALL / 4) return;
    this.#few = new Map(this);
    this.#tree = undefined;
  }

  /** Another version: changes of either don't show in the other. */
  copy(): Folder<T> {
    const copy = new Folder<T>(null);
    copy.#size = this.#size;
    if (this.#few !== null) {
      copy.#few = this.#few;
      copy.#isShared = true;
      this.#isShared = true;
    } else {
      copy.#tree = this.#tree;
      // From now on no part is of this version alone.
      this.#owner = NO_OWNER;
    }
    return copy;
  }

  /**
   * Visits the children that may have one of the keys, and others, in no particular order. Costs a
   * step for each branch of leaves, and more for those that have changed since the last time.
   * Nothing may be changed meanwhile.
   * @param keysOf of a child, null = any; a child whose keys change must be `set` again
   */
  having(keys: readonly number[], keysOf: (child: T) => readonly number[] | null, visit: (name: string, child: T) => void): void {
    if (this.#few === null) visitHaving(this.#tree!, keys, keysOf, visit);
    else for (const [name, child] of this.#few) visit(name, child);
  }

  [Symbol.iterator](): IterableIterator<[string, T]> {
    return this.#few === null ? entriesOf(this.#tree!) : this.#few.entries();
  }

  keys(): IterableIterator<string> {
    return this.#few === null ? namesOf(this.#tree!) : this.#few.keys();
  }

  values(): IterableIterator<T> {
    return this.#few === null ? childrenOf(this.#tree!) : this.#few.values();
  }

  #unshare(): void {
    this.#few = new Map(this.#few);
    this.#isShared = false;
  }

  #divide(): void {
    this.#owner = {};
    this.#tree = branchOf(this.#owner, this.#few!, 0);
    this.#few = null;
  }

  /** The leaf of a name, one that may be changed in place. `forMore`: with room for one more. */
  #ownLeaf(name: string, forMore: boolean): Leaf<T> {
    if (this.#owner === NO_OWNER) this.#owner = {};
    const owner = this.#owner;
    let branch = this.#tree!;
    if (branch.owner !== owner) branch = branchWith(owner, branch.parts.slice());
    this.#tree = branch;
    let hash = hashOf(name);
    for (let bits = BITS; ; bits += BITS) {
      branch.keys = undefined;
      const at = hash & (PARTS - 1);
      let below: Part<T> = branch.parts[at]!;
      if (below.parts !== undefined) {
        if (below.owner !== owner) below = branchWith(owner, below.parts.slice());
      } else if (forMore && below.children.size >= LEAF_MOST && bits < HASH_BITS) below = branchOf(owner, below.children, bits);
      else if (below.owner !== owner) below = leafOf(owner, new Map(below.children));
      branch.parts[at] = below;
      if (below.parts === undefined) return below;
      branch = below;
      hash >>>= BITS;
    }
  }
}

function leafOf<T>(owner: object, children: Map<string, T>): Leaf<T> {
  return { owner, parts: undefined, children, keys: undefined };
}

/**
 * Children as a branch of leaves, and of branches where one leaf would have too many.
 * @param bits of the hash that lead to it
 */
function branchOf<T>(owner: object, children: ReadonlyMap<string, T>, bits: number): Branch<T> {
  const leaves = Array.from({ length: PARTS }, () => leafOf(owner, new Map<string, T>()));
  for (const [name, child] of children) leaves[(hashOf(name) >>> bits) & (PARTS - 1)]!.children.set(name, child);
  const below = bits + BITS;
  const parts = leaves.map((leaf) => (leaf.children.size > LEAF_MOST && below < HASH_BITS ? branchOf(owner, leaf.children, below) : leaf));
  return branchWith(owner, parts);
}

function branchWith<T>(owner: object, parts: Part<T>[]): Branch<T> {
  return { owner, parts, keys: undefined };
}

/** FNV-1a. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  // Its lowest bits alone are poor: short names differ in a digit or two.
  return (hash ^ (hash >>> 15)) >>> 0;
}

function* leavesOf<T>(part: Part<T>): IterableIterator<Leaf<T>> {
  if (part.parts === undefined) yield part;
  else for (const below of part.parts) yield* leavesOf(below);
}

function* entriesOf<T>(part: Part<T>): IterableIterator<[string, T]> {
  for (const { children } of leavesOf(part)) yield* children;
}

function* namesOf<T>(part: Part<T>): IterableIterator<string> {
  for (const { children } of leavesOf(part)) yield* children.keys();
}

function* childrenOf<T>(part: Part<T>): IterableIterator<T> {
  for (const { children } of leavesOf(part)) yield* children.values();
}

/** A function and no generator: a release of a domain comes by every branch of the store. */
function visitHaving<T>(
  part: Part<T>,
  keys: readonly number[],
  keysOf: (child: T) => readonly number[] | null,
  visit: (name: string, child: T) => void,
): void {
  if (part.keys === undefined)
    part.keys = part.parts === undefined ? keysOfAll(part.children.values(), keysOf) : keysOfLeaves(part, keysOf);
  if (part.keys !== null && !hasOneOf(part.keys, keys)) return;
  if (part.parts !== undefined) for (const below of part.parts) visitHaving(below, keys, keysOf, visit);
  else for (const [name, child] of part.children) visit(name, child);
}

/** null also for a branch of branches: their set would be made anew after each change below. */
function keysOfLeaves<T>({ parts }: Branch<T>, keysOf: (child: T) => readonly number[] | null): ReadonlySet<number> | null {
  const all = new Set<number>();
  for (const leaf of parts) {
    if (leaf.parts !== undefined) return null;
    if (leaf.keys === undefined) leaf.keys = keysOfAll(leaf.children.values(), keysOf);
    if (leaf.keys === null) return null;
    for (const key of leaf.keys) all.add(key);
  }
  return all;
}

function hasOneOf(known: ReadonlySet<number>, keys: readonly number[]): boolean {
  for (const key of keys) if (known.has(key)) return true;
  return false;
}

function keysOfAll<T>(children: Iterable<T>, keysOf: (child: T) => readonly number[] | null): ReadonlySet<number> | null {
  const all = new Set<number>();
  for (const child of children) {
    const keys = keysOf(child);
    if (keys === null) return null;
    for (const key of keys) all.add(key);
  }
  return all;
}
