// Many test files share a process (vitest.config.ts): what one leaves changed, a clock that stands
// still or a directory that is gone, would fail another file that did nothing wrong. Here the file
// that left it fails, and the next one finds the process as it was.
import { afterAll, beforeAll, expect, vi } from 'vitest';
import { removeTemporaryFolders } from './support/temporary.js';

/** What a file may change while it runs, and has to put back. */
const state = () => ({
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
  queueMicrotask: globalThis.queueMicrotask,
  nextTick: process.nextTick,
  Date: globalThis.Date,
  random: Math.random,
  fetch: globalThis.fetch,
  performanceNow: performance.now,
  kill: process.kill,
  exit: process.exit,
  cwd: process.cwd(),
  umask: process.umask(),
  exitCode: process.exitCode,
  environment: { ...process.env },
});

let before: ReturnType<typeof state>;

beforeAll(() => {
  before = state();
});

afterAll(() => {
  removeTemporaryFolders();
  const after = state();
  vi.useRealTimers();
  process.chdir(before.cwd);
  process.umask(before.umask);
  process.exitCode = before.exitCode;
  for (const name of Object.keys(after.environment)) if (!(name in before.environment)) delete process.env[name];
  Object.assign(process.env, before.environment);
  const changed = (Object.keys(before) as (keyof typeof before)[]).filter((key) => key !== 'environment' && after[key] !== before[key]);
  expect(changed, 'left changed by this file for the files after it').toEqual([]);
  expect(after.environment, 'environment variables left changed by this file').toEqual(before.environment);
});
