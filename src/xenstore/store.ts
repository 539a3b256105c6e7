// The store itself: requests in, results or errno out, events to the connections that watch. No waiting and no wire here; the
// connection of this process and the wire server both stand on it. Box of the chart: XenStore.
// Sources: docs/misc/xenstore.txt; tools/xenstore/xenstored_core.c, tools/ocaml/xenstored/process.ml (Xen 4.17).
import type { XenstorePermission } from './connection.js';
import { fail, StoreFailure } from './failure.js';
import { type Personality, QUOTA, type StoreErrno, type StoreQuota } from './limits.js';
import { OptimisticTransaction } from './optimistic.js';
import { domainPathOf, parsePath, type StorePath, textOf } from './path.js';
import { type Access, type Permissions, permits } from './permissions.js';
import { type StoreNode, type StoreView, Tree } from './tree.js';
import { type Watch, WatchIndex } from './watches.js';

export type EventSink = (path: string, token: string) => void;

/** A change as watchers hear of it; `permissions` are those of before the change. */
interface Change {
  readonly kind: 'change' | 'remove';
  readonly parts: readonly string[];
  readonly permissions: Permissions | undefined;
  /** Removed nodes, children before parents, each with who could read it. */
  readonly removed?: readonly { readonly parts: readonly string[]; readonly readers: readonly Permissions[] }[];
}

/** oxenstored commits over a changed tree by doing the requests again: each must answer as before. */
type Replay = (view: StoreView) => string;

interface Transaction {
  readonly view: StoreView;
  /** Root of the live tree at the start. */
  readonly base: Tree['root'];
  readonly changes: Change[];
  readonly replays: { readonly run: Replay; readonly answer: string }[];
}

/** One client of the store, as the core keeps it. */
export interface StoreConnection {
  readonly domid: number;
  readonly sink: EventSink;
  readonly watches: Map<string, Watch>;
  readonly transactions: Map<number, Transaction>;
  nextTransaction: number;
  readonly order: number;
}

export interface StoreOptions {
  readonly personality: Personality;
  readonly quota?: Partial<StoreQuota>;
  /** Whether the hypervisor knows a domain: the C daemon asks before it makes one an owner. All by default. */
  readonly domainExists?: (domid: number) => boolean;
}

const EMPTY = new Uint8Array();

export class Store {
  readonly personality: Personality;
  readonly quota: StoreQuota;
  readonly live = Tree.empty();
  private readonly index = new WatchIndex();
  private readonly introduced = new Set<number>();
  private readonly connections = new Set<StoreConnection>();
  private readonly domainExists: (domid: number) => boolean;
  private order = 0;

  constructor(options: StoreOptions) {
    this.personality = options.personality;
    this.quota = { ...QUOTA[options.personality], ...options.quota };
    this.domainExists = options.domainExists ?? (() => true);
    this.live.create(['tool'], this.live.root.permissions, EMPTY);
    if (this.personality === 'xenstored') this.live.create(['tool', 'xenstored'], this.live.root.permissions, EMPTY);
  }

  connect(domid: number, sink: EventSink): StoreConnection {
    this.order += 1;
    const connection: StoreConnection = { domid, sink, watches: new Map(), transactions: new Map(), nextTransaction: 1, order: this.order };
    this.connections.add(connection);
    return connection;
  }

  /** Its watches and transactions go with it. */
  disconnect(connection: StoreConnection): void {
    this.resetWatches(connection);
    connection.transactions.clear();
    this.connections.delete(connection);
  }

  read(connection: StoreConnection, path: string, tx: number): Uint8Array {
    return this.ask(connection, tx, path, bytesKey, (view, at) => this.node(connection, view, at, 'read').value);
  }

  /** Names of the children: in the order of their creation (C), sorted (oxenstored). */
  directory(connection: StoreConnection, path: string, tx: number): string[] {
    return this.ask(connection, tx, path, String, (view, at) => {
      const names = [...this.node(connection, view, at, 'read').children.keys()];
      return this.personality === 'oxenstored' ? names.sort() : names;
    });
  }

  /** The number that changes with the node, for DIRECTORY_PART. */
  generation(connection: StoreConnection, path: string, tx: number): number {
    const view = this.view(connection, tx);
    return this.node(connection, view, this.path(connection, path), 'read').generation;
  }

  getPermissions(connection: StoreConnection, path: string, tx: number): Permissions {
    return this.ask(connection, tx, path, JSON.stringify, (view, at) => this.node(connection, view, at, 'read').permissions);
  }

  write(connection: StoreConnection, path: string, value: Uint8Array, tx: number): void {
    this.ask(connection, tx, path, String, (view, at) => {
      if (this.personality === 'oxenstored' && value.length > this.quota.nodeSizeBytes) fail('E2BIG');
      const existing = this.existing(connection, view, at, 'write');
      if (existing === undefined) {
        this.create(connection, view, at, value);
      } else {
        this.checkSize(connection, value.length, existing);
        view.setValue(at.parts, value);
      }
      this.changed(connection, tx, view, at);
    });
  }

  mkdir(connection: StoreConnection, path: string, tx: number): void {
    this.ask(connection, tx, path, String, (view, at) => {
      if (this.existing(connection, view, at, 'write') !== undefined) return;
      this.create(connection, view, at, EMPTY);
      this.changed(connection, tx, view, at);
    });
  }

  rm(connection: StoreConnection, path: string, tx: number): void {
    this.ask(connection, tx, path, String, (view, at) => {
      if (at.parts.length === 0 && this.personality === 'xenstored') fail('EINVAL');
      const existing = this.existing(connection, view, at, 'write');
      if (existing === undefined) {
        if (view.find(at.parts, at.parts.length - 1) === undefined) fail('ENOENT');
        return;
      }
      const change = this.removal(view, at);
      if (at.parts.length === 0) {
        for (const name of [...existing.children.keys()]) view.remove([name]);
      } else {
        view.remove(at.parts);
      }
      this.note(connection, tx, view, change);
    });
  }

  setPermissions(connection: StoreConnection, path: string, permissions: Permissions, tx: number): void {
    if (permissions.length === 0) fail('EINVAL');
    this.ask(connection, tx, path, String, (view, at) => {
      if (connection.domid !== 0 && permissions.length > this.quota.permissions) fail('ENOSPC');
      const node = this.node(connection, view, at, 'write');
      const owner = node.permissions[0]!.domid;
      // Only the owner may give permissions, and only domain 0 may give a node away.
      if (connection.domid !== 0 && owner !== connection.domid) fail('EACCES');
      const next = permissions[0]!.domid;
      if (connection.domid !== 0 && next !== owner) fail(this.personality === 'xenstored' ? 'EPERM' : 'EACCES');
      if (this.personality === 'xenstored' && next !== 0 && !this.introduced.has(next) && !this.domainExists(next)) fail('ENOENT');
      view.setPermissions(at.parts, permissions);
      this.note(connection, tx, view, { kind: 'change', parts: at.parts, permissions: node.permissions });
    });
  }

  transactionStart(connection: StoreConnection, tx: number): number {
    if (tx !== 0) fail(this.hasTransaction(connection, tx) ? 'EBUSY' : this.absentTransaction());
    if (connection.domid !== 0 && connection.transactions.size >= this.quota.transactions) {
      fail(this.personality === 'xenstored' ? 'ENOSPC' : 'EQUOTA');
    }
    const id = connection.nextTransaction;
    connection.nextTransaction = id === 0x7fffffff ? 1 : id + 1;
    const base = this.live.root;
    const view = this.personality === 'xenstored' ? new OptimisticTransaction(this.live) : this.live.snapshot();
    connection.transactions.set(id, { view, base, changes: [], replays: [] });
    return id;
  }

  /** @throws StoreFailure EAGAIN when `commit` met a conflict; the transaction is over in any case */
  transactionEnd(connection: StoreConnection, tx: number, commit: boolean): void {
    const transaction = connection.transactions.get(tx);
    if (transaction === undefined) fail(tx === 0 ? 'ENOENT' : this.absentTransaction());
    connection.transactions.delete(tx);
    if (!commit) return;
    if (!this.commit(transaction)) fail('EAGAIN');
    for (const change of transaction.changes) this.tell(this.live, change);
  }

  hasTransaction(connection: StoreConnection, tx: number): boolean {
    return connection.transactions.has(tx);
  }

  absentTransaction(): StoreErrno {
    return this.personality === 'xenstored' ? 'ENOENT' : 'EIO';
  }

  /** Registers only; the caller tells the first event, `firstEvent`, once its client knows of the success. */
  watch(connection: StoreConnection, path: string, token: string): Watch {
    const at = this.path(connection, path);
    const key = watchKey(at.text, token);
    if (connection.watches.has(key)) fail('EEXIST');
    if (connection.domid !== 0 && connection.watches.size >= this.quota.watches) {
      fail(this.personality === 'xenstored' ? 'E2BIG' : 'EQUOTA');
    }
    this.order += 1;
    const relative = !path.startsWith('/') && !at.special;
    const hidden = relative ? domainPathOf(connection.domid).length + 1 : 0;
    const watch = { connection, path: at.text, parts: at.parts, token, hidden, order: this.order };
    connection.watches.set(key, watch);
    this.index.add(watch);
    return watch;
  }

  firstEvent(watch: Watch): void {
    watch.connection.sink(watch.path.slice(watch.hidden), watch.token);
  }

  unwatch(connection: StoreConnection, path: string, token: string): void {
    const key = watchKey(this.path(connection, path).text, token);
    const watch = connection.watches.get(key);
    if (watch === undefined) fail('ENOENT');
    connection.watches.delete(key);
    this.index.delete(watch);
  }

  resetWatches(connection: StoreConnection): void {
    for (const watch of connection.watches.values()) this.index.delete(watch);
    connection.watches.clear();
  }

  introduce(connection: StoreConnection, domid: number): void {
    this.privileged(connection);
    if (this.introduced.has(domid) || domid === 0) return;
    this.introduced.add(domid);
    this.tellSpecial('@introduceDomain');
  }

  release(connection: StoreConnection, domid: number): void {
    this.privileged(connection);
    if (!this.introduced.delete(domid)) fail(this.personality === 'xenstored' ? 'ENOENT' : 'EINVAL');
    for (const other of [...this.connections]) {
      if (other.domid !== domid) continue;
      this.resetWatches(other);
      other.transactions.clear();
    }
    this.tellSpecial('@releaseDomain');
  }

  isIntroduced(connection: StoreConnection, domid: number): boolean {
    this.privileged(connection);
    return domid === 0 || this.introduced.has(domid);
  }

  /** @throws StoreFailure EACCES for any other than domain 0 */
  privileged(connection: StoreConnection): void {
    if (connection.domid !== 0) fail('EACCES');
  }

  private path(connection: StoreConnection, path: string): StorePath {
    return parsePath(path, domainPathOf(connection.domid), this.personality);
  }

  private view(connection: StoreConnection, tx: number): StoreView {
    if (tx === 0) return this.live;
    const transaction = connection.transactions.get(tx);
    if (transaction === undefined) fail(this.absentTransaction());
    return transaction.view;
  }

  /** Runs a request on its view; in a transaction of oxenstored also remembers it with its answer. */
  private ask<T>(
    connection: StoreConnection,
    tx: number,
    path: string,
    key: (answer: T) => string,
    run: (view: StoreView, at: StorePath) => T,
  ): T {
    const view = this.view(connection, tx);
    const at = this.path(connection, path);
    if (at.special && this.personality === 'xenstored') fail('EINVAL');
    if (tx === 0 || this.personality === 'xenstored') return run(view, at);
    const transaction = connection.transactions.get(tx)!;
    let result: T | undefined;
    let failure: unknown;
    const answer = answerOf(() => {
      try {
        result = run(view, at);
        return key(result);
      } catch (error) {
        failure = error;
        throw error;
      }
    });
    const silently = (again: StoreView): string =>
      answerOf(() => {
        const kept = transaction.changes.length;
        const replayed = run(again, at);
        transaction.changes.length = kept;
        return key(replayed);
      });
    transaction.replays.push({ run: silently, answer });
    if (failure !== undefined) throw failure;
    return result as T;
  }

  private commit(transaction: Transaction): boolean {
    if (transaction.view instanceof OptimisticTransaction) return transaction.view.commit();
    if (transaction.changes.length === 0) return true;
    if (this.live.root === transaction.base) {
      this.live.adopt(transaction.view as Tree);
      return true;
    }
    const again = this.live.snapshot();
    if (!transaction.replays.every(({ run, answer }) => run(again) === answer)) return false;
    this.live.adopt(again);
    return true;
  }

  /** The node, or undefined when absent; a client that may not know gets EACCES. */
  private existing(connection: StoreConnection, view: StoreView, at: StorePath, access: Access): StoreNode | undefined {
    const node = view.find(at.parts);
    if (node !== undefined) {
      if (!permits(node.permissions, connection.domid, access)) fail('EACCES');
      return node;
    }
    for (let depth = at.parts.length - 1; depth >= 0; depth--) {
      const parent = view.find(at.parts, depth);
      if (parent === undefined) continue;
      if (!permits(parent.permissions, connection.domid, access)) fail('EACCES');
      return undefined;
    }
    return undefined;
  }

  private node(connection: StoreConnection, view: StoreView, at: StorePath, access: Access): StoreNode {
    return this.existing(connection, view, at, access) ?? fail('ENOENT');
  }

  /** Makes the node and its missing parents, as their parent's permissions say. Who may write was checked. */
  private create(connection: StoreConnection, view: StoreView, at: StorePath, value: Uint8Array): void {
    let depth = at.parts.length - 1;
    while (view.find(at.parts, depth) === undefined) depth--;
    const parent = view.find(at.parts, depth)!;
    const { domid } = connection;
    const inherited = parent.permissions;
    const own = this.personality === 'xenstored' && domid !== 0;
    const permissions = own ? [{ domid, access: inherited[0]!.access }, ...inherited.slice(1)] : inherited;
    const owner = permissions[0]!.domid;
    if (domid !== 0 && view.owned(owner) + at.parts.length - depth > this.quota.nodes) {
      fail(this.personality === 'xenstored' ? 'ENOSPC' : 'EQUOTA');
    }
    this.checkSize(connection, value.length, { ...parent, permissions, children: new Map() });
    this.checkSize(connection, parent.value.length + at.parts[depth]!.length + 1, parent);
    for (let level = depth + 1; level <= at.parts.length; level++) {
      view.create(at.parts.slice(0, level), permissions, level === at.parts.length ? value : EMPTY);
    }
  }

  /** The C daemon bounds the whole record of a node that an unprivileged domain writes; its header takes 16 bytes, a permission 8. */
  private checkSize(connection: StoreConnection, valueBytes: number, node: StoreNode): void {
    if (this.personality !== 'xenstored' || connection.domid === 0) return;
    let bytes = 16 + valueBytes + 8 * node.permissions.length;
    for (const name of node.children.keys()) bytes += name.length + 1;
    if (bytes > this.quota.nodeSizeBytes) fail('ENOSPC');
  }

  private removal(view: StoreView, at: StorePath): Change {
    const removed: { parts: readonly string[]; readers: Permissions[] }[] = [];
    const visit = (parts: readonly string[], above: Permissions): void => {
      const node = view.find(parts)!;
      for (const name of node.children.keys()) visit([...parts, name], node.permissions);
      removed.push({ parts, readers: [node.permissions, above] });
    };
    if (this.index.above(at.parts).length > 0 || this.index.below(at.parts).length > 0) {
      visit(at.parts, view.find(at.parts, Math.max(0, at.parts.length - 1))!.permissions);
    }
    return { kind: 'remove', parts: at.parts, permissions: undefined, removed };
  }

  private changed(connection: StoreConnection, tx: number, view: StoreView, at: StorePath): void {
    this.note(connection, tx, view, { kind: 'change', parts: at.parts, permissions: undefined });
  }

  /** Tells at once outside a transaction, at the commit inside one. */
  private note(connection: StoreConnection, tx: number, view: StoreView, change: Change): void {
    if (tx === 0) this.tell(view, change);
    else connection.transactions.get(tx)?.changes.push(change);
  }

  private tell(view: StoreView, change: Change): void {
    const above = this.index.above(change.parts);
    if (change.kind === 'change') {
      if (above.length === 0) return;
      const readers = [
        view.find(change.parts)?.permissions,
        view.find(change.parts, Math.max(0, change.parts.length - 1))?.permissions,
        change.permissions,
      ];
      this.deliver(above, change.parts, readers);
      return;
    }
    if (this.personality === 'oxenstored') {
      const readers = new Map(change.removed!.map(({ parts, readers }) => [textOf(parts), readers]));
      this.deliver(above, change.parts, readers.get(textOf(change.parts)) ?? []);
      for (const watches of this.index.below(change.parts)) {
        for (const watch of watches.slice().reverse()) watch.connection.sink(watch.path.slice(watch.hidden), watch.token);
      }
      return;
    }
    for (const { parts, readers } of change.removed!) {
      const exact = parts.length > change.parts.length;
      const watches = this.index.above(parts);
      const at = textOf(parts);
      this.deliver(exact ? watches.map((list) => list.filter((watch) => watch.path === at)) : watches, parts, readers);
    }
  }

  /** C: in the order of registration; oxenstored: from the root down, on one path the newest first. */
  private deliver(found: readonly Watch[][], parts: readonly string[], readers: readonly (Permissions | undefined)[]): void {
    const special = parts.length === 1 && parts[0]!.startsWith('@');
    const text = special ? parts[0]! : textOf(parts);
    const ordered =
      this.personality === 'oxenstored'
        ? found.flatMap((watches) => watches.slice().reverse())
        : found.flat().sort((a, b) => a.order - b.order);
    for (const watch of ordered) {
      const { domid } = watch.connection;
      if (domid !== 0 && !readers.some((entry) => entry !== undefined && permits(entry, domid, 'read'))) continue;
      watch.connection.sink(text.slice(watch.hidden), watch.token);
    }
  }

  /** Introductions and releases are for domain 0's ears only. */
  private tellSpecial(name: string): void {
    const here = this.index.above([name]).map((watches) => watches.filter((watch) => watch.path === name));
    this.deliver(here, [name], []);
  }
}

/** Plain data of a permission list, so that a caller's later changes do not reach the store. */
export function copyPermissions(permissions: readonly XenstorePermission[]): Permissions {
  return permissions.map(({ domid, access }) => ({ domid, access }));
}

function watchKey(path: string, token: string): string {
  return `${path}\0${token}`;
}

function bytesKey(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

/** The answer as text, to compare: the errno of a refusal, or what was answered. */
function answerOf(run: () => string): string {
  try {
    return `=${run()}`;
  } catch (error) {
    if (error instanceof StoreFailure) return error.errno;
    throw error;
  }
}
