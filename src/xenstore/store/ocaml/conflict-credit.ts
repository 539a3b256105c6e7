// Conflict credit: a domain whose changes make others' transactions fail is paused (XSA-206).
// Sources: tools/ocaml/xenstored/domains.ml decr_conflict_credit, incr_conflict_credit_from_queue;
// define.ml conflict_burst_limit, conflict_max_history_seconds; xenstored.ml frequent_ops (Xen
// 4.17), with conflict-rate-limit-is-aggregate as by default.

/** Conflicts that a domain may cause at once. */
const BURST_LIMIT = 5;
/** Debt is bounded: a paused domain waits for at most two units of credit. */
const LEAST = -1;
/** One unit of credit is given out in each interval, to one domain of all. */
export const CREDIT_INTERVAL_MS = 50;

export class ConflictCredit {
  readonly #nowMs: () => number;
  /** Of domains below the limit only. */
  readonly #credits = new Map<number, number>();
  /** Domains in the order in which they get credit: paused ones first. */
  #paused: number[] = [];
  #penalized: number[] = [];
  #nextMs = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** A change of the domain made another's transaction fail. */
  blame(domid: number): void {
    this.#giveDue();
    const before = this.#credits.get(domid) ?? BURST_LIMIT;
    const after = Math.max(LEAST, before - 1);
    this.#credits.set(domid, after);
    if (before >= BURST_LIMIT && after > 0) {
      if (this.#penalized.length === 0 && this.#paused.length === 0) this.#nextMs = this.#nowMs() + CREDIT_INTERVAL_MS;
      this.#penalized.push(domid);
    } else if (before > 0 && after <= 0) {
      if (this.#paused.length === 0) this.#nextMs = this.#nowMs() + CREDIT_INTERVAL_MS;
      this.#paused.push(domid);
    }
  }

  /** Whether requests of the domain are delayed. */
  paused(domid: number): boolean {
    if (this.#credits.size === 0) return false;
    this.#giveDue();
    return (this.#credits.get(domid) ?? BURST_LIMIT) <= 0;
  }

  forget(domid: number): void {
    this.#credits.delete(domid);
    this.#paused = this.#paused.filter((other) => other !== domid);
    this.#penalized = this.#penalized.filter((other) => other !== domid);
  }

  #giveDue(): void {
    const now = this.#nowMs();
    while (now > this.#nextMs && (this.#paused.length > 0 || this.#penalized.length > 0)) {
      this.#nextMs += CREDIT_INTERVAL_MS;
      const queue = this.#paused.length > 0 ? this.#paused : this.#penalized;
      const domid = queue.shift()!;
      const credit = Math.min(BURST_LIMIT, this.#credits.get(domid)! + 1);
      if (credit === BURST_LIMIT) this.#credits.delete(domid);
      else this.#credits.set(domid, credit);
      if (queue === this.#paused ? credit <= 0 : credit < BURST_LIMIT) queue.push(domid);
    }
  }
}
