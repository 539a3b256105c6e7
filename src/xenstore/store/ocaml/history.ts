// Recent changes by guests, to find out whose change made a transaction fail. Sources:
// tools/ocaml/xenstored/history.ml; transaction.ml short_running_txns; process.ml record_commit,
// transaction_replay (Xen 4.17).

import { CREDIT_INTERVAL_MS } from './conflict-credit.js';
import type { Transaction } from './transaction.js';
import type { Node } from './tree.js';

interface Change {
  readonly domid: number;
  readonly before: Node;
  /**
   * undefined: the live store at the time of the question, as the daemon records it for a
   * transaction.
   */
  readonly after: Node | undefined;
  readonly number: number;
}

export class History {
  readonly #nowMs: () => number;
  /** Transactions that are younger than the interval, oldest first: only they are protected. */
  #young: { readonly tx: Transaction; readonly sinceMs: number; readonly since: number }[] = [];
  #changes: Change[] = [];
  #number = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Whether anyone could ask about a change that is made now. */
  get wanted(): boolean {
    if (this.#young.length > 0 && this.#young[0]!.sinceMs < this.#nowMs() - CREDIT_INTERVAL_MS) this.#trim();
    return this.#young.length > 0;
  }

  start(tx: Transaction): void {
    this.#young.push({ tx, sinceMs: this.#nowMs(), since: this.#number });
  }

  end(tx: Transaction): void {
    if (this.#young.length === 0) return;
    this.#young = this.#young.filter((one) => one.tx !== tx);
    this.#trim();
  }

  /** A change of the live store; domain 0 is free to conflict, so its changes only count. */
  record(domid: number, before: Node, after: Node | undefined): void {
    this.#number++;
    if (domid !== 0) this.#changes.push({ domid, before, after, number: this.#number });
  }

  /**
   * Domains, other than the transaction's own, with a change before which its requests gave the
   * same answers and after which they do not. To be called before `end`.
   */
  culprits(tx: Transaction, own: number, live: Node, applies: (root: Node) => boolean): Set<number> {
    const since = this.#young.find((one) => one.tx === tx)?.since;
    const found = new Set<number>();
    if (since === undefined) return found;
    for (const { domid, before, after, number } of this.#changes.toReversed()) {
      if (number <= since || domid === own || found.has(domid)) continue;
      if (applies(before) && !applies(after ?? live)) found.add(domid);
    }
    return found;
  }

  #trim(): void {
    const oldestMs = this.#nowMs() - CREDIT_INTERVAL_MS;
    this.#young = this.#young.filter(({ sinceMs }) => sinceMs >= oldestMs);
    const since = this.#young[0]?.since;
    this.#changes = since === undefined ? [] : this.#changes.filter(({ number }) => number > since);
  }
}
