// Sums over subsets of up to 16 nodes: a few by adding, many by two tables of 256 entries, so that
// the sum of any set is one addition.

/** So many sums cost less by adding than making the tables. */
const FEW = 40;

/** Sums of the values at the set bits of a mask of up to 16 bits. */
export class HalfSums {
  readonly #low = new Float64Array(256);
  readonly #high = new Float64Array(256);
  readonly #values: Float64Array;
  /** Sums since the values changed; the tables are right once it is past FEW. */
  #asked = 0;

  constructor(count: number) {
    this.#values = new Float64Array(count);
  }

  set(bit: number, value: number): void {
    if (this.#values[bit] === value) return;
    this.#values[bit] = value;
    this.#asked = 0;
  }

  of(mask: number): number {
    if (this.#asked > FEW) return this.#low[mask & 255]! + this.#high[mask >>> 8]!;
    this.#asked++;
    if (this.#asked > FEW) {
      fill(this.#low, this.#values, 0);
      fill(this.#high, this.#values, 8);
      return this.of(mask);
    }
    let sum = 0;
    for (let rest = mask; rest !== 0; rest &= rest - 1) sum += this.#values[31 - Math.clz32(rest & -rest)]!;
    return sum;
  }
}

function fill(table: Float64Array, values: Float64Array, from: number): void {
  const bits = Math.max(0, Math.min(8, values.length - from));
  for (let mask = 1; mask < 2 ** bits; mask++) {
    const top = 31 - Math.clz32(mask);
    table[mask] = table[mask ^ (1 << top)]! + values[from + top]!;
  }
}
