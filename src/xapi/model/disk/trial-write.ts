// Why SQLite could not write: it says "I/O error" of a used-up quota, a limit on the size of files,
// and much else. A small file beside the database meets the same reason, and gets its errno.
import { constants } from 'node:fs';
import { type FileCalls, writeAll } from '../../../base/file-calls.js';

/** As large as what SQLite writes for a small change. */
const TRIAL_BYTES = 65_536;

/**
 * @param path of the trial's own file, which is removed again
 * @param atBytes where the database's file would have grown
 * @returns the file system's error; null = the trial was written
 */
export function trialWrite(path: string, atBytes: number, files: FileCalls): unknown {
  const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = constants;
  let fd: number | null = null;
  let fault: unknown = null;
  try {
    // One that is there was left by a process that was killed.
    if (files.named(path) !== null) files.unlink(path);
    fd = files.open(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600);
    writeAll(files, fd, new Uint8Array(TRIAL_BYTES), atBytes);
    files.sync(fd);
  } catch (error) {
    fault = error;
  }
  if (fd === null) return fault;
  for (const end of [() => files.close(fd), () => files.unlink(path)]) {
    try {
      end();
    } catch (error) {
      fault ??= error;
    }
  }
  return fault;
}
