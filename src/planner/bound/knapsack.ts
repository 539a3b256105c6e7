// The best content of one node when each kind of VM has a gain: a bounded knapsack, for all
// capacities at once, in whole numbers. Sizes are rounded down to a unit where they are too many,
// so that the answer is never too small.

/** Cells of the table at most: their number decides the time. */
const MOST_CELLS = 8192;

export interface Kind {
  readonly size: number;
  /** How many there are. */
  readonly count: number;
}

/** The unit in which capacities and sizes are counted, and what they are in it. */
export class Cells {
  readonly unit: number;

  constructor(largest: number, kinds: readonly Kind[]) {
    const common = kinds.reduce((divisor, { size }) => gcd(divisor, size), 0);
    this.unit = common > 0 && largest / common <= MOST_CELLS ? common : Math.max(1, Math.ceil(largest / MOST_CELLS));
  }

  of(size: number): number {
    return Math.floor(size / this.unit);
  }
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Some VMs of one kind, taken together or not at all. */
interface Bundle {
  readonly kind: number;
  readonly count: number;
  readonly cells: number;
  readonly gain: number;
}

export class Knapsack {
  readonly #best: Float64Array;
  readonly #bundles: readonly Bundle[];
  /** By bundle and cell: whether the best content takes it. */
  readonly #taken: readonly Uint8Array[];
  readonly #width: number;
  /** Kinds that are smaller than a unit fit anywhere. */
  readonly #always: readonly Bundle[];
  readonly #base: number;

  /**
   * @param cells the largest capacity
   * @param gains whole numbers, by kind; only those above 0 are taken
   */
  constructor(kinds: readonly Kind[], gains: readonly number[], unit: Cells, cells: number) {
    const bundles = kinds.flatMap((kind, at) => (gains[at]! > 0 ? bundlesOf(kind, at, gains[at]!, unit, cells) : []));
    this.#always = bundles.filter((bundle) => bundle.cells === 0);
    this.#base = this.#always.reduce((sum, { gain }) => sum + gain, 0);
    this.#bundles = bundles.filter((bundle) => bundle.cells > 0);
    this.#width = cells + 1;
    this.#best = new Float64Array(this.#width);
    this.#taken = this.#bundles.map((bundle) => this.#add(bundle));
  }

  /** The most that a node of this capacity can gain. */
  best(cells: number): number {
    return this.#base + this.#best[cells]!;
  }

  /** How many of each kind make up the best content. */
  content(cells: number, kinds: number): number[] {
    const counts = new Array<number>(kinds).fill(0);
    for (const { kind, count } of this.#always) counts[kind] = counts[kind]! + count;
    let left = cells;
    for (let at = this.#bundles.length - 1; at >= 0; at--) {
      if (this.#taken[at]![left] === 0) continue;
      const bundle = this.#bundles[at]!;
      counts[bundle.kind] = counts[bundle.kind]! + bundle.count;
      left -= bundle.cells;
    }
    return counts;
  }

  #add({ cells, gain }: Bundle): Uint8Array {
    const taken = new Uint8Array(this.#width);
    const best = this.#best;
    for (let at = this.#width - 1; at >= cells; at--) {
      const other = best[at - cells]! + gain;
      if (other <= best[at]!) continue;
      best[at] = other;
      taken[at] = 1;
    }
    return taken;
  }
}

/** Bundles of 1, 2, 4, ... and a rest: every number up to the count is a sum of some of them. */
function bundlesOf({ size, count }: Kind, kind: number, gain: number, unit: Cells, cells: number): Bundle[] {
  const one = unit.of(size);
  let left = one === 0 ? count : Math.min(count, Math.floor(cells / one));
  const bundles: Bundle[] = [];
  for (let number = 1; left > 0; number *= 2) {
    const some = Math.min(number, left);
    bundles.push({ kind, count: some, cells: one * some, gain: gain * some });
    left -= some;
  }
  return bundles;
}
