// The simulator as a process of its own, because it replaces the timers and the clock of its
// process. The invariants hold, and the same seed gives the same run.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { root } from './xennuma.js';

const MINUTES = 60_000;
const kept = mkdtempSync(join(tmpdir(), 'xennuma-simulator-'));
afterAll(() => rmSync(kept, { recursive: true, force: true }));

function simulate(...words: string[]) {
  const { stdout, status } = spawnSync(process.execPath, [join(root, 'dist/simulator.js'), '--keep', kept, ...words], {
    encoding: 'utf8',
  });
  return { status, stdout, digest: /digest (\w+)/.exec(stdout)?.[1] };
}

it.each(['1', '3'])('500 steps of seed %s keep every invariant', { timeout: 5 * MINUTES }, (seed) => {
  const { status, stdout } = simulate('--seed', seed, '--steps', '500');
  expect(stdout).toContain('1 passed, 0 failed');
  expect(status).toBe(0);
});

it('the same seed gives the same run, another one another', { timeout: 5 * MINUTES }, () => {
  const { digest } = simulate('--seed', '11', '--steps', '150');
  expect(digest).toMatch(/^[0-9a-f]{16}$/);
  expect(simulate('--seed', '11', '--steps', '150').digest).toBe(digest);
  expect(simulate('--seed', '12', '--steps', '150').digest).not.toBe(digest);
});

const CASES = join(root, 'fixtures/regressions/simulator');
const cases = readdirSync(CASES);
const plants = ['lost-save', 'leaked-domain', 'wrong-union'];

it.each(cases.filter((name) => name.startsWith('world-')))('%s, which failed once, holds', { timeout: 5 * MINUTES }, (name) => {
  const { status, stdout } = simulate('--replay', join(CASES, name));
  expect(stdout).toContain('all holds');
  expect(status).toBe(0);
});

describe.each(plants)('the planted fault %s', (plant) => {
  const file = join(CASES, `planted-${plant}.json`);

  it('is found within 50,000 steps', { timeout: 10 * MINUTES }, () => {
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
