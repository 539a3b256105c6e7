import { getSystemErrorName } from 'node:util';
import { expect, it } from 'vitest';
import { FILE_CALLS, type FileCalls } from '../file-calls.js';
import { isFull, withErrnoName, withErrnoNames } from './errno-names.js';

/** An error as Node makes it of an errno. */
function systemError(errno: number, syscall: string): Error {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(`${code}: ${code}, ${syscall}`), { errno, code, syscall });
}

it.each([
  [-122, 'EDQUOT', 'EDQUOT: disk quota exceeded, write'],
  [-116, 'ESTALE', 'ESTALE: stale file handle, write'],
  [-28, 'ENOSPC', 'ENOSPC: ENOSPC, write'],
  [-4000, 'Unknown system error -4000', 'Unknown system error -4000: Unknown system error -4000, write'],
])('%s is %s', (errno, code, message) => {
  expect(withErrnoName(systemError(errno, 'write'))).toMatchObject({ code, message, errno });
});

it.each([undefined, null, 'text', new Error('another')])('leaves %s as it is', (error) => {
  expect(withErrnoName(error)).toBe(error);
});

it('the errors of a file system with names, and its answers as they are', () => {
  const calls: FileCalls = {
    ...FILE_CALLS,
    size: () => 5,
    write: () => {
      throw systemError(-122, 'write');
    },
  };
  const named = withErrnoNames(calls);
  expect(named.size(1)).toBe(5);
  expect(() => named.write(1, new Uint8Array(1), null)).toThrow(expect.objectContaining({ code: 'EDQUOT' }));
});

it.each([
  [systemError(-28, 'write'), true],
  [systemError(-122, 'write'), true],
  [systemError(-27, 'write'), true],
  [systemError(-30, 'write'), false],
  [new Error('another'), false],
  [undefined, false],
])('%s: a file could not grow is %s', (error, full) => {
  expect(isFull(error)).toBe(full);
});
