// A linear program of packing: maximise the value of columns under upper bounds of rows, all
// numbers from 0 up. A small revised simplex in floating point. Nobody has to trust it: its prices
// only suggest a bound, which is computed again in whole numbers.

const TINY = 1e-9;
/** Pivots for each row in one call; packing is degenerate and may go round in circles. */
const PIVOTS_A_ROW = 20;

interface Column {
  readonly value: number;
  /** Row and number. */
  readonly entries: readonly (readonly [number, number])[];
}

export class Master {
  readonly #rows: number;
  readonly #columns: Column[];
  /** Column of each basic variable. */
  readonly #basis: number[];
  /** Row-major. */
  readonly #inverse: Float64Array;
  readonly #level: Float64Array;
  readonly #isBasic = new Set<number>();

  /** @param limits of the rows, none below 0 */
  constructor(limits: readonly number[]) {
    this.#rows = limits.length;
    this.#columns = limits.map((_, row) => ({ value: 0, entries: [[row, 1]] }));
    this.#basis = limits.map((_, row) => row);
    for (const column of this.#basis) this.#isBasic.add(column);
    this.#inverse = new Float64Array(this.#rows * this.#rows);
    for (let row = 0; row < this.#rows; row++) this.#inverse[row * this.#rows + row] = 1;
    this.#level = Float64Array.from(limits);
  }

  add(column: Column): void {
    this.#columns.push(column);
  }

  get value(): number {
    return this.#basis.reduce((sum, column, row) => sum + this.#columns[column]!.value * this.#level[row]!, 0);
  }

  /** Prices of the rows after as many pivots as help. */
  solve(): Float64Array {
    for (let pivots = 0; pivots < PIVOTS_A_ROW * this.#rows; pivots++) {
      const prices = this.#prices();
      const entering = this.#entering(prices);
      if (entering === null) return prices;
      if (!this.#enter(entering)) return prices;
    }
    return this.#prices();
  }

  #prices(): Float64Array {
    const prices = new Float64Array(this.#rows);
    this.#basis.forEach((column, row) => {
      const { value } = this.#columns[column]!;
      if (value === 0) return;
      for (let at = 0; at < this.#rows; at++) prices[at] = prices[at]! + value * this.#inverse[row * this.#rows + at]!;
    });
    return prices;
  }

  #entering(prices: Float64Array): number | null {
    let best: number | null = null;
    let bestGain = 0;
    this.#columns.forEach(({ value, entries }, column) => {
      if (this.#isBasic.has(column)) return;
      const gain = value - entries.reduce((sum, [row, number]) => sum + prices[row]! * number, 0);
      if (gain <= bestGain + TINY * Math.max(1, Math.abs(value))) return;
      [best, bestGain] = [column, gain];
    });
    return best;
  }

  /** false when no row limits the column, which only rounding can cause. */
  #enter(entering: number): boolean {
    const width = this.#rows;
    const direction = new Float64Array(width);
    for (const [row, number] of this.#columns[entering]!.entries) {
      for (let at = 0; at < width; at++) direction[at] = direction[at]! + this.#inverse[at * width + row]! * number;
    }
    let leaving = -1;
    let step = Number.POSITIVE_INFINITY;
    for (let row = 0; row < width; row++) {
      if (direction[row]! <= TINY) continue;
      const ratio = Math.max(0, this.#level[row]!) / direction[row]!;
      // Among equals the largest pivot is the safest.
      const isNearer = ratio < step - TINY;
      const isSafer = ratio < step + TINY && leaving >= 0 && direction[row]! > direction[leaving]!;
      if (isNearer || isSafer) [leaving, step] = [row, ratio];
    }
    if (leaving < 0) return false;
    for (let row = 0; row < width; row++) this.#level[row] = this.#level[row]! - step * direction[row]!;
    this.#level[leaving] = step;
    const pivot = direction[leaving]!;
    for (let at = 0; at < width; at++) this.#inverse[leaving * width + at] = this.#inverse[leaving * width + at]! / pivot;
    for (let row = 0; row < width; row++) {
      const factor = direction[row]!;
      if (row === leaving || factor === 0) continue;
      for (let at = 0; at < width; at++) {
        this.#inverse[row * width + at] = this.#inverse[row * width + at]! - factor * this.#inverse[leaving * width + at]!;
      }
    }
    this.#isBasic.delete(this.#basis[leaving]!);
    this.#basis[leaving] = entering;
    this.#isBasic.add(entering);
    return true;
  }
}
