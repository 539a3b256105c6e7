// Masks in bytes: a mask is read back as it was written, without bits beyond the width, whatever
// the buffer contained before.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Bitset } from '../../base/bitset.js';
import { decodeMask, encodeMask, MaskReader } from './masks.js';

const maskOfWidth = fc
  .integer({ min: 1, max: 4096 })
  .chain((bits) => fc.tuple(fc.constant(bits), fc.array(fc.nat(bits - 1), { maxLength: 200 }), fc.nat(3), fc.boolean()));

test('any mask of any width comes back, ascending and once each, and its bytes are those of a bitmap', () => {
  fc.assert(
    fc.property(maskOfWidth, ([bits, members, more, asSet]) => {
      const size = Math.ceil(bits / 8);
      const bytes = new Uint8Array(size + more).fill(0xff);
      encodeMask(bytes, bits, asSet ? new Set(members) : members, 'CPU');
      expect(bytes.subarray(0, size)).toEqual(Bitset.of(bits, members).toBytes());
      expect(bytes.subarray(size)).toEqual(new Uint8Array(more).fill(0xff));
      expect(decodeMask(bytes, bits)).toEqual([...new Set(members)].sort((a, b) => a - b));
    }),
    { seed: 42, numRuns: 300 },
  );
});

test('bits that Xen writes past the width are not members', () => {
  expect(decodeMask(Uint8Array.of(0xff, 0xff), 2)).toEqual([0, 1]);
  expect(decodeMask(Uint8Array.of(0xff, 0xff), 9)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test.each([-1, 12, 1.5, Number.NaN, 2 ** 32])('%d is no CPU of a machine with 12', (cpu) => {
  expect(() => encodeMask(new Uint8Array(2), 12, [cpu], 'CPU')).toThrowError(`CPU ${cpu} is not in 0-11`);
});

test.each([1, 12, 24, 25, 64, 4096])('masks of %d bits read one after the other are the members of each', (bits) => {
  const reader = new MaskReader(bits);
  const bytes = new Uint8Array(Math.ceil(bits / 8));
  // More masks than the reader keeps, each twice.
  for (let mask = 0; mask < 1200; mask++) {
    const members = Array.from({ length: bits }, (_, bit) => bit).filter((bit) => ((mask % 600) >> (bit % 10)) % 2 === 1);
    encodeMask(bytes, bits, members, 'CPU');
    expect(reader.read(bytes)).toEqual(members);
    expect(reader.read(bytes)).toBe(reader.read(bytes));
  }
});
