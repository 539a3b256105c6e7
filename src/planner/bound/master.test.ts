// The linear program and the knapsack behind the bound, on small ones that are solved by hand or by
// trying all contents.
import { describe, expect, it } from 'vitest';
import { Random } from '../../base/random.js';
import { Cells, Knapsack } from './knapsack.js';
import { Master } from './master.js';

describe('a linear program', () => {
  it('reaches its optimum, and its prices prove it', () => {
    // Most of 3x + 5y where x <= 4, 2y <= 12 and 3x + 2y <= 18: x = 2, y = 6, worth 36.
    const master = new Master([4, 12, 18]);
    const columns = [
      { value: 3, entries: [[0, 1] as const, [2, 3] as const] },
      { value: 5, entries: [[1, 2] as const, [2, 2] as const] },
    ];
    for (const column of columns) master.add(column);
    const prices = [...master.solve()];
    expect(master.value).toBeCloseTo(36, 9);
    expect(prices[0]).toBeCloseTo(0, 9);
    expect(prices[1]).toBeCloseTo(1.5, 9);
    expect(prices[2]).toBeCloseTo(1, 9);
  });

  it('goes on from where it was when a column is added', () => {
    const master = new Master([10]);
    expect([[...master.solve()], master.value]).toEqual([[0], 0]);
    master.add({ value: 3, entries: [[0, 2]] });
    expect(master.solve()[0]).toBeCloseTo(1.5, 9);
    expect(master.value).toBeCloseTo(15, 9);
    master.add({ value: 2, entries: [[0, 1]] });
    expect(master.solve()[0]).toBeCloseTo(2, 9);
    expect(master.value).toBeCloseTo(20, 9);
    // Worth no more than its price.
    master.add({ value: 4, entries: [[0, 2]] });
    master.solve();
    expect(master.value).toBeCloseTo(20, 9);
  });

  it('has as much value in its prices as in its columns, whatever the program (strong duality)', () => {
    const random = new Random(11);
    for (let round = 0; round < 200; round++) {
      const rows = 1 + random.below(4);
      const limits = Array.from({ length: rows }, () => random.below(20));
      const master = new Master(limits);
      const columns = Array.from({ length: 1 + random.below(6) }, () => ({
        value: 1 + random.below(20),
        entries: Array.from({ length: rows }, (_, row) => [row, 1 + random.below(5)] as const),
      }));
      for (const column of columns) master.add(column);
      const prices = master.solve();
      const dual = limits.reduce((sum, limit, row) => sum + limit * prices[row]!, 0);
      expect(dual).toBeCloseTo(master.value, 6);
      for (const price of prices) expect(price).toBeGreaterThanOrEqual(-1e-9);
      for (const { value, entries } of columns) {
        expect(entries.reduce((sum, [row, number]) => sum + number * prices[row]!, 0)).toBeGreaterThanOrEqual(value - 1e-6);
      }
    }
  });

  it('with a row that allows nothing is worth nothing there', () => {
    const master = new Master([0, 5]);
    master.add({ value: 7, entries: [[0, 1]] });
    master.add({ value: 1, entries: [[1, 1]] });
    master.solve();
    expect(master.value).toBeCloseTo(5, 9);
  });
});

describe('a knapsack', () => {
  it('gains the most for every capacity, with a content that fits and is worth it', () => {
    const random = new Random(12);
    for (let round = 0; round < 100; round++) {
      const kinds = Array.from({ length: 1 + random.below(3) }, () => ({ size: 1 + random.below(6), count: 1 + random.below(4) }));
      const gains = kinds.map(() => random.below(10) - 2);
      const largest = random.below(20);
      const unit = new Cells(largest, kinds);
      const knapsack = new Knapsack(kinds, gains, unit, unit.of(largest));
      for (let capacity = 0; capacity <= largest; capacity++) {
        let most = 0;
        const visit = (at: number, size: number, gain: number): void => {
          if (size > capacity) return;
          most = Math.max(most, gain);
          if (at === kinds.length) return;
          for (let count = 0; count <= kinds[at]!.count; count++) visit(at + 1, size + count * kinds[at]!.size, gain + count * gains[at]!);
        };
        visit(0, 0, 0);
        expect(knapsack.best(unit.of(capacity))).toBe(most);
        const content = knapsack.content(unit.of(capacity), kinds.length);
        expect(content.every((count, at) => count >= 0 && count <= kinds[at]!.count)).toBe(true);
        expect(content.reduce((sum, count, at) => sum + count * kinds[at]!.size, 0)).toBeLessThanOrEqual(capacity);
        expect(content.reduce((sum, count, at) => sum + count * gains[at]!, 0)).toBe(most);
      }
    }
  });

  it('counts in the largest unit that divides all sizes, or in one with 8,192 cells at most', () => {
    expect(
      new Cells(8192 * 6, [
        { size: 12, count: 1 },
        { size: 18, count: 1 },
      ]).unit,
    ).toBe(6);
    const odd = new Cells(8192 * 6, [
      { size: 12, count: 1 },
      { size: 17, count: 1 },
    ]);
    expect([odd.unit, odd.of(6), odd.of(11), odd.of(12)]).toEqual([6, 1, 1, 2]);
    expect(new Cells(8192 * 6 + 1, [{ size: 6, count: 1 }]).unit).toBe(7);
    expect(new Cells(100, []).unit).toBe(1);
  });

  it('takes all of what is smaller than a unit', () => {
    const kinds = [
      { size: 1, count: 5 },
      { size: 20_001, count: 1 },
    ];
    const unit = new Cells(20_001, kinds);
    expect(unit.unit).toBe(3);
    const knapsack = new Knapsack(kinds, [2, 7], unit, unit.of(20_001));
    expect([knapsack.best(0), knapsack.best(unit.of(20_001))]).toEqual([10, 17]);
    expect(knapsack.content(unit.of(20_001), 2)).toEqual([5, 1]);
  });
});
