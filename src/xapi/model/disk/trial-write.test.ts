// Why SQLite could not write, in the file system's words.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FILE_CALLS, type FileCalls } from '../../../base/file-calls.js';
import { storageErrorOf } from '../storage.js';
import { trialWrite } from './trial-write.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'trial-write-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const failing = (call: keyof FileCalls, errno: number, code: string): FileCalls => ({
  ...FILE_CALLS,
  [call]: () => {
    throw Object.assign(new Error(`${code}, ${call}`), { errno, code, syscall: call });
  },
});

it.each([
  ['open', -28, 'ENOSPC', 'the disk is full (ENOSPC)'],
  // Node has no name for it.
  ['write', -122, 'Unknown system error -122', 'the quota of the disk is used up (EDQUOT)'],
  ['write', -27, 'EFBIG', 'the file may not grow further (EFBIG)'],
  ['sync', -5, 'EIO', 'the disk reports an input/output error (EIO)'],
] as const)('%s that fails with %s (%s)', (call, errno, code, message) => {
  const path = join(folder, 'trial');
  expect(storageErrorOf(trialWrite(path, 0, failing(call, errno, code))).message).toBe(message);
  expect(existsSync(path)).toBe(false);
});

it('a write that works leaves nothing, also where an earlier one was killed', () => {
  const path = join(folder, 'trial');
  writeFileSync(path, 'x');
  expect(trialWrite(path, 1000, FILE_CALLS)).toBeNull();
  expect(existsSync(path)).toBe(false);
});
