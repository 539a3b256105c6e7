// The table of blocks beside a map: what comes, goes, and is found by its first frame.
import { expect, it } from 'vitest';
import { Random } from '../../base/random.js';
import { BlockTable } from './block-table.js';

it('finds every block that is there and no other, whatever came and went; also beyond 32 bits', () => {
  for (const base of [1, 2 ** 31 - 500, 2 ** 39]) {
    const random = new Random(base % 1000);
    const table = new BlockTable();
    const held = new Map<number, { slot: number; order: number }>();
    for (let step = 0; step < 6000; step++) {
      const mfn = base + random.below(700) * (random.chance(50) ? 1 : 512);
      const known = held.get(mfn);
      // A call of expect for each step would take longer than the steps.
      if (table.find(mfn) !== (known?.slot ?? -1)) expect(table.find(mfn), `base ${base} step ${step}`).toBe(known?.slot ?? -1);
      if (known === undefined) {
        const order = random.below(21);
        held.set(mfn, { slot: table.add(mfn, order), order });
      } else if (random.chance(step % 2000 < 1000 ? 30 : 90)) {
        table.remove(known.slot);
        held.delete(mfn);
      }
    }
    const found = [...table.slots()].map((slot) => [table.mfn[slot], table.order[slot]]);
    expect(new Map(found as [number, number][])).toEqual(new Map([...held].map(([mfn, { order }]) => [mfn, order])));
    expect(new Set([...held.values()].map(({ slot }) => slot)).size).toBe(held.size);
  }
});

it('fills up to any number of blocks', () => {
  const table = new BlockTable();
  for (let mfn = 1; mfn <= 5000; mfn++) table.add(mfn * 4096, mfn % 21);
  for (let mfn = 1; mfn <= 5000; mfn++) {
    const slot = table.find(mfn * 4096);
    if (slot < 0 || table.order[slot] !== mfn % 21) expect.fail(`block ${mfn} is lost`);
  }
  expect([...table.slots()]).toHaveLength(5000);
  expect(table.find(4096 * 5001)).toBe(-1);
});
