// The whole system under random use and faults: what must hold does, the same seed gives the same
// run, and planted faults are found.
import { describe, expect, it } from 'vitest';
import { campaign, playWorld, shrink } from './campaign.js';
import { PLANTS } from './faults.js';

const MINUTES = 60_000;

it.each([1, 2, 3])('3,000 steps of seed %i keep every invariant', { timeout: 5 * MINUTES }, async (seed) => {
  const { steps, failure } = await campaign(seed, 3000, null);
  expect(failure).toBeNull();
  expect(steps).toBe(3000);
});

it('the same seed gives the same run, another one another', { timeout: MINUTES }, async () => {
  const first = await campaign(11, 800, null);
  expect(await campaign(11, 800, null)).toEqual(first);
  expect((await campaign(12, 800, null)).digest).not.toBe(first.digest);
});

describe.each(PLANTS)('planted: %s', (plant) => {
  it('is found within 50,000 steps, and shrunk to a case that still fails', { timeout: 5 * MINUTES }, async () => {
    const { failure } = await campaign(1, 50_000, plant);
    expect(failure).not.toBeNull();
    const shrunk = await shrink(failure!, plant, 40);
    expect(shrunk.steps.length).toBeLessThanOrEqual(failure!.step + 1);
    expect((await playWorld(failure!.seed, shrunk.steps, { plant })).failure?.message).toBe(shrunk.message);
  });
});
