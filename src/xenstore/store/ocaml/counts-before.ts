// Counts of nodes by owner at an earlier moment, without a copy: a host with thousands of domains
// has thousands of counts, and every transaction keeps those of its start.

export interface KeptCounts {
  get(domid: number): number | undefined;
}

/** Above this many later moments the counts are copied once, and looked up there. */
const MOST_STEPS = 64;

export class CountsBefore implements KeptCounts {
  /** The counts that go on changing. */
  readonly #now: ReadonlyMap<number, number>;
  /** What changed from this moment to the next one that was kept: the counts before. */
  readonly #changed = new Map<number, number | undefined>();
  #next: CountsBefore | undefined;
  #copy: Map<number, number> | undefined;

  /** @param last the moment kept before; it is this one's from now on */
  constructor(now: ReadonlyMap<number, number>, last: CountsBefore | undefined) {
    this.#now = now;
    if (last !== undefined) last.#next = this;
  }

  /** Counts that changed before the next moment was kept. */
  get size(): number {
    return this.#changed.size;
  }

  /** For the store, before a count changes. */
  note(domid: number, before: number | undefined): void {
    if (!this.#changed.has(domid)) this.#changed.set(domid, before);
  }

  get(domid: number): number | undefined {
    if (this.#copy !== undefined) return this.#copy.get(domid);
    let steps = 0;
    for (let at: CountsBefore | undefined = this; at !== undefined; at = at.#next) {
      if (at.#changed.has(domid)) return at.#changed.get(domid);
      if (++steps > MOST_STEPS) return this.#copied().get(domid);
    }
    return this.#now.get(domid);
  }

  /** A copy, in no particular order. */
  all(): Map<number, number> {
    const counts = new Map(this.#now);
    const changed = new Set<number>();
    for (let at: CountsBefore | undefined = this; at !== undefined; at = at.#next) {
      for (const [domid, before] of at.#changed) {
        if (changed.has(domid)) continue;
        changed.add(domid);
        if (before === undefined) counts.delete(domid);
        else counts.set(domid, before);
      }
    }
    return counts;
  }

  #copied(): Map<number, number> {
    this.#copy = this.all();
    return this.#copy;
  }
}
