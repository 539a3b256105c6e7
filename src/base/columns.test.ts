// Widths as terminals show them: Unicode's East Asian Width and its emoji sequences.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitColumns, padColumns, padColumnsLeft, textColumns, wrapColumns, wrapWords } from './columns.js';
import { columnWidths, tableLines } from './table.js';

const FAMILY = '\u{1F468}\u200D\u{1F469}\u200D\u{1F467}';
const RED = '\u001b[31mred\u001b[0m';

describe('the width of a text', () => {
  it.each([
    ['web-1', 5],
    ['', 0],
    ['\u6771\u4eac', 4],
    ['e\u0301', 1],
    ['\u{1F600}', 2],
    [FAMILY, 2],
    ['\u{1F1E9}\u{1F1EA}', 2],
    ['\uac00', 2],
    ['\u00b7', 1],
    [RED, 3],
  ])('%j takes %d columns', (text, columns) => expect(textColumns(text)).toBe(columns));
});

describe('fitting', () => {
  it('keeps what fits, and ends what it cuts', () => {
    expect(fitColumns('abcd', 4)).toBe('abcd');
    expect(fitColumns('abcde', 4)).toBe('abc~');
    expect(fitColumns('abcdefgh', 6, '...')).toBe('abc...');
    expect(fitColumns('abc', 0)).toBe('');
  });
  it('never splits a character, and leaves a column free rather than half of one', () => {
    expect(fitColumns(`a${FAMILY}b`, 3)).toBe('a~');
    expect(fitColumns(`a${FAMILY}bc`, 4)).toBe(`a${FAMILY}~`);
    expect(fitColumns('\u6771\u4eac\u6771', 4)).toBe('\u6771~');
  });
});

it('padding counts columns, not characters', () => {
  expect(padColumns('\u6771', 4)).toBe('\u6771  ');
  expect(padColumnsLeft('\u6771', 4)).toBe('  \u6771');
  expect(padColumns('abcdef', 4)).toBe('abcdef');
  expect(padColumns(RED, 5)).toBe(`${RED}  `);
});

describe('wrapping', () => {
  it('breaks at blanks and after commas, and cuts a word that is too long', () => {
    expect(wrapColumns('one two three', 7)).toEqual(['one two', 'three']);
    expect(wrapColumns('0,1,2,3', 4)).toEqual(['0,1,', '2,3']);
    expect(wrapColumns('abcdefgh', 3)).toEqual(['abc', 'def', 'gh']);
    expect(wrapColumns('\u6771\u4eac\u6771', 4)).toEqual(['\u6771\u4eac', '\u6771']);
    expect(wrapColumns('', 4)).toEqual(['']);
  });
  it('leaves long words whole when they are to be copied', () => {
    expect(wrapWords('- see https://example.org/long here', 12, '  ')).toEqual(['- see', '  https://example.org/long', '  here']);
    expect(wrapWords('  ab cd', 5)).toEqual(['  ab', 'cd']);
  });
  it('exceeds no width and loses nothing but blanks, whatever the text is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 12, max: 40 }), (text, columns) => {
        const lines = wrapColumns(text, columns);
        for (const line of lines) expect(textColumns(line)).toBeLessThanOrEqual(columns);
        expect(lines.join('').replaceAll(' ', '')).toBe(text.trimEnd().replaceAll(' ', ''));
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});

describe('a table', () => {
  it('aligns columns by what is seen, numbers on the right, and ends lines without blanks', () => {
    const rows = [
      ['name', 'pages', ''],
      ['\u6771\u4eac\u6771', '7', 'x'],
      [RED, '1024', ''],
    ];
    expect(tableLines(rows, { right: [1] })).toEqual(['name    pages', '\u6771\u4eac\u6771      7  x', `${RED}      1024`]);
    expect(columnWidths(rows)).toEqual([6, 5, 1]);
    expect(tableLines(rows, { gap: 1, widths: [7, 5, 1] })[0]).toBe('name    pages');
    expect(tableLines([])).toEqual([]);
  });
});
