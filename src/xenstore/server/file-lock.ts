// One owner of a file: flock on its inode, and without koffi a file beside it that names the
// owner's process.
import { rmSync, writeFileSync } from 'node:fs';
import { isAlive } from '../../base/files/owner-process.js';
import { readRegularFile } from '../../base/own-file.js';
import { libcIfThere } from './libc.js';

/**
 * Takes the lock of an open file until the process ends. @returns false when another process has it
 */
export function lockFile(fd: number, path: string): boolean {
  const system = libcIfThere();
  return system === undefined ? lockByProcess(`${path}.pid`) : system.lock(fd);
}

/** A lock file holds the number of a process. */
const PID_BYTES = 32;

/** Files that go when this process ends. */
const own = new Set<string>();

function removeAtExit(name: string): void {
  // One listener for all: Node warns of more than ten.
  if (own.size === 0) {
    process.once('exit', () => {
      for (const each of own) {
        try {
          rmSync(each, { force: true });
        } catch {
          // The process that it names has ended: the next one takes it.
        }
      }
    });
  }
  own.add(name);
}

function lockByProcess(name: string): boolean {
  for (let tries = 0; tries < 2; tries++) {
    try {
      writeFileSync(name, String(process.pid), { flag: 'wx', mode: 0o600 });
      removeAtExit(name);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const owner = Number(readRegularFile(name, PID_BYTES).toString('latin1'));
      if (owner === process.pid) return true;
      if (isAlive(owner)) return false;
      rmSync(name, { force: true });
    }
  }
  return false;
}
