import { expect, it } from 'vitest';
import { LineBudget } from './line-budget.js';

it('so many lines of a kind are written in a minute, and the next one tells of the others', () => {
  let nowMs = 0;
  const budget = new LineBudget(2, () => nowMs);
  expect([1, 2, 3, 4].map(() => budget.take('a'))).toEqual([0, 0, null, null]);
  expect(budget.take('b')).toBe(0);
  nowMs = 59_999;
  expect(budget.take('a')).toBeNull();
  nowMs = 60_000;
  expect([1, 2, 3].map(() => budget.take('a'))).toEqual([3, 0, null]);
});

it('a minute that is over tells of its lines once', () => {
  let nowMs = 0;
  const budget = new LineBudget(1, () => nowMs);
  for (const kind of ['a', 'a', 'b']) budget.take(kind);
  expect(budget.due()).toEqual([]);
  nowMs = 60_000;
  expect(budget.due()).toEqual([['a', 1]]);
  expect(budget.due()).toEqual([]);
});
