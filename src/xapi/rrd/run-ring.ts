// A ring of the last values of a series. Memory of a VM seldom changes, so runs of one value are
// kept rather than the values: a series that never changes costs the same for a minute and for a
// year.

/** Pairs of a value and how often it came, oldest first; null stands for an unknown value. */
export type StoredRuns = readonly (readonly [value: number | null, count: number])[];

export class RunRing {
  readonly rows: number;
  /** Oldest first. */
  readonly #runs: { value: number; count: number }[] = [];
  #length = 0;

  constructor(rows: number) {
    this.rows = rows;
  }

  /** @param value NaN = unknown */
  push(value: number, times = 1): void {
    const count = Math.min(times, this.rows);
    if (count <= 0) return;
    const last = this.#runs.at(-1);
    if (last !== undefined && Object.is(last.value, value)) last.count += count;
    else this.#runs.push({ value, count });
    this.#length += count;
    this.#drop(this.#length - this.rows);
  }

  /** @param age 0 = the newest; NaN before the first value */
  at(age: number): number {
    let left = age;
    for (let index = this.#runs.length - 1; index >= 0; index--) {
      const { value, count } = this.#runs[index]!;
      if (left < count) return value;
      left -= count;
    }
    return Number.NaN;
  }

  /** The newest values, oldest first; NaN for those before the first. */
  newest(count: number): number[] {
    const values = new Array<number>(count).fill(Number.NaN);
    let at = count;
    for (let index = this.#runs.length - 1; index >= 0 && at > 0; index--) {
      const run = this.#runs[index]!;
      const from = Math.max(0, at - run.count);
      values.fill(run.value, from, at);
      at = from;
    }
    return values;
  }

  copy(): RunRing {
    const copy = new RunRing(this.rows);
    for (const { value, count } of this.#runs) copy.push(value, count);
    return copy;
  }

  stored(): StoredRuns {
    return this.#runs.map(({ value, count }) => [Number.isNaN(value) ? null : value, count] as const);
  }

  restore(runs: StoredRuns): void {
    for (const [value, count] of runs) this.push(value ?? Number.NaN, count);
  }

  #drop(surplus: number): void {
    let left = surplus;
    while (left > 0) {
      const oldest = this.#runs[0]!;
      const taken = Math.min(left, oldest.count);
      oldest.count -= taken;
      left -= taken;
      this.#length -= taken;
      if (oldest.count === 0) this.#runs.shift();
    }
  }
}
