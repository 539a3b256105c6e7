// Ownership of a unix socket's file: taken only when it is a socket on which nobody answers.
import { closeSync, constants, fstatSync, lstatSync, readFileSync, rmSync, type Stats, statSync } from 'node:fs';
import { InputError } from '../../base/errors.js';
import { withErrnoName } from '../../base/files/errno-names.js';
import { openOwnFile } from '../../base/own-file.js';
import { SOCKET_PATH_BYTES } from '../../base/units.js';
import { lockFile } from './file-lock.js';
import { libcIfThere } from './libc.js';

const EAGAIN = 11;

/**
 * Descriptors of the lock files, held until the process ends: while one starts at a path, no other
 * does.
 */
const held = new Map<string, number>();

/**
 * Makes way for a socket at a path.
 * @throws InputError when the path is empty or too long, when something else is there, when a
 *   server answers, or when another one is starting
 */
export function claimSocketPath(path: string): void {
  // The kernel would choose a name of its own.
  if (path === '') throw new InputError('expected the path of a socket, got none', {}, 'name a path');
  // Node would cut the path and listen at what is left of it.
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES) {
    throw new InputError(`the path of a socket has at most ${SOCKET_PATH_BYTES} bytes`, { file: path }, 'name a shorter path');
  }
  // Before the lock too, whose file would be left beside what is not ours.
  isDeadSocket(path);
  lock(path);
  if (!isDeadSocket(path)) return;
  try {
    rmSync(path, { force: true });
  } catch (error) {
    throw new InputError(
      `the socket of an earlier server cannot be removed: ${withErrnoName(error as Error).message}`,
      { file: path },
      'name a socket in a folder that may be written',
    );
  }
}

/**
 * @returns whether there is a socket on which nobody answers; false = nothing is there
 * @throws InputError for something else
 */
function isDeadSocket(path: string): boolean {
  let there: Stats | undefined;
  try {
    there = lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    const { message } = withErrnoName(error as Error);
    throw new InputError(`the socket cannot be made: ${message}`, { file: path }, 'name a socket in a folder that may be written');
  }
  if (there !== undefined && !there.isSocket())
    throw new InputError('there is a file that is not a socket', { file: path }, 'name another path, or remove the file');
  if (there === undefined) return false;
  if (answers(path)) throw new InputError('a server answers at this socket', { file: path }, 'end that one first, or name another path');
  return true;
}

/** Whether a server listens at a socket. */
function answers(path: string): boolean {
  const system = libcIfThere();
  if (system !== undefined) {
    const errno = system.connect(path);
    return errno === 0 || errno === EAGAIN;
  }
  // Without a call of our own: the kernel's list of bound sockets; flag 10000 is that of a
  // listening one.
  return readFileSync('/proc/net/unix', 'latin1')
    .split('\n')
    .some((line) => line.endsWith(` ${path}`) && line.split(/\s+/)[3] === '00010000');
}

/** The lock file stays: removing it would let two hold "the" lock, on two inodes. */
function lock(path: string): void {
  if (held.has(path)) return;
  const name = `${path}.lock`;
  let fd: number;
  try {
    fd = openOwnFile(name, constants.O_RDWR | constants.O_CREAT);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(
      `cannot open the lock file: ${withErrnoName(error as Error).message}`,
      { file: name },
      'name a socket in a folder that may be written',
    );
  }
  const same = (): boolean => {
    const [mine, named] = [fstatSync(fd), statSync(name, { throwIfNoEntry: false })];
    return named !== undefined && named.ino === mine.ino && named.dev === mine.dev;
  };
  if (!lockFile(fd, name) || !same()) {
    closeSync(fd);
    throw new InputError('another server holds this socket', { file: path }, 'end that one first, or name another path');
  }
  held.set(path, fd);
}
