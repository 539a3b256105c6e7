// Shortest scenarios that once differed from a real Xen, played again:
// fixtures/regressions/differential/.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { compared, type Regression } from './campaign.js';

const folder = new URL('../../fixtures/regressions/differential/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));

test('the folder of kept scenarios is there', () => expect(readdirSync(folder)).toContain('README.md'));

test.each(files)('%s: answered as the real Xen did', (file) => {
  const { scenario, answers } = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Regression;
  expect(compared(scenario, answers).differences).toEqual([]);
});
