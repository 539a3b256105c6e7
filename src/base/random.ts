// Random numbers and choices from a seed: the same seed gives the same ones on every machine.

/**
 * Numbers in 0 .. 2^32-1 from a seed (splitmix32, Steele, Lea and Flood 2014, in its 32-bit form).
 */
export function seededNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
}

/** @returns a function from a bound to a number in 0 .. bound-1 */
export function numbersBelow(seed: number): (bound: number) => number {
  const next = seededNumbers(seed);
  return (bound) => next() % bound;
}

export class Random {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = seededNumbers(seed);
  }

  /** 0 .. below-1 */
  below(below: number): number {
    return this.#next() % below;
  }

  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** true in `percent` of 100 cases. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  /** [value, weight] pairs. */
  weighted<T>(values: readonly (readonly [T, number])[]): T {
    let at = this.below(values.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [value, weight] of values) {
      at -= weight;
      if (at < 0) return value;
    }
    throw new Error('weights that do not add up');
  }

  shuffled<T>(values: readonly T[]): T[] {
    const result = [...values];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [result[i], result[j]] = [result[j]!, result[i]!];
    }
    return result;
  }
}
