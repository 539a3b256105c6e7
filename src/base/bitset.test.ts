// Lists of numbers as text, and members of a bitmap, compared with plain sets.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Bitset, formatList, parseList } from './bitset.js';

const members = fc.integer({ min: 1, max: 200 }).chain((width) => fc.tuple(fc.constant(width), fc.uniqueArray(fc.nat(width - 1))));

test.each([
  [[], ''],
  [[0], '0'],
  [[0, 1], '0-1'],
  [[0, 2, 3, 4, 7], '0,2-4,7'],
  [[31, 32, 33], '31-33'],
  [[63], '63'],
  [Array.from({ length: 100 }, (_, cpu) => cpu), '0-99'],
])('%j is written %j', (list, text) => {
  expect(formatList(list)).toBe(text);
  expect(formatList(new Set(list))).toBe(text);
  expect(Bitset.of(100, list).toString()).toBe(text);
});

test('a full bitmap of any width ends at its last member', () => {
  for (let width = 2; width <= 130; width++) expect(Bitset.all(width).toString()).toBe(`0-${width - 1}`);
});

test('what is written of any bitmap is read as the same one', () => {
  fc.assert(
    fc.property(members, ([width, list]) => {
      const set = Bitset.of(width, list);
      const ascending = [...list].sort((a, b) => a - b);
      expect(set.toArray()).toEqual(ascending);
      expect(formatList(ascending)).toBe(set.toString());
      if (list.length > 0) expect(parseList(set.toString(), width).equals(set)).toBe(true);
    }),
    { seed: 42, numRuns: 300 },
  );
});
