import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GIB, MIB } from '../../base/units.js';
import { forecast, freeGibAtMost } from './gib-extents.js';

/** Free memory at addresses of at most `bits` bits, for ranges [from, to). */
const freeOf = (ranges: readonly (readonly [number, number])[]) => (_: number, bits: number) =>
  ranges.reduce((sum, [from, to]) => sum + Math.max(0, Math.min(to, 2 ** bits) - from), 0);

describe('free extents of 1 GiB on a node', () => {
  it('lie within one zone: a GiB across a power of two does not count', () => {
    expect(freeGibAtMost(1, freeOf([[4 * GIB, 6 * GIB]]))).toEqual([2]);
    expect(freeGibAtMost(1, freeOf([[3.5 * GIB, 4.5 * GIB]]))).toEqual([0]);
    expect(freeGibAtMost(1, freeOf([[0, GIB]]))).toEqual([0]);
  });

  it('are never fewer than the actual ones', () => {
    const block = fc.tuple(fc.integer({ min: 1, max: 512 }), fc.boolean());
    fc.assert(
      fc.property(fc.array(block, { maxLength: 40 }), (blocks) => {
        const whole = new Map(blocks.map(([gib, isWhole]) => [gib, isWhole]));
        const ranges = [...whole].map(([gib, isWhole]) => [gib * GIB, gib * GIB + (isWhole ? GIB : GIB - MIB)] as const);
        const really = ranges.filter(([from, to]) => to - from === GIB).length;
        expect(freeGibAtMost(1, freeOf(ranges))[0]).toBeGreaterThanOrEqual(really);
      }),
      { seed: 417, numRuns: 200 },
    );
  });
});

describe('the forecast', () => {
  it('of the measured guest: 1 GiB requested on node 1, which has 1021 MiB free; node 2 has the GiB', () => {
    expect(forecast(1, [1], [0, 0, 1, 0])).toMatchObject({ notOnNodes: 1, elsewhere: 1 });
  });
  it('notes nothing when the nodes may have them all, or no node has any', () => {
    expect(forecast(2, [0, 1], [1, 1, 5])).toMatchObject({ notOnNodes: 0, elsewhere: 0 });
    expect(forecast(3, [0], [0, 0, 0])).toMatchObject({ notOnNodes: 3, elsewhere: 0 });
    expect(forecast(3, [0], [0, 2, 0]).elsewhere).toBe(2);
  });
});
