// A transaction of oxenstored: a store of its own, the requests that were made on it, and the three
// ways to commit it. Source: tools/ocaml/xenstored/transaction.ml, process.ml transaction_replay
// (Xen 4.17).
import type { ClientState } from '../client-state.js';
import { CountsBefore, type KeptCounts } from './counts-before.js';
import type { Parts } from './paths.js';
import { Store } from './store.js';
import { type CarriedNode, carry, find, type Node, revive } from './tree.js';

export type ChangeKind = 'write' | 'mkdir' | 'rm' | 'setPermissions';

/** A change that watches hear of. */
export interface Change {
  readonly kind: ChangeKind;
  readonly parts: Parts;
}

/** A request made in the transaction, with the payload that answered it or "E" and its errno. */
export interface Operation {
  readonly type: number;
  readonly payload: string;
  readonly answer: string;
}

/** As a live restart carries it. */
export interface DumpedTransaction {
  readonly root: CarriedNode;
  readonly counts: ReadonlyMap<number, number>;
  readonly atStart: ReadonlyMap<number, number>;
  readonly oldRoot: CarriedNode;
  readonly changes: readonly Change[];
  readonly operations: readonly Operation[];
  readonly quotaReached: boolean;
  readonly rebuilt: boolean;
  readonly readLow: Parts | undefined;
  readonly writeLow: Parts | undefined;
  readonly releases: number;
}

export type Client = ClientState<Transaction>;

export class Transaction {
  readonly store: Store;
  /** The live tree when it started. */
  oldRoot: Node;
  readonly changes: Change[] = [];
  readonly operations: Operation[] = [];
  /** A commit may repeat its requests and compare their answers. */
  readonly wholeAnswers = true;
  quotaReached = false;
  /** Releases of domains before it. */
  readonly releases: number;
  readonly #live: Store;
  #rebuilds: number;
  #readLow: Parts | undefined;
  #writeLow: Parts | undefined;

  constructor(live: Store, releases: number, atStart?: KeptCounts) {
    this.releases = releases;
    this.store = new Store(live, atStart);
    this.oldRoot = this.store.root;
    this.#live = live;
    this.#rebuilds = live.rebuilds;
  }

  /** Whether a release has made all nodes anew since it started (store.ml reset_permissions). */
  get #rebuilt(): boolean {
    return this.#rebuilds !== this.#live.rebuilds;
  }

  static load(
    live: Store,
    { root, counts, atStart, oldRoot, changes, operations, quotaReached, rebuilt, readLow, writeLow, releases }: DumpedTransaction,
  ): Transaction {
    const tx = new Transaction(live, releases, atStart);
    tx.store.replace(revive(root), counts);
    tx.oldRoot = revive(oldRoot);
    tx.changes.push(...changes);
    tx.operations.push(...operations);
    tx.quotaReached = quotaReached;
    if (rebuilt) tx.#rebuilds = Number.NaN;
    tx.#readLow = readLow;
    tx.#writeLow = writeLow;
    return tx;
  }

  /** An attempt on another version of the tree, which is not committed. */
  static trial(live: Store, root: Node): Transaction {
    const tx = new Transaction(live, 0);
    tx.store.tree.replaceRoot(root);
    return tx;
  }

  dump(): DumpedTransaction {
    const { changes, operations, quotaReached, releases } = this;
    const [rebuilt, readLow, writeLow] = [this.#rebuilt, this.#readLow, this.#writeLow];
    const { counts } = this.store;
    const atStart = countsOf(this.store.atStart!);
    const [root, oldRoot] = [carry(this.store.tree.freeze()), carry(this.oldRoot)];
    return { root, counts, atStart, oldRoot, changes, operations, quotaReached, rebuilt, readLow, writeLow, releases };
  }

  noteRead(parts: Parts): void {
    this.#readLow = commonPrefix(parts, this.#readLow);
  }

  noteWrite(parts: Parts): void {
    this.#writeLow = commonPrefix(parts, this.#writeLow);
  }

  /**
   * Takes effect on the live store when that is unchanged, or unchanged where this transaction read
   * and wrote.
   */
  commit(live: Store): boolean {
    if (live.root === this.oldRoot && !this.#rebuilt) {
      if (this.changes.length > 0) {
        live.tree.replaceRoot(this.store.root);
        this.#mergeCounts(live);
      }
      return true;
    }
    if (!this.#untouched(live.root, this.#readLow) || !this.#untouched(live.root, this.#writeLow)) return false;
    const node = this.#writeLow === undefined ? undefined : find(this.store.root, this.#writeLow);
    if (this.#writeLow !== undefined && node !== undefined) {
      if (this.#writeLow.length === 0) live.tree.replaceRoot(node);
      else live.tree.put(this.#writeLow, node);
      this.#mergeCounts(live);
    }
    return true;
  }

  #mergeCounts(live: Store): void {
    for (const [domid, delta] of this.store.counts) live.count(domid, delta);
  }

  /**
   * test_coalesce: the same node object in both trees under the same permissions, or in neither
   * below a parent that is there.
   */
  #untouched(current: Node, low: Parts | undefined): boolean {
    if (low === undefined) return true;
    const before = find(this.oldRoot, low);
    const now = find(current, low);
    if (before === undefined && now === undefined) {
      return find(this.oldRoot, low, low.length - 1) !== undefined && find(current, low, low.length - 1) !== undefined;
    }
    if (before !== now || this.#rebuilt) return false;
    for (let depth = 0; depth <= low.length; depth++) {
      const [a, b] = [find(this.oldRoot, low, depth)!.permissions, find(current, low, depth)!.permissions];
      if (a !== b && JSON.stringify(a) !== JSON.stringify(b)) return false;
    }
    return true;
  }
}

/** Of a live store, or of a transaction that a live restart brought. */
function countsOf(earlier: KeptCounts): ReadonlyMap<number, number> {
  return earlier instanceof CountsBefore ? earlier.all() : (earlier as ReadonlyMap<number, number>);
}

function commonPrefix(a: Parts, b: Parts | undefined): Parts {
  if (b === undefined) return a;
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return a.slice(0, length);
}
