// The order of hosts compared with sorted lists, and the rules that choose a host.
import { describe, expect, it } from 'vitest';
import { Random } from '../../base/random.js';
import type { HostType } from '../fleet/host-type.js';
import { HostChooser } from './choosers.js';
import { HostOrder } from './host-order.js';

it('hosts in order: as a list that is sorted anew each time', () => {
  const random = new Random(11);
  for (const count of [1, 2, 63, 64, 65, 500]) {
    const values = Array.from({ length: count }, () => random.below(40));
    const order = new HostOrder(count, 1000, (member) => values[member]!);
    for (let step = 0; step < 600; step++) {
      const member = random.below(count);
      // Many go to few values, so that blocks fill up and empty.
      values[member] = random.chance(70) ? random.below(4) : random.below(1001);
      order.update(member, values[member]);
      if (step % 7 !== 0) continue;
      const sorted = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b);
      const position = random.below(count);
      expect(order.at(position)).toBe(sorted[position]);
      const least = random.below(50);
      expect(order.countAtLeast(least)).toBe(values.filter((value) => value >= least).length);
      expect(order.valueOf(member)).toBe(values[member]);
    }
    expect(() => order.at(count)).toThrow(RangeError);
  }
});

describe('rules', () => {
  const type = { nodes: 2, cores: [4, 4], freeMib: 2000 } as unknown as HostType;
  /** Free MiB of [host][node], and vCPUs. */
  const chooserOf = (rule: 'random' | 'best-fit' | 'local-fit', free: number[][], vcpus: number[][] = [], seed = 1) => {
    const chooser = new HostChooser(
      rule,
      type,
      free.length,
      { freePages: (host, node) => free[host]![node]! * 256, vcpus: (host, node) => vcpus[host]?.[node] ?? 0 },
      seed,
    );
    for (const [host, nodes] of free.entries()) chooser.changed(host, type.freeMib - nodes.reduce((sum, mib) => sum + mib, 0));
    return chooser;
  };

  it('best-fit: the least free memory that has room', () => {
    const chooser = chooserOf('best-fit', [
      [900, 900],
      [300, 300],
      [100, 100],
    ]);
    expect([chooser.choose(1, 50), chooser.choose(1, 201), chooser.choose(1, 601), chooser.choose(1, 1801)]).toEqual([2, 1, 0, -1]);
  });

  it('local-fit: the node with the least free memory for all of it, within its cores', () => {
    const free = [
      [900, 0],
      [400, 400],
      [500, 0],
    ];
    expect(chooserOf('local-fit', free).choose(1, 450)).toBe(2);
    // 9 vCPUs on node 0 of host 2 keep 3.6 of its 4 cores busy: two more do not fit, one does.
    const busy = [[], [], [9, 0]];
    expect(chooserOf('local-fit', free, busy).choose(1, 450)).toBe(2);
    expect(chooserOf('local-fit', free, busy).choose(2, 450)).toBe(0);
    expect(chooserOf('local-fit', free, [[10], [], [10]]).choose(1, 450)).toBe(2);
    expect(chooserOf('local-fit', free, [[10], [], [10]]).choose(1, 600)).toBe(1);
  });

  it('random: those with much free memory more often, as the square of a random number says', () => {
    const free = Array.from({ length: 4 }, (_, host) => [500 - host, 0]);
    const chooser = chooserOf('random', free);
    const counts = [0, 0, 0, 0];
    for (let draw = 0; draw < 4000; draw++) counts[chooser.choose(1, 1)]!++;
    // The k-th of 4 is chosen when the square lies in its quarter: sqrt(k/4) - sqrt((k-1)/4).
    for (const [host, share] of [0.5, 0.207, 0.159, 0.134].entries()) expect(counts[host]! / 4000).toBeCloseTo(share, 1);
    expect(chooserOf('random', free, [], 7).choose(1, 501)).toBe(-1);
  });
});
