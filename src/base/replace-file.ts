// The safe replacement of a file: at any moment either the old or the whole new file is there, and
// no symbolic link is followed.
import { constants, lstatSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type FileCalls, writeAll } from './file-calls.js';
import { isAlive } from './files/owner-process.js';

/**
 * For a file that only one process writes.
 * @param mode of the new file, less the process's umask
 * @throws the error of the file system; the old file stays then
 */
export function replaceFile(path: string, bytes: Uint8Array, files: FileCalls, mode = 0o600): void {
  replaceBy(`${path}.new`, path, bytes, files, mode);
}

/** The same for a file that several processes may write at once: the last one counts. */
export function replaceSharedFile(path: string, bytes: Uint8Array, files: FileCalls, mode = 0o600): void {
  removeLeft(path, files);
  replaceBy(`${path}.${process.pid}.new`, path, bytes, files, mode);
}

/** A process that writes for longer than this without a change of the file has been killed. */
const LEFT_MS = 60_000;

/**
 * New files that killed processes left beside the path. A failure here is no failure of the change.
 */
function removeLeft(path: string, files: FileCalls): void {
  const [folder, start] = [dirname(path), `${basename(path)}.`];
  try {
    for (const name of readdirSync(folder)) {
      const pid = name.startsWith(start) ? /^(\d+)\.new$/.exec(name.slice(start.length))?.[1] : undefined;
      if (pid === undefined || isAlive(Number(pid))) continue;
      const left = join(folder, name);
      if (Date.now() - lstatSync(left).mtimeMs > LEFT_MS) files.unlink(left);
    }
  } catch {
    // They are in nobody's way.
  }
}

function replaceBy(fresh: string, path: string, bytes: Uint8Array, files: FileCalls, mode: number): void {
  // One that is there was left by a process that was killed.
  remove(fresh, files);
  const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = constants;
  const fd = files.open(fresh, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, mode);
  try {
    try {
      writeAll(files, fd, bytes);
      files.sync(fd);
    } finally {
      files.close(fd);
    }
    files.rename(fresh, path);
  } catch (error) {
    remove(fresh, files);
    throw error;
  }
  syncFolder(dirname(path), files);
}

/**
 * The rename is durable when its folder is. The file is in its place already: a failure here is no
 * failure of the change.
 */
export function syncFolder(folder: string, files: FileCalls): void {
  try {
    const fd = files.open(folder, 'r', 0);
    try {
      files.sync(fd);
    } finally {
      files.close(fd);
    }
  } catch {
    // Nothing to undo.
  }
}

function remove(path: string, files: FileCalls): void {
  try {
    files.unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
