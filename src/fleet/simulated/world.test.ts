// The protocol under faults, from seeds: the invariants after every step, and at the end that
// everything is settled. XENNUMA_SEEDS sets how many worlds, XENNUMA_SEED the first.
import { expect, it } from 'vitest';
import { cases } from '../../../test/support/cases.js';
import { World, type WorldOptions } from './world.js';

const SEEDS = Number(process.env.XENNUMA_SEEDS ?? cases(10, 40));
const FIRST = Number(process.env.XENNUMA_SEED ?? 1);
const STEPS = 3000;

function play(options: WorldOptions): World['counts'] {
  const world = new World(options);
  for (let step = 0; step < STEPS; step++) {
    world.step();
    const wrong = world.wrong();
    if (wrong.length > 0) throw new Error(`seed ${options.seed}, step ${step}: ${wrong.join('; ')}`);
  }
  const left = world.settle();
  if (left.length > 0) throw new Error(`seed ${options.seed}, at the end: ${left.join('; ')}`);
  return world.counts;
}

function playAll(options: Omit<WorldOptions, 'seed'>, seeds = SEEDS): World['counts'] {
  const sums = {
    granted: 0,
    left: 0,
    leftStarted: 0,
    refused: 0,
    started: 0,
    freed: 0,
    crashes: 0,
    gaps: 0,
    overtaken: 0,
    noMemory: 0,
    together: 0,
  };
  for (let seed = FIRST; seed < FIRST + seeds; seed++) {
    const counts = play({ ...options, seed });
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += counts[name];
  }
  if (process.env.XENNUMA_SEEDS !== undefined) console.log(JSON.stringify({ seeds, ...sums }));
  return sums;
}

it('no promise is made twice, whatever is lost, late, twice, asleep or dead', () => {
  const { granted, left, leftStarted, refused, started, freed, crashes, gaps, noMemory, together } = playAll({
    placers: 3,
    hosts: 3,
    faults: true,
    localStarts: false,
  });
  for (const count of [granted, left, leftStarted, refused, started, freed, crashes, gaps, together])
    expect(count).toBeGreaterThan(SEEDS / 2);
  // Every start that the owner admitted found its memory.
  expect(noMemory).toBe(0);
}, 600_000);

it('without faults every promise becomes a VM, or its start fails', () => {
  const { granted, started, freed } = playAll({ placers: 2, hosts: 4, faults: false, localStarts: false }, cases(4, 10));
  expect(granted).toBeGreaterThan(15 * cases(4, 10));
  expect(started + freed).toBeGreaterThan(0.9 * granted);
}, 600_000);

it('a host that is used past the fleet never has more than its memory, and refuses', () => {
  const { overtaken, started } = playAll({ placers: 3, hosts: 3, faults: true, localStarts: true }, cases(4, 10));
  expect(started).toBeGreaterThan(0);
  expect(overtaken).toBeGreaterThan(0);
}, 600_000);

it('a claim without a promise that is started unasked is found out', () => {
  expect(() => playAll({ placers: 3, hosts: 3, faults: true, localStarts: false, plant: 'start-unasked' })).toThrow(/seed/);
}, 600_000);

it('a picture that passes over gaps is found out', () => {
  expect(() => playAll({ placers: 3, hosts: 3, faults: true, localStarts: false, plant: 'ignore-gaps' })).toThrow(/seed/);
}, 600_000);
