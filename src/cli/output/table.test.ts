import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cut, table, wrap } from './table.js';

describe('table', () => {
  it('sets columns two blanks apart, some to the right, nothing behind the last', () => {
    expect(
      table(
        [
          ['VM', 'ID'],
          ['a', '10'],
          ['long', '1'],
        ],
        [1],
      ),
    ).toEqual(['VM    ID', 'a     10', 'long   1']);
  });
  it('does not count colours', () => {
    expect(
      table([
        ['\u001b[1mab\u001b[0m', 'x'],
        ['abc', 'y'],
      ])[0],
    ).toBe('\u001b[1mab\u001b[0m   x');
  });
});

describe('wrap', () => {
  it('keeps every word in its order, and every line within the width', () => {
    const word = fc.stringMatching(/^[a-z,.]{1,12}$/);
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 0, max: 6 }),
        fc.integer({ min: 20, max: 90 }),
        (words, lead, width) => {
          const lines = wrap(' '.repeat(lead) + words.join(' '), width, '  ');
          expect(
            lines
              .join(' ')
              .split(/\s+/)
              .filter((one) => one !== ''),
          ).toEqual(words);
          expect(lines.every((line) => line.length <= width)).toBe(true);
          expect(lines[0]!.startsWith(' '.repeat(lead))).toBe(true);
        },
      ),
      { seed: 1 },
    );
  });
});

describe('cut', () => {
  it('leaves what fits', () => {
    expect([cut('abcd', 4), cut('abcde', 4)]).toEqual(['abcd', 'a...']);
  });
});
