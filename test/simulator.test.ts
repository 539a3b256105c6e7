// The simulator as a process of its own, since it replaces the timers and the clock of the process
// that it runs in: what must hold does, and the same seed gives the same run.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
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
