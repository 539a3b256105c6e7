// The limit on guests' changes while transactions are open, so that transactions can be committed.
// Source: tools/xenstore/xenstored_domain.c wrl_credit_update, wrl_apply_debit_direct,
// wrl_apply_debit_trans_commit (Xen 4.17).

/** Changes a second that each domain gains. */
const RATE = 200;
/** Changes that a domain, and all of them together, may save up. */
const DOMAIN_BURST = 10;
const COMMON_BURST = 1000;

interface Credit {
  changes: number;
  updatedMs: number;
}

export class WriteRate {
  readonly #nowMs: () => number;
  readonly #credits = new Map<number, Credit>();
  #common = COMMON_BURST;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /**
   * A guest changed so many nodes of the live store, or committed a transaction (1), while one was
   * open.
   */
  debit(domid: number, changes: number): void {
    if (changes === 0) return;
    const credit = this.#update(domid);
    credit.changes -= changes;
    if (credit.changes >= 0) return;
    const lent = Math.min(-credit.changes, this.#common);
    this.#common -= lent;
    credit.changes += lent;
  }

  /** Whether the domain has changed more than it may by now. */
  exceeded(domid: number): boolean {
    const credit = this.#credits.get(domid);
    if (credit === undefined || credit.changes >= 0) return false;
    return this.#update(domid).changes < 0;
  }

  forget(domid: number): void {
    this.#credits.delete(domid);
  }

  #update(domid: number): Credit {
    const now = this.#nowMs();
    let credit = this.#credits.get(domid);
    if (credit === undefined) {
      credit = { changes: DOMAIN_BURST, updatedMs: now };
      this.#credits.set(domid, credit);
      return credit;
    }
    credit.changes += ((now - credit.updatedMs) * RATE) / 1000;
    credit.updatedMs = now;
    const surplus = credit.changes - DOMAIN_BURST;
    if (surplus > 0) {
      credit.changes = DOMAIN_BURST;
      this.#common = Math.min(COMMON_BURST, this.#common + surplus);
    }
    return credit;
  }
}
