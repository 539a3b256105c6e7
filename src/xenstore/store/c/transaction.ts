// A transaction of the C daemon: private copies of the nodes that it touched, and of each the
// generation that was seen, compared at the commit. Source: tools/xenstore/xenstored_transaction.c
// access_node, queue_watches, finalize_transaction (Xen 4.17).

import type { Permissions } from '../../protocol/permissions.js';
import { fail } from '../failure.js';
import { nodeBytes } from './memory.js';
import { copyOf, NO_GENERATION, type Node } from './nodes.js';

export interface Accessed {
  /** Generation when first seen; NO_GENERATION when the node was absent. */
  readonly seen: number;
  /** Permissions when first seen; undefined when the node was absent. */
  readonly permissions: Permissions | undefined;
  /** As the transaction sees it; undefined when absent. */
  node: Node | undefined;
  /** The copy is this transaction's own, to change in place. */
  own: boolean;
  modified: boolean;
  /**
   * A watch event at the commit: for watches above as well, or for those at the node itself only.
   */
  fire: 'no' | 'exact' | 'above';
}

export interface TransactionStart {
  /** How many nodes it may touch. */
  readonly limit: number;
  /** Generation of the store, which precedes the names of its copies. */
  readonly startedAt: number;
  /** Releases of domains before it. */
  readonly releases: number;
}

export class Transaction {
  /** In the order of the first access, which is the order of the events at the commit. */
  readonly accessed = new Map<string, Accessed>();
  /** Change of the number of nodes that a domain owns. */
  readonly counts = new Map<number, number>();
  created = false;
  /** It met a quota: its commit answers ENOMEM. */
  failed = false;
  /** Bytes of its copies, for which its domain is charged. */
  memory = 0;
  readonly #live: ReadonlyMap<string, Node>;
  readonly start: TransactionStart;
  /** Bytes of its copies' keys before the names. */
  readonly keyBytes: number;
  readonly #charged: (bytes: number) => void;

  /** `charged` is called with each change of `memory`. */
  constructor(live: ReadonlyMap<string, Node>, start: TransactionStart, charged: (bytes: number) => void) {
    this.#live = live;
    this.start = start;
    this.keyBytes = String(start.startedAt).length + 1;
    this.#charged = charged;
  }

  charge(bytes: number): void {
    this.memory += bytes;
    this.#charged(bytes);
  }

  bytesOf(name: string, node: Node): number {
    return nodeBytes(name, node) + this.keyBytes;
  }

  /** @throws StoreFailure ENOSPC past the limit of nodes */
  read(name: string): Node | undefined {
    return this.#touch(name).node;
  }

  /** The node's copy, to be changed by the caller; it exists. */
  change(name: string, generation: number): Node {
    const access = this.#touch(name);
    if (!access.own) {
      access.node = copyOf(access.node!);
      access.own = true;
    }
    access.modified = true;
    access.node!.generation = generation;
    return access.node!;
  }

  create(name: string, node: Node): void {
    const access = this.#touch(name);
    if (access.node !== undefined) this.charge(-this.bytesOf(name, access.node));
    this.charge(this.bytesOf(name, node));
    access.node = node;
    access.own = true;
    access.modified = true;
  }

  remove(name: string): void {
    const access = this.#touch(name);
    if (access.node !== undefined) this.charge(-this.bytesOf(name, access.node));
    access.node = undefined;
    access.modified = true;
  }

  count(domid: number, delta: number): void {
    this.counts.set(domid, (this.counts.get(domid) ?? 0) + delta);
  }

  /** An event for watches above wins over one for the node alone. */
  queue(name: string, exact: boolean): void {
    const access = this.accessed.get(name);
    if (access === undefined) this.failed = true;
    else if (!exact || access.fire === 'no') access.fire = exact ? 'exact' : 'above';
  }

  /** Whether a node that it saw has changed since. */
  conflicts(): boolean {
    for (const [name, { seen }] of this.accessed) {
      if ((this.#live.get(name)?.generation ?? NO_GENERATION) !== seen) return true;
    }
    return false;
  }

  #touch(name: string): Accessed {
    let access = this.accessed.get(name);
    if (access !== undefined) return access;
    if (this.accessed.size >= this.start.limit) {
      this.failed = true;
      fail('ENOSPC');
    }
    const node = this.#live.get(name);
    if (node !== undefined) {
      node.held = true;
      this.charge(this.bytesOf(name, node));
    }
    access = {
      seen: node?.generation ?? NO_GENERATION,
      permissions: node?.permissions,
      node,
      own: false,
      modified: false,
      fire: 'no',
    };
    this.accessed.set(name, access);
    return access;
  }
}
