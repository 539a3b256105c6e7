// The file of users: checked before it is trusted, and replaced as a whole by one writer at a time.
import { constants, existsSync, fstatSync, lstatSync, openSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { InputError } from '../../base/errors.js';
import { FILE_CALLS, type FileCalls, writeAll } from '../../base/file-calls.js';
import { readOpenFile } from '../../base/own-file.js';
import { syncFolder } from '../../base/replace-file.js';
import { storageErrorOf } from '../model/storage.js';
import { parseUsers, type User } from './users.js';

/** A user takes some 150 bytes. */
const MOST_BYTES = 16 * 2 ** 20;
const WAIT_MS = 50;
/** How long a writer waits for another one. */
const LONGEST_WAIT_MS = 10_000;

/**
 * @returns '' when there is no file. @throws InputError for a file that others could have written
 */
export function readUsersFile(file: string): string {
  let fd: number;
  try {
    // A pipe in its place must not make the daemon wait.
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new InputError(`the file of users cannot be read: ${(error as Error).message}`, { file }, 'give it to this user');
  }
  try {
    const { uid, mode } = fstatSync(fd);
    const isFile = (mode & constants.S_IFMT) === constants.S_IFREG;
    if (!isFile) throw new InputError('the file of users is not a regular file', { file }, 'name another file');
    if (uid !== 0 && uid !== process.geteuid!()) {
      throw new InputError(
        `the file of users belongs to user ${uid}, who could change it`,
        { file },
        'give it to this user or to root: chown',
      );
    }
    if ((mode & 0o022) !== 0) {
      throw new InputError('others may write the file of users', { file }, 'chmod go-w');
    }
    return readOpenFile(file, fd, MOST_BYTES).toString('utf8');
  } finally {
    FILE_CALLS.close(fd);
  }
}

/** How a file of users is looked at, as an interface: the simulator has one that fails. */
export interface UsersFileReads {
  exists(file: string): boolean;
  /** Differs once the file, its owner or its mode changed. @throws the error of the file system */
  stamp(file: string): string;
  /** @throws InputError for a file that others could have written */
  read(file: string): string;
}

const READS: UsersFileReads = {
  exists: existsSync,
  stamp(file) {
    const { mtimeMs, ctimeMs, size, ino } = statSync(file);
    return `${mtimeMs} ${ctimeMs} ${size} ${ino}`;
  },
  read: readUsersFile,
};

/**
 * The users of a file that is read again when it, its owner or its mode changes. A file that cannot
 * be read leaves the users as they were, and is tried again at every call.
 * @throws InputError for a file that cannot be used at the start
 */
export function followUsersFile(
  file: string,
  complain: (message: string) => void,
  reads: UsersFileReads = READS,
): () => ReadonlyMap<string, User> {
  if (!reads.exists(file))
    throw new InputError('there is no such file', { file }, 'create one with: xennuma serve passwd USER --file FILE');
  let seen: string;
  try {
    seen = reads.stamp(file);
  } catch (error) {
    throw new InputError(`the file of users cannot be looked at: ${(error as Error).message}`, { file }, 'give it to this user');
  }
  let users = parseUsers(reads.read(file), file);
  if (users.size === 0)
    throw new InputError('there are no users in it', { file }, 'create one with: xennuma serve passwd USER --file FILE');
  let complained = '';
  return () => {
    try {
      const now = reads.stamp(file);
      if (now === seen) return users;
      users = parseUsers(reads.read(file), file);
      seen = now;
      complained = '';
    } catch (error) {
      const message = error instanceof InputError ? error.toString() : String(error);
      if (message !== complained) complain(message);
      complained = message;
    }
    return users;
  };
}

/**
 * Replaces the file by `change(old text)`; a link to it stays. The new file beside it is the lock:
 * it is made only where nothing is, so that no symbolic link is followed, and a second writer
 * waits. A failure leaves the old file.
 * @throws InputError
 */
export async function changeUsersFile(given: string, change: (text: string) => string, files: FileCalls = FILE_CALLS): Promise<void> {
  const file = targetOf(given);
  const fresh = `${file}.new`;
  const fd = await lock(fresh, file, files);
  let open = true;
  try {
    const text = change(readUsersFile(file));
    writeAll(files, fd, Buffer.from(text));
    files.sync(fd);
    open = false;
    files.close(fd);
    files.rename(fresh, file);
  } catch (error) {
    if (open) files.close(fd);
    files.unlink(fresh);
    if (error instanceof InputError) throw error;
    throw new InputError(
      `the file of users was not changed: ${storageErrorOf(error).message}`,
      { file },
      'make room, or choose another file',
    );
  }
  syncFolder(dirname(file), files);
}

function targetOf(file: string): string {
  if (file === '') throw new InputError('expected the name of the file of users, got none', {}, 'name it with --file');
  try {
    return lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ? realpathSync(file) : file;
  } catch (error) {
    throw new InputError(`the file of users cannot be changed: ${storageErrorOf(error).message}`, { file }, 'name another file');
  }
}

async function lock(fresh: string, file: string, files: FileCalls): Promise<number> {
  const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = constants;
  for (let waitedMs = 0; ; waitedMs += WAIT_MS) {
    try {
      return files.open(fresh, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw new InputError(`the file of users cannot be changed: ${storageErrorOf(error).message}`, { file }, 'choose another folder');
      }
      if (waitedMs >= LONGEST_WAIT_MS) {
        throw new InputError(
          `${fresh} exists: another change is in progress, or was killed`,
          { file },
          `remove ${fresh} if none is in progress`,
        );
      }
    }
    await new Promise((done) => setTimeout(done, WAIT_MS));
  }
}
