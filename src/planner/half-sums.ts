// Sums over subsets of up to 16 nodes by two tables of 256 entries, so that the sum of any set is one addition.

/** Sums of the values at the set bits of a mask of up to 16 bits. */
export class HalfSums {
  readonly low = new Float64Array(256);
  readonly high = new Float64Array(256);
  readonly #values: Float64Array;

  constructor(count: number) {
    this.#values = new Float64Array(count).fill(Number.NaN);
  }

  /** Takes new values (one a bit); builds the tables only when they changed. */
  update(values: ArrayLike<number>): void {
    const kept = this.#values;
    let same = true;
    for (let i = 0; i < kept.length; i++) {
      if (kept[i] === values[i]) continue;
      kept[i] = values[i]!;
      same = false;
    }
    if (same) return;
    fill(this.low, kept, 0);
    fill(this.high, kept, 8);
  }

  of(mask: number): number {
    return this.low[mask & 255]! + this.high[mask >>> 8]!;
  }
}

function fill(table: Float64Array, values: Float64Array, from: number): void {
  const bits = Math.max(0, Math.min(8, values.length - from));
  for (let mask = 1; mask < 2 ** bits; mask++) {
    const top = 31 - Math.clz32(mask);
    table[mask] = table[mask ^ (1 << top)]! + values[from + top]!;
  }
}
