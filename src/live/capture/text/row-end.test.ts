import { expect, it } from 'vitest';
import { Random } from '../../../base/random.js';
import { isRowEnd } from './row-end.js';

/** The grammar in one pattern, which takes too long for long lines. */
const GRAMMAR = /^[\s\d.,/-]*(?:\s[-rbpscd]{2,6}\s)?[\s\d.,/-]*(?:a?ll?|n?o?ne)?(?:\s*\/[\s\d,-]*(?:all?|no?n?e?)?)?\s*$/;
const PIECES = [
  ...[' ', ' ', '\t', '0', '1', '.', ',', '/', '-', '-', 'r', 'b', 'p', 's', 'c', 'd', 'all', 'al', 'll', 'l', 'none', 'one', 'ne', 'no'],
  ...['n', 'a', ' / ', ' -b---- ', 'x'],
];

it('tells ends of rows as the grammar does', () => {
  const random = new Random(20_261_201);
  let ends = 0;
  for (let text = 0; text < 100_000; text++) {
    const line = Array.from({ length: random.below(9) }, () => PIECES[random.below(PIECES.length)]!).join('');
    const wanted = GRAMMAR.test(line);
    if (wanted) ends++;
    if (isRowEnd(line) !== wanted) expect.fail(`${JSON.stringify(line)} is ${wanted ? 'an' : 'no'} end of a row`);
  }
  expect(ends).toBeGreaterThan(10_000);
});

it.each([' ', '0', '-', '/', 'al/ ', ' -b---- ', '1 /'])('takes no longer than its length for a line of %j', (piece) => {
  // By the grammar's pattern this would take hours.
  expect(isRowEnd(`${piece.repeat(200_000)}x`)).toBe(false);
});
