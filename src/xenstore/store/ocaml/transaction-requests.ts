// Transactions as oxenstored starts, counts and commits them. A commit that finds other changes
// repeats the transaction's requests on the current store. If an answer differs, the commit fails,
// and the domains that caused the conflict lose credit.
// Sources: tools/ocaml/xenstored/{process,connection}.ml (Xen 4.17).
import { MESSAGE } from '../../protocol/wire.js';
import type { DomainUsage } from '../domain-usage.js';
import type { Journal } from '../engine.js';
import { fail, StoreFailure } from '../failure.js';
import type { Journaled } from '../journaled.js';
import type { StoreQuota } from '../limits.js';
import type { Releases } from '../releases.js';
import type { Announcer } from './announcer.js';
import type { ConflictCredit } from './conflict-credit.js';
import type { History } from './history.js';
import { journalChanges } from './journal.js';
import { isDom0 } from './permits.js';
import { strings } from './requests.js';
import { domainsNamed, SIMPLE, simple } from './simple.js';
import type { Store } from './store.js';
import { type Client, type Operation, Transaction } from './transaction.js';
import type { Node } from './tree.js';

const HIGHEST_TRANSACTION = 0x3ffffffe;

/** The engine's parts that transactions use. */
interface TransactionState {
  readonly usage: DomainUsage;
  readonly releases: Releases;
  readonly journal: Journal | undefined;
  readonly journaled: Journaled;
  readonly announcer: Announcer;
  readonly history: History;
  readonly credit: ConflictCredit;
}

export class TransactionRequests {
  readonly #store: Store;
  readonly #quota: StoreQuota;
  readonly #state: TransactionState;

  constructor(store: Store, quota: StoreQuota, state: TransactionState) {
    this.#store = store;
    this.#quota = quota;
    this.#state = state;
  }

  /** Whether the transaction has used up its requests. Once it has, it stays so. */
  isOverQuota(client: Client, tx: Transaction): boolean {
    if (isDom0(client) || (!tx.quotaReached && tx.operations.length < this.#quota.transactionNodes)) return false;
    tx.quotaReached = true;
    return true;
  }

  /** TRANSACTION_START. @returns the transaction's number. @throws StoreFailure EQUOTA */
  start(client: Client): number {
    const id = this.#takeId(client);
    const tx = new Transaction(this.#store, this.#state.releases.count);
    client.transactions.set(id, tx);
    this.#state.usage.add(client.domid, 'transactions', 1);
    this.#state.history.start(tx);
    return id;
  }

  /** The next free number of a transaction. @throws StoreFailure EQUOTA */
  #takeId(client: Client): number {
    if (!isDom0(client) && this.#state.usage.of(client.domid, 'transactions') > this.#quota.transactions) fail('EQUOTA');
    const clip = (id: number): number => (id <= 0 || id > HIGHEST_TRANSACTION ? 1 : id);
    let id = clip(client.nextTransaction);
    while (client.transactions.has(id)) id = clip(id + 1);
    client.nextTransaction = id + 1;
    return id;
  }

  /**
   * TRANSACTION_END. @throws StoreFailure EAGAIN when the transaction conflicts with a later change
   */
  end(client: Client, tx: Transaction | undefined, txId: number, payload: string): void {
    const how = strings(payload)[0];
    if (how !== 'T' && how !== 'F') fail('EINVAL');
    if (tx === undefined) fail('ENOENT');
    client.transactions.delete(txId);
    this.#state.usage.add(client.domid, 'transactions', -1);
    try {
      if (how === 'T' && tx.changes.length > 0) this.#commit(client, tx);
    } finally {
      this.#state.history.end(tx);
    }
  }

  /** Ends all transactions of a client without a commit. */
  abandon(client: Client): void {
    for (const tx of client.transactions.values()) this.#state.history.end(tx);
    this.#state.usage.add(client.domid, 'transactions', -client.transactions.size);
    client.transactions.clear();
  }

  #commit(client: Client, tx: Transaction): void {
    // Without a release since its start no domain of it can be gone.
    if (this.#state.releases.count !== tx.releases) {
      for (const domid of this.#domainsOf(tx)) if (this.#state.releases.goneSince(domid, tx.releases)) fail('EAGAIN');
    }
    this.#noteCommit();
    if (!tx.commit(this.#store) && !this.#replay(client, tx)) {
      const applies = (root: Node): boolean => this.#repeats(client, tx, Transaction.trial(this.#store, root));
      for (const domid of this.#state.history.culprits(tx, client.domid, this.#store.root, applies)) this.#state.credit.blame(domid);
      fail('EAGAIN');
    }
    if (this.#state.journal !== undefined) journalChanges(this.#state.journal, tx, this.#store.root);
    this.#state.announcer.tell(tx.changes, tx.oldRoot, tx.store.root);
    this.#state.history.record(client.domid, tx.oldRoot, undefined);
  }

  /**
   * A commit replaces whole subtrees, so the tree and the counts before it can be kept at no cost.
   */
  #noteCommit(): void {
    if (this.#state.journaled.undo === undefined) return;
    const [root, counts] = [this.#store.tree.freeze(), this.#store.lend()];
    this.#state.journaled.undo.note(() => this.#store.replace(root, counts.all()));
  }

  /**
   * Domains that a transaction concerns: new owners of nodes, and those that its permissions name.
   */
  #domainsOf(tx: Transaction): Set<number> {
    const domids = new Set(tx.store.counts.keys());
    for (const { type, payload } of tx.operations) {
      if (type === MESSAGE.setPermissions) for (const domid of domainsNamed(payload)) domids.add(domid);
    }
    return domids;
  }

  /**
   * Repeats the transaction's requests on the current store; each must give the same answer.
   */
  #replay(client: Client, tx: Transaction): boolean {
    this.#takeId(client);
    const again = new Transaction(this.#store, this.#state.releases.count);
    return this.#repeats(client, tx, again) && again.commit(this.#store);
  }

  #repeats(client: Client, tx: Transaction, again: Transaction): boolean {
    return tx.operations.every((operation) => this.#answersAgain(client, again, operation));
  }

  #answersAgain(client: Client, again: Transaction, { type, payload, answer }: Operation): boolean {
    if (!SIMPLE.has(type)) return false;
    try {
      return simple(client, again.store, this.#quota, again, type, payload) === answer;
    } catch (error) {
      if (!(error instanceof StoreFailure)) throw error;
      return answer === `E${error.errno}\0`;
    }
  }
}
