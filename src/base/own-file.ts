// Files and folders that belong to one process: they are used only if nobody else could have put
// them there. No symbolic link is followed, and a pipe cannot make the process wait.
import { accessSync, constants, existsSync, lstatSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, normalize } from 'node:path';
import { InputError } from './errors.js';
import { FILE_CALLS, type FileCalls, type FileIdentity, type FileKind } from './file-calls.js';
import { withErrnoName } from './files/errno-names.js';

/** open(2) of what is no regular file: a link, a folder, a pipe or socket without a reader. */
const NO_FILE: ReadonlySet<string | undefined> = new Set(['ELOOP', 'EISDIR', 'ENXIO', 'ENODEV']);

/**
 * Opens a file, or makes it (O_CREAT), private to this user.
 * @throws InputError for what is not a regular file of this user's or root's; the error of the file
 *   system otherwise
 */
export function openOwnFile(path: string, flags: number, files: FileCalls = FILE_CALLS): number {
  return openChecked(path, flags | constants.O_NOFOLLOW, assertOurs, files);
}

function openChecked(path: string, flags: number, check: typeof assertOurs, files: FileCalls): number {
  if (path === '' || path.includes('\0')) throw new InputError('expected the name of a file, got none', {}, 'name a file');
  let fd: number;
  try {
    fd = files.open(path, flags | constants.O_NONBLOCK, 0o600);
  } catch (error) {
    if (!NO_FILE.has((error as NodeJS.ErrnoException).code)) throw error;
    throw refusal(path, 'it is not a regular file', 'name another file');
  }
  try {
    check(path, files.kind(fd));
    return fd;
  } catch (error) {
    files.close(fd);
    throw error;
  }
}

/** @returns null when there is no such file. @throws as openOwnFile and readOpenFile */
export function readOwnFile(path: string, mostBytes: number): Buffer | null {
  let fd: number;
  try {
    fd = openOwnFile(path, constants.O_RDONLY);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return readOpenFile(path, fd, mostBytes);
  } finally {
    FILE_CALLS.close(fd);
  }
}

/**
 * Reads a file whoever owns it; a link to it is followed.
 * @throws InputError for what is not a regular file, or a larger one; the error of the file system
 */
export function readRegularFile(path: string, mostBytes: number): Buffer {
  const fd = openChecked(path, constants.O_RDONLY, assertRegular, FILE_CALLS);
  try {
    return readOpenFile(path, fd, mostBytes);
  } finally {
    FILE_CALLS.close(fd);
  }
}

/**
 * @throws InputError for a file that the disk does not give, or that is larger than what this
 *   process could have written
 */
export function readOpenFile(path: string, fd: number, mostBytes: number, files: FileCalls = FILE_CALLS): Buffer {
  const bytes = files.size(fd);
  if (bytes > mostBytes) {
    throw new InputError(`the file has ${bytes} bytes; expected at most ${mostBytes}`, { file: path }, 'restore it from a copy');
  }
  try {
    return readFileSync(fd);
  } catch (error) {
    throw new InputError(`the file cannot be read: ${withErrnoName(error as Error).message}`, { file: path }, 'restore it from a copy');
  }
}

/** For a file that a library opens by its path. @throws InputError as openOwnFile */
export function checkOwnFile(path: string): void {
  const there = FILE_CALLS.named(path);
  if (there !== null) assertOurs(path, there);
}

/** A file that is open here, and no longer where it was opened: what is written to it is lost. */
export class MovedFileError extends Error {
  override readonly name = 'MovedFileError';
  readonly code = 'ESTALE';

  constructor(path: string) {
    super(`${path} was moved, removed or replaced`);
  }
}

/** @throws MovedFileError when the path no longer names the file */
export function assertInPlace(path: string, { dev, ino }: FileIdentity, files: FileCalls = FILE_CALLS): void {
  let there: FileKind | null = null;
  try {
    there = files.named(path);
  } catch {
    // A folder on the way to it is no folder any more, or is closed to this user.
  }
  if (there === null || there.ino !== ino || there.dev !== dev) throw new MovedFileError(path);
}

/**
 * A folder whose files are trusted. @throws InputError when somebody else could have put files
 * there; the error of the file system when it cannot be looked at
 */
export function checkOwnFolder(path: string): void {
  assertNamed(path);
  // A slash at the end would follow a link.
  const there = lstatSync(plain(path));
  const { uid, mode } = there;
  if (there.isSymbolicLink()) throw refusal(path, 'it is a symbolic link, which could lead elsewhere later', 'name the folder itself');
  if (!there.isDirectory()) throw refusal(path, 'it is not a folder', 'name a folder');
  if (isForeign(uid))
    throw refusal(path, `the folder belongs to user ${uid}, who could change what is in it`, 'give it to this user: chown');
  if ((mode & 0o022) !== 0) throw refusal(path, 'others may write in the folder', 'chmod go-w');
}

/**
 * Makes a folder, private to this user, unless it is there. Not mkdir's own recursion: its error
 * names no reason on a file system that is read-only.
 * @throws InputError as checkOwnFolder; the error of the file system
 */
export function makeOwnFolder(given: string): void {
  assertNamed(given);
  const path = plain(given);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && dirname(path) !== path) {
      makeParents(dirname(path));
      mkdirSync(path, { mode: 0o700 });
    } else if (FILE_CALLS.named(path) === null) throw error;
  }
  checkOwnFolder(path);
}

/**
 * Without `x/..`, whose x need not exist, and as all paths of files in the folder are made; without
 * a slash at its end.
 */
function plain(path: string): string {
  return normalize(path).replace(/(?<=.)\/+$/, '');
}

/** An empty path would be this process's current folder. @throws InputError for it */
export function assertNamed(path: string): void {
  if (path === '' || path.includes('\0')) throw new InputError('expected the path of a folder, got none', {}, 'name a folder');
}

function makeParents(path: string): void {
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeParents(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

/** Why nothing can be written in a folder, as an errno's text; null = it can. */
export function writeFault(folder: string): string | null {
  try {
    accessSync(folder, constants.W_OK);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function assertRegular(path: string, { isFile }: FileKind): void {
  if (!isFile) throw refusal(path, 'it is not a regular file', 'name another file');
}

function assertOurs(path: string, kind: FileKind): void {
  assertRegular(path, kind);
  const { uid, mode, links } = kind;
  if (isForeign(uid)) throw refusal(path, `it belongs to user ${uid}, who could change it`, 'give it to this user: chown');
  if ((mode & 0o022) !== 0) throw refusal(path, 'others may write it', 'chmod go-w');
  if (links > 1) throw refusal(path, `it has ${links} names (hard links), and each would be written`, 'replace it by a copy: cp, mv');
}

function isForeign(uid: number): boolean {
  return uid !== 0 && uid !== process.geteuid!();
}

function refusal(path: string, reason: string, mend: string): InputError {
  return new InputError(reason, { file: path }, mend);
}
