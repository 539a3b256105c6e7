import { expect, it } from 'vitest';
import { Random } from '../base/random.js';
import { HalfSums } from './half-sums.js';

it('are the sums of the values at the bits, few or many of them, before and after values change', () => {
  const random = new Random(5);
  for (const count of [1, 7, 8, 9, 16]) {
    const sums = new HalfSums(count);
    const values = new Array<number>(count).fill(0);
    for (let change = 0; change < 6; change++) {
      const bit = random.below(count);
      values[bit] = random.below(1000);
      sums.set(bit, values[bit]!);
      for (let asked = 0; asked < 100; asked++) {
        const mask = random.below(2 ** count);
        const wanted = values.reduce((sum, value, at) => sum + ((mask >>> at) % 2 === 1 ? value : 0), 0);
        expect(sums.of(mask)).toBe(wanted);
      }
      // The same value again.
      sums.set(bit, values[bit]!);
      expect(sums.of(2 ** bit)).toBe(values[bit]);
    }
  }
});
