// A store of oxenstored: a tree with the counts of its owners' nodes, and the rules of reading and
// changing it. The live store is one, and each transaction has one of its own. Source:
// tools/ocaml/xenstored/store.ml (Xen 4.17).

import type { Identity, Permissions } from '../../protocol/permissions.js';
import { fail } from '../failure.js';
import type { StoreQuota } from '../limits.js';
import type { UndoLog } from '../undo.js';
import { Work } from '../work.js';
import { CountsBefore, type KeptCounts } from './counts-before.js';
import type { Parts } from './paths.js';
import { isDom0, isOwner, permits } from './permits.js';
import { domainsOf, find, type Node, Tree } from './tree.js';

/** A node that is made, changed or removed. */
const NODE_UNITS = 4;
/** Owner of a root whose owner was released. */
const NOBODY = -1;

export class Store {
  readonly tree: Tree;
  /** One for the live store and its transactions. */
  readonly work: Work;
  /**
   * Nodes by owner: all of them in the live store, the change since the start in a transaction's.
   */
  counts: ReadonlyMap<number, number>;
  /**
   * Nodes by owner in the live store when the transaction started: its quotas count from there
   * (transaction.ml make, Quota.copy).
   */
  readonly atStart: KeptCounts | undefined;
  /**
   * How often a release has made every node of the live tree anew, for transactions that compare
   * nodes as objects.
   */
  rebuilds = 0;
  /** Of the live store under a journal. */
  undo: UndoLog | undefined;
  #own: Map<number, number>;
  /** The counts as the last transaction that started saw them. */
  #before: CountsBefore | undefined;

  constructor(live?: Store, atStart?: KeptCounts) {
    this.tree = live === undefined ? new Tree() : live.tree.version();
    this.work = live?.work ?? new Work();
    this.#own = new Map(live === undefined ? [[0, 1]] : []);
    this.counts = this.#own;
    this.atStart = atStart ?? live?.lend();
  }

  owned(domid: number): number {
    return (this.counts.get(domid) ?? 0) + (this.atStart?.get(domid) ?? 0);
  }

  count(domid: number, delta: number): void {
    const before = this.#own.get(domid);
    this.#before?.note(domid, before);
    const next = (before ?? 0) + delta;
    if (next === 0) this.#own.delete(domid);
    else this.#own.set(domid, next);
  }

  /** Takes over another store's tree and counts. */
  replace(root: Node, counts: ReadonlyMap<number, number>): void {
    this.tree.replaceRoot(root);
    // Views of earlier counts keep the old map.
    this.#before = undefined;
    this.#own = new Map(counts);
    this.counts = this.#own;
  }

  /** The counts as they are now, whatever changes later. */
  lend(): CountsBefore {
    if (this.#before === undefined || this.#before.size > 0) this.#before = new CountsBefore(this.#own, this.#before);
    return this.#before;
  }

  get root(): Node {
    return this.tree.root;
  }

  /** @throws StoreFailure ENOENT, EACCES */
  readable(client: Identity, parts: Parts): Node {
    const node = find(this.root, parts) ?? fail('ENOENT');
    if (!permits(client, node.permissions, 'read')) fail('EACCES');
    return node;
  }

  /**
   * The names of the children, each with its NUL.
   * @param mostBytes a longer text is cut off somewhere beyond them
   * @throws StoreFailure ENOENT, EACCES
   */
  listing(client: Identity, parts: Parts, mostBytes: number): string {
    const node = this.readable(client, parts);
    let length = 0;
    const names: string[] = [];
    for (const name of node.children?.keys() ?? []) {
      names.push(name);
      length += name.length + 1;
      if (length > mostBytes) break;
    }
    this.work.units += names.length >>> (length > mostBytes ? 3 : 0);
    if (length > mostBytes) return `${names.join('\0')}\0`;
    let text = '';
    for (const name of names.sort()) text += `${name}\0`;
    return text;
  }

  /**
   * The parent exists, or this is the root.
   * @returns whether the node was there. @throws StoreFailure E2BIG, EQUOTA, EACCES, ENOENT
   */
  write(client: Identity, parts: Parts, value: string, quota: StoreQuota): boolean {
    const { node, depth } = this.#deepest(parts);
    const found = depth === parts.length;
    if (value.length > quota.nodeSizeBytes) fail('E2BIG');
    if (!found && !isDom0(client)) this.#checkEntries(node.permissions[0]!.domid, quota);
    if (depth < parts.length - 1) fail('ENOENT');
    if (!permits(client, node.permissions, 'write')) fail('EACCES');
    if (!found) {
      this.#create(parts, value, node.permissions);
    } else if (node.value === value) {
      // The node itself stays the same object; what leads to it does not.
      if (parts.length > 0) this.tree.change(parts, parts.length - 1);
    } else {
      const before = node.value;
      this.tree.change(parts).value = value;
      this.undo?.note(() => {
        this.tree.change(parts).value = before;
      });
    }
    return found;
  }

  /**
   * Makes the missing parents of a node, from the highest down (create_implicit_path). Those that
   * were made stay when one fails.
   * @param made called with each one's depth
   * @throws StoreFailure EQUOTA, EACCES
   */
  makeParents(client: Identity, parts: Parts, quota: StoreQuota, made: (depth: number) => void): void {
    let node = this.root;
    let depth = 0;
    for (; depth < parts.length - 1; depth++) {
      const child = node.children?.get(parts[depth]!);
      if (child === undefined) break;
      node = child;
    }
    // They inherit the permissions of the lowest one that was there.
    const { permissions } = node;
    const owner = permissions[0]!.domid;
    const first = depth;
    for (; depth < parts.length - 1; depth++) {
      if (!isDom0(client)) this.#checkEntries(owner, quota);
      if (!permits(client, permissions, 'write')) fail('EACCES');
      this.work.units += NODE_UNITS;
      node = this.tree.createBelow(depth === first ? this.tree.change(parts, depth) : node, parts[depth]!, permissions);
      this.count(owner, 1);
      const at = depth + 1;
      this.undo?.note(() => {
        this.tree.remove(parts.slice(0, at));
        this.count(owner, -1);
      });
      made(at);
    }
  }

  #create(parts: Parts, value: string, permissions: Permissions): void {
    this.work.units += NODE_UNITS;
    this.tree.create(parts, value, permissions);
    this.count(permissions[0]!.domid, 1);
    this.undo?.note(() => {
      this.tree.remove(parts);
      this.count(permissions[0]!.domid, -1);
    });
  }

  /** @returns false when the node is there already. @throws StoreFailure EQUOTA, EACCES */
  mkdir(client: Identity, parts: Parts, quota: StoreQuota): boolean {
    const { node, depth } = this.#deepest(parts);
    const found = depth === parts.length;
    if (!found && !isDom0(client)) this.#checkEntries(node.permissions[0]!.domid, quota);
    if (parts.length === 0) return true;
    if (depth < parts.length - 1) fail('ENOENT');
    if (!permits(client, node.permissions, 'write')) fail('EACCES');
    if (found) return false;
    this.#create(parts, '', node.permissions);
    return true;
  }

  /**
   * @returns false when there is no such node, but a parent of it. @throws StoreFailure ENOENT,
   *   EACCES
   */
  rm(client: Identity, parts: Parts): boolean {
    const node = find(this.root, parts);
    if (node === undefined) {
      if (find(this.root, parts, parts.length - 1) === undefined) fail('ENOENT');
      return false;
    }
    if (!permits(client, node.permissions, 'write')) fail('EACCES');
    if (parts.length === 0) {
      const { children } = node;
      for (const child of children?.values() ?? []) this.#recount(child, -1);
      this.tree.change(parts).children = undefined;
      this.undo?.note(() => {
        for (const child of children?.values() ?? []) this.#recount(child, 1);
        this.tree.change(parts).children = children;
      });
    } else {
      this.#recount(node, -1);
      this.tree.remove(parts);
      this.undo?.note(() => {
        this.#recount(node, 1);
        this.tree.put(parts, node);
      });
    }
    return true;
  }

  setPermissions(client: Identity, parts: Parts, permissions: Permissions): void {
    const node = find(this.root, parts) ?? fail('ENOENT');
    const owner = node.permissions[0]!.domid;
    if (owner !== permissions[0]!.domid && !isDom0(client)) fail('EACCES');
    if (parts.length > 0 && !isOwner(client, node.permissions)) fail('EACCES');
    if (!permits(client, node.permissions, 'write')) fail('EACCES');
    this.count(owner, -1);
    this.count(permissions[0]!.domid, 1);
    const before = node.permissions;
    this.tree.change(parts).permissions = permissions;
    this.undo?.note(() => {
      this.count(permissions[0]!.domid, -1);
      this.count(owner, 1);
      this.tree.change(parts).permissions = before;
    });
  }

  /**
   * Removes what a domain owned and its entries in permissions, as its release does; what nobody
   * owns goes as well.
   */
  forget(domid: number): void {
    this.rebuilds++;
    // Few nodes are changed: the paths of those alone are made.
    const path: string[] = [];
    const steps: { readonly at: Parts; readonly run: () => void }[] = [];
    const released = [domid, NOBODY];
    const visitChild = (name: string, child: Node): void => {
      if (!mayName(child, domid)) return;
      const owner = child.permissions[0]!.domid;
      path.push(name);
      if (owner === domid || owner === NOBODY) {
        const at = [...path];
        const run = () => {
          this.#recount(child, -1);
          this.tree.remove(at);
        };
        steps.push({ at, run });
      } else {
        visit(child);
      }
      path.pop();
    };
    const visit = (node: Node): void => {
      node.children?.having(released, domainsOf, visitChild);
      const { permissions } = node;
      if (!permissions.some((entry, at) => at > 0 && entry.domid === domid)) return;
      const at = [...path];
      const run = () => {
        this.tree.change(at).permissions = permissions.filter((entry, index) => index === 0 || entry.domid !== domid);
      };
      steps.push({ at, run });
    };
    visit(this.root);
    for (const { run } of steps.sort((one, other) => childrenFirst(one.at, other.at))) run();
    const [first, ...others] = this.root.permissions;
    if (first!.domid !== domid) return;
    // The root cannot be removed; oxenstored leaves it without an owner.
    this.count(domid, -1);
    this.count(NOBODY, 1);
    this.tree.change([]).permissions = [{ domid: NOBODY, access: first!.access }, ...others];
  }

  /** Counts a node and all below it, once more (1) or once less (-1). */
  #recount(node: Node, delta: 1 | -1): void {
    this.work.units++;
    this.count(node.permissions[0]!.domid, delta);
    for (const child of node.children?.values() ?? []) this.#recount(child, delta);
  }

  /** The last node on the way that is there, and how many of the names lead to it. */
  #deepest(parts: Parts): { node: Node; depth: number } {
    let node = this.root;
    let depth = 0;
    for (; depth < parts.length; depth++) {
      const child = node.children?.get(parts[depth]!);
      if (child === undefined) break;
      node = child;
    }
    return { node, depth };
  }

  #checkEntries(owner: number, quota: StoreQuota): void {
    if (owner > 0 && this.owned(owner) >= quota.nodes) fail('EQUOTA');
  }
}

/** Whether a release of the domain may change the node or what is below it. */
function mayName(node: Node, domid: number): boolean {
  if (node.children === undefined) return node.permissions.some((entry) => entry.domid === domid || entry.domid === NOBODY);
  const domains = domainsOf(node);
  return domains === null || domains.includes(domid) || domains.includes(NOBODY);
}

/** The order of a walk that takes children by name, and a node after all that is below it. */
function childrenFirst(one: Parts, other: Parts): number {
  const depth = Math.min(one.length, other.length);
  for (let level = 0; level < depth; level++) {
    if (one[level] !== other[level]) return one[level]! < other[level]! ? -1 : 1;
  }
  return other.length - one.length;
}
