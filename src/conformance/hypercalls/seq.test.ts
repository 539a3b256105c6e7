// The run-length notation: texts of the recorder, and any list written and read back.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InputError } from '../../base/errors.js';
import { compressSeq, expandSeq } from './seq.js';

// Recorded on the real Xen (hypercalls-*.jsonl.gz).
const RECORDED = [
  '',
  '3 0',
  '2',
  '0x5',
  '01x2 0',
  '3012x2',
  '1 0 4 6 0',
  '20x25 0x11 1x23 3',
  '3x16 0x27 2x15 4x10 5x14 6x17 7x18',
  '2x3',
  '0x2',
];

test.each(RECORDED)('writes the same text as the recorder: "%s"', (text) => {
  expect(compressSeq(expandSeq(text))).toBe(text);
});

test('patterns repeat, digits are nodes in hexadecimal', () => {
  expect(expandSeq('012x2 f')).toEqual([0, 1, 2, 0, 1, 2, 15]);
});

test('any list is read back as written', () => {
  const nodes = fc.array(fc.integer({ min: 0, max: 15 }), { maxLength: 40 });
  fc.assert(
    fc.property(fc.array(fc.tuple(nodes, fc.integer({ min: 1, max: 9 })), { maxLength: 5 }), (parts) => {
      const all = parts.flatMap(([pattern, times]) => Array.from({ length: times }, () => pattern).flat());
      expect(expandSeq(compressSeq(all))).toEqual(all);
    }),
    { seed: 1, numRuns: 300 },
  );
});

test.each(['g', '0x', 'x3', '0x0', '0 1;2', '0x99999999'])('"%s" is refused', (text) => {
  expect(() => expandSeq(text)).toThrow(InputError);
});
