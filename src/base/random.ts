// Choices from a seed.
import { seededNumbers } from '../xenopsd/start/turns.js';

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
