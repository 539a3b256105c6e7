// The shim of `xennuma agent`: writes and removes it at a path that root names, where a wrong path
// may be a program of the system. Only a file that this module wrote is replaced or removed.
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  rmSync,
  type Stats,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { InputError } from '../../base/errors.js';
import { FILE_CALLS } from '../../base/file-calls.js';
import { isFull, withErrnoName } from '../../base/files/errno-names.js';
import { replaceSharedFile } from '../../base/replace-file.js';
import { harmless } from '../../base/safe-text.js';
import { SOCKET_PATH_BYTES } from '../../base/units.js';

/** The line of packaging/xenguest-shim by which a shim is known. */
const MARK = /^# Written by `xennuma agent --install`/m;
/** The mark stands in the head of the file. */
const HEAD_BYTES = 4096;
/** In a word of the shell, without quotes. */
const PLAIN_PATH = /^\/[\w./+-]+$/;

export interface ShimPaths {
  readonly shim: string;
  readonly builder: string;
  readonly socket: string;
}

/**
 * @param template text of packaging/xenguest-shim
 * @throws InputError for paths that cannot be, for a file at the shim's path that is no shim, and
 *   where it cannot be written
 */
export function installShim(template: string, { shim, builder, socket }: ShimPaths): void {
  checkShimPath(shim);
  checkWord('--builder', builder);
  checkWord('--socket', socket);
  if (Buffer.byteLength(socket) > SOCKET_PATH_BYTES) {
    throw new InputError(`the path of a socket has at most ${SOCKET_PATH_BYTES} bytes`, { file: socket }, 'name a shorter path');
  }
  checkBuilder(builder, shim);
  const script = template.replace('@BUILDER@', builder).replace('@SOCKET@', socket);
  orInputError('written', shim, () => {
    assertShimOrNothing(shim);
    mkdirSync(dirname(shim), { recursive: true });
    replaceSharedFile(shim, new TextEncoder().encode(script), FILE_CALLS, 0o755);
  });
}

/**
 * Removes the shim; none is well too.
 * @throws InputError for a file that is no shim, and where it cannot be removed
 */
export function removeShim(shim: string): void {
  checkShimPath(shim);
  orInputError('removed', shim, () => {
    if (assertShimOrNothing(shim)) rmSync(shim, { force: true });
  });
}

function checkShimPath(shim: string): void {
  if (shim.startsWith('/') && !shim.endsWith('/') && !shim.includes('\0')) return;
  throw new InputError(`--shim: expected a path from / on to a file, got '${harmless(shim)}'`, {}, 'name the file that xenopsd starts');
}

/** A path that the script contains. */
function checkWord(option: string, path: string): void {
  if (!path.startsWith('/')) {
    throw new InputError(`${option}: expected a path from / on, got '${harmless(path)}'`, {}, 'name it from / on');
  }
  if (PLAIN_PATH.test(path)) return;
  throw new InputError(
    `${option}: cannot write the path '${harmless(path)}' into the shim`,
    {},
    'name a path of letters, digits and . _ + - only',
  );
}

function checkBuilder(builder: string, shim: string): void {
  const there = statOf(builder);
  if (there === undefined) {
    throw new InputError(`there is no domain builder ${builder}`, {}, 'run it on a host with xapi, or name its builder with --builder');
  }
  if (realPath(shim) === realPath(builder)) {
    throw new InputError('--shim and --builder name the same file', { file: shim }, 'the shim is a file beside the builder');
  }
  if (!there.isFile() || !canRun(builder)) {
    throw new InputError(`'${builder}' is not a program`, {}, 'name the domain builder with --builder');
  }
  // Two shims that name each other would run for ever.
  if (MARK.test(headOf(builder))) {
    throw new InputError('it is a shim itself', { file: builder }, 'name the real domain builder with --builder');
  }
}

function statOf(builder: string): Stats | undefined {
  try {
    return statSync(builder, { throwIfNoEntry: false });
  } catch (error) {
    const { message } = withErrnoName(error as Error);
    throw new InputError(`the domain builder cannot be looked at: ${message}`, { file: builder }, 'name it with --builder');
  }
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** null = there is no such file */
function realPath(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

/**
 * @returns whether there is a shim
 * @throws InputError for everything else that is there
 */
function assertShimOrNothing(shim: string): boolean {
  const there = lstatSync(shim, { throwIfNoEntry: false });
  if (there === undefined) return false;
  if (there.isFile() && MARK.test(headOf(shim))) return true;
  throw new InputError(
    'it is not a shim that `xennuma agent --install` wrote',
    { file: shim },
    'name another file with --shim, or move away what is there',
  );
}

/** A pipe that was put there meanwhile cannot make it wait. */
function headOf(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(fd).isFile()) return '';
    const head = Buffer.alloc(HEAD_BYTES);
    return head.toString('latin1', 0, readSync(fd, head, 0, HEAD_BYTES, 0));
  } finally {
    closeSync(fd);
  }
}

const MENDS: Readonly<Record<string, string>> = {
  EACCES: 'run it as root',
  EPERM: 'run it as root',
  EROFS: 'name a file on a file system that can be written, with --shim',
};

function orInputError(verb: string, shim: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (error instanceof InputError) throw error;
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw new InputError(
      `cannot be ${verb}: ${message}`,
      { file: shim },
      isFull(error) ? 'make room there' : (MENDS[code] ?? 'check the path'),
    );
  }
}
