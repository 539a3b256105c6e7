// Shortest runs that once failed, played again: fixtures/regressions/simulator/.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { playWorld } from './campaign.js';

const folder = new URL('../../fixtures/regressions/simulator/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));

it.each(files)('%s', async (name) => {
  const { seed, steps } = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as { seed: number; steps: readonly number[] };
  expect((await playWorld(seed, steps, { plant: null })).failure).toBeNull();
});

it('has cases to play', () => {
  expect(files.length).toBeGreaterThan(0);
});
