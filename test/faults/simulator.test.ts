// The simulator as a process of its own, because it replaces the timers and the clock of its
// process. The invariants hold, and the same seed gives the same run.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cases, THOROUGH } from '../support/cases.js';
import { root } from '../xennuma.js';

const MINUTES = 60_000;
const folder = mkdtempSync(join(tmpdir(), 'xennuma-simulator-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function simulate(...words: string[]) {
  const { stdout, status } = spawnSync(process.execPath, [join(root, 'dist/simulator.js'), '--keep', folder, ...words], {
    encoding: 'utf8',
  });
  return { status, stdout, digest: /digest (\w+)/.exec(stdout)?.[1] };
}

it.each(['1', '3'])('some hundred steps of seed %s keep every invariant', { timeout: 5 * MINUTES }, (seed) => {
  const { status, stdout } = simulate('--seed', seed, '--steps', String(cases(200, 500)));
  expect(stdout).toContain('1 passed, 0 failed');
  expect(status).toBe(0);
});

const STEPS = String(cases(50, 150));

it('the same seed gives the same run, another one another', { timeout: 5 * MINUTES }, () => {
  const { digest } = simulate('--seed', '11', '--steps', STEPS);
  expect(digest).toMatch(/^[0-9a-f]{16}$/);
  expect(simulate('--seed', '11', '--steps', STEPS).digest).toBe(digest);
  expect(simulate('--seed', '12', '--steps', STEPS).digest).not.toBe(digest);
});

it.each([
  ['holds', ['--seed', '11', '--steps', '900']],
  ['fails', ['--seed', '5', '--steps', '4000', '--plant', 'lost-save', '--no-shrink']],
])('a run that %s has the same report with three workers as with one', { timeout: 5 * MINUTES }, (_, words) => {
  const report = (...more: string[]) => simulate(...words, ...more).stdout.replace(/[\d.]+ s,/, '');
  const one = report('--workers', '1');
  expect(one).toMatch(/digest [0-9a-f]{16}\n/);
  expect(report('--workers', '3')).toBe(one);
});

const CASES = join(root, 'fixtures/regressions/simulator');
const plants = ['lost-save', 'leaked-domain', 'wrong-union'];

it('every world that failed once holds', { timeout: 10 * MINUTES }, () => {
  const worlds = readdirSync(CASES).filter((name) => name.startsWith('world-'));
  const { status, stdout } = simulate('--replay', ...worlds.map((name) => join(CASES, name)));
  const held = [...stdout.matchAll(/^world (\d+): digest \w+, (.*)$/gm)].map(([, seed, end]) => `world-${seed}.json: ${end}`);
  expect(held).toEqual(worlds.map((name) => `${name}: all holds`));
  expect(status).toBe(0);
});

describe.each(plants)('the planted fault %s', (plant) => {
  const file = join(CASES, `planted-${plant}.json`);

  it.runIf(THOROUGH)('is found within 50,000 steps (npm run test:faults)', { timeout: 10 * MINUTES }, () => {
    const { status, stdout } = simulate('--seed', '5', '--steps', '50000', '--plant', plant, '--no-shrink');
    expect(status).toBe(1);
    expect(stdout).toMatch(/world \d+, step \d+: /);
  });

  it('is found in the run that was kept, and that run holds without it', { timeout: 5 * MINUTES }, () => {
    const { message } = JSON.parse(readFileSync(file, 'utf8')) as { message: string };
    const found = simulate('--replay', file);
    expect(found.status).toBe(1);
    expect(found.stdout).toContain(message.slice(0, 20));
    expect(simulate('--replay', file, '--healthy').status).toBe(0);
  });
});
