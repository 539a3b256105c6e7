// Files that never end; others: test/user-files.test.ts.
import { closeSync, openSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readUserFile } from './user-file.js';

function canOpen(file: string): boolean {
  try {
    closeSync(openSync(file, 'r'));
    return true;
  } catch {
    return false;
  }
}

/** The kernel's log as a file and as a device, which wait for the next line. Root may read them. */
const LOGS = ['/proc/kmsg', '/dev/kmsg'].filter(canOpen);

it.each(LOGS)('%s is refused as a file that never ends', (file) => {
  const read = () => readUserFile(file, { mostBytes: 2 ** 26 });
  expect(read).toThrow(expect.objectContaining({ place: { file } }));
  expect(read).toThrow(/never ends|at most 1 MiB from a device/);
});

it('a file of the kernel that ends is read', () => {
  expect(readUserFile('/proc/self/status', { mostBytes: 2 ** 20 }).toString()).toContain('Pid:');
});
