import { expect, it } from 'vitest';
import { fittingTable } from './table.js';

const ROWS = [
  ['profile', 'policy', 'distance', 'failed'],
  ['xapi-25.6', 'best_effort', '10.4', '0'],
  ['xapi-26.3', 'any', 'not there', ''],
];

it.each([
  [80, 'profile    policy        distance  failed'],
  [38, 'profile   policy       distance failed'],
])('a table that fits into %i columns', (width, heading) => {
  const lines = fittingTable(ROWS, { right: [2, 3] }, width);
  expect(lines[0]).toBe(heading);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
});

it('where it does not fit, each row is a paragraph with the headings, and nothing is lost', () => {
  expect(fittingTable(ROWS, { right: [2, 3] }, 30)).toEqual([
    'xapi-25.6, best_effort:',
    '  distance 10.4, failed 0',
    'xapi-26.3, any: distance not',
    '  there',
  ]);
});
