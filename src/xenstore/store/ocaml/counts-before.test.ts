// Counts of earlier moments compared with copies of the map.
import { expect, it } from 'vitest';
import { Random } from '../../../base/random.js';
import { CountsBefore } from './counts-before.js';

it('is what a copy would be, however much changes later', () => {
  const random = new Random(5);
  const now = new Map<number, number>();
  let last: CountsBefore | undefined;
  const moments: { snapshot: CountsBefore; copy: Map<number, number> }[] = [];
  for (let step = 0; step < 4000; step++) {
    const domid = random.below(40);
    last?.note(domid, now.get(domid));
    if (random.below(4) === 0) now.delete(domid);
    else now.set(domid, step);
    if (random.below(8) === 0) {
      last = new CountsBefore(now, last);
      moments.push({ snapshot: last, copy: new Map(now) });
    }
  }
  expect(moments.length).toBeGreaterThan(300);
  for (const { snapshot, copy } of moments) {
    expect([...snapshot.all()].sort()).toEqual([...copy].sort());
    for (let domid = 0; domid < 41; domid++) expect(snapshot.get(domid)).toBe(copy.get(domid));
  }
});
