// The bound that lets best_effort skip sets which are too small: plain arithmetic, written out.
import { expect, test } from 'vitest';
import { bitCount, fewestNodes, largestSums, setsOfAtLeast } from './fewest-nodes.js';

test('sums of the largest values', () => {
  expect([...largestSums([5, 20, 10])]).toEqual([0, 20, 30, 35]);
  expect([...largestSums([])]).toEqual([0]);
});

test.each([
  [0, 1],
  [20, 1],
  [21, 2],
  [30, 2],
  [31, 3],
  [35, 3],
  // All three together have 35: a fourth node would have to be there.
  [36, 4],
])('nodes of 5, 20 and 10 that reach %d together: at least %d', (wanted, fewest) => {
  expect(fewestNodes(largestSums([5, 20, 10]), wanted)).toBe(fewest);
});

test('bits of a set', () => {
  expect([0, 1, 0b1010, 0xffff].map(bitCount)).toEqual([0, 1, 2, 16]);
});

test('positions of the sets that are large enough, in the order of the sets', () => {
  const sets = Uint32Array.from([0b011, 0b100, 0b101, 0b001, 0b111]);
  expect([...setsOfAtLeast(sets, 1)]).toEqual([0, 1, 2, 3, 4]);
  expect([...setsOfAtLeast(sets, 2)]).toEqual([0, 2, 4]);
  expect([...setsOfAtLeast(sets, 3)]).toEqual([4]);
});
