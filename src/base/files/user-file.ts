// The one reader of files that a user names: a file, a pipe, or a device such as a terminal. It is
// bounded in memory, waits for no pipe that nobody writes, and every failure is an InputError that
// names the file. Files of this process's own are read by own-file.ts.
import { closeSync, constants, existsSync, fstatSync, openSync, readSync, realpathSync, type Stats } from 'node:fs';
import { isatty } from 'node:tty';
import { InputError } from '../errors.js';
import { shellWord } from '../shell-word.js';
import { didYouMeanFile } from './near-path.js';

export interface ReadLimit {
  readonly mostBytes: number;
  /** What to do about a file that is longer. */
  readonly mend?: string;
}

const CHECK_FILE = 'check that this is the right file';
/** A device is a terminal, at which nobody types more. Others never end: /dev/zero. */
const DEVICE_BYTES = 2 ** 20;
const CHUNK_BYTES = 65_536;
/** The program that writes a named pipe opens it as soon as it starts. */
const FIRST_WRITER_MS = 5000;
const PAUSE_MS = 10;

const REASONS: Readonly<Record<string, readonly [string, string]>> = {
  ENOENT: ['there is no such file', 'check the path'],
  EISDIR: ['expected a file, got a directory', 'name a file in it'],
  ENOTDIR: ['there is no such file', 'check the path'],
  EACCES: ['this user has no permission to read it', 'check its permissions'],
  ENAMETOOLONG: ['the name is too long', 'check the path'],
  ELOOP: ['its symbolic links form a loop', 'check the links'],
  ENXIO: ['expected a file, got a socket or a device that is not there', 'pipe the text in, and name -'],
  ENODEV: ['expected a file, got a device that is not there', 'check the path'],
};

/** @throws InputError for what is missing, a folder, unreadable, too long, or an idle pipe */
export function readUserFile(file: string, limit: ReadLimit): Buffer {
  if (file === '' || file.includes('\0'))
    throw new InputError('expected the name of a file', { file: JSON.stringify(file) }, 'check the path');
  return orInputError(file, () => {
    const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    try {
      return readOpen(fd, file, limit, isNamed(file) ? FIRST_WRITER_MS : 0);
    } finally {
      closeSync(fd);
    }
  });
}

/** Standard input, to its end. @throws as readUserFile */
export function readStandardInput(name: string, limit: ReadLimit): Buffer {
  return orInputError(name, () => readOpen(0, name, limit, 0));
}

/**
 * A file of a folder whose content nobody has chosen.
 * @returns its first `mostBytes`; null for what is gone, no file, or without data now, as files of
 *   the kernel can be
 * @throws InputError as readUserFile
 */
export function readHead(file: string, mostBytes: number): Buffer | null {
  return orInputError(file, () => {
    let fd: number;
    try {
      fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW | constants.O_NOCTTY);
    } catch (error) {
      if (GONE.has((error as NodeJS.ErrnoException).code)) return null;
      throw error;
    }
    try {
      return fstatSync(fd).isFile() ? readUpTo(fd, mostBytes, CHUNK_BYTES, () => false) : null;
    } catch (error) {
      if (GONE.has((error as NodeJS.ErrnoException).code)) return null;
      throw error;
    } finally {
      closeSync(fd);
    }
  });
}

/** A process that ended has no files in /proc (ESRCH); a link was a file when it was listed. */
const GONE: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ESRCH', 'ELOOP', 'ENXIO', 'ENODEV']);

function readOpen(fd: number, file: string, { mostBytes, mend = CHECK_FILE }: ReadLimit, firstWriterMs: number): Buffer {
  const info = fstatSync(fd);
  if (info.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
  if (info.isFile() && info.size > mostBytes) throw tooLong(file, mostBytes, mend, info.size);
  const most = isDevice(info) ? Math.min(DEVICE_BYTES, mostBytes) : mostBytes;
  // A byte more than it may be, by which a longer one is known.
  const chunkBytes = Math.max(CHUNK_BYTES, info.isFile() ? info.size + 1 : 0);
  const isPatient = patience(info.isFIFO() ? firstWriterMs : 0);
  const waits = info.isFIFO() || info.isSocket() || isatty(fd);
  const bytes = readUpTo(fd, most + 1, chunkBytes, (state) => {
    if (state === 'no data yet' && !waits) throw endless(file);
    return isPatient(state);
  });
  if (bytes === null) {
    throw new InputError(
      `nobody has written to this pipe for ${FIRST_WRITER_MS / 1000} seconds`,
      { file },
      'start the command that writes it first',
    );
  }
  if (bytes.length > most) throw isDevice(info) ? tooLong(file, most, 'name a file', null, ' from a device') : tooLong(file, most, mend);
  return bytes;
}

const isDevice = (info: Stats): boolean => info.isCharacterDevice() || info.isBlockDevice();

/** The ends of `<(...)` have no name, and their writer is there from the start. */
function isNamed(file: string): boolean {
  try {
    return existsSync(realpathSync(file));
  } catch {
    return false;
  }
}

/** What to do about a pipe without data: true = wait, false = there is none to come. */
type Patience = (state: 'no writer' | 'no data yet') => boolean;

/** Waits for a first writer this long, and for the data of a writer for ever, as for a terminal. */
function patience(firstWriterMs: number): Patience {
  const until = performance.now() + firstWriterMs;
  return (state) => state === 'no data yet' || performance.now() < until;
}

/** @returns null when nobody has written, and `isPatient` waits no longer for it */
function readUpTo(fd: number, mostBytes: number, chunkBytes: number, isPatient: Patience): Buffer | null {
  const chunks: Buffer[] = [];
  let [size, hadWriter, waited] = [0, false, false];
  while (size < mostBytes) {
    const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, mostBytes - size));
    const count = readOnce(fd, chunk);
    if (count === null) {
      if (!isPatient('no data yet')) return size === 0 ? null : joined(chunks);
      hadWriter = true;
    } else if (count > 0) {
      size += count;
      // A pipe may give a byte at a time, which must not keep a whole chunk.
      const part = chunk.subarray(0, count);
      chunks.push(2 * count < chunk.length ? Buffer.from(part) : part);
      continue;
    } else {
      if (size > 0 || hadWriter) break;
      // The end, or a pipe that has not been opened for writing.
      if (!isPatient('no writer')) return waited ? null : Buffer.alloc(0);
      waited = true;
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
  }
  return joined(chunks);
}

const joined = (chunks: readonly Buffer[]): Buffer => (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));

/** @returns null when a pipe or terminal has no data yet */
function readOnce(fd: number, chunk: Buffer): number | null {
  try {
    return readSync(fd, chunk);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EOF') return 0;
    if (code === 'EAGAIN') return null;
    throw error;
  }
}

/** A log of the kernel, such as /proc/kmsg: who reads it waits for the next line. */
function endless(file: string): InputError {
  return new InputError('expected a file, got one that never ends', { file }, `copy it first: timeout 5 cat ${shellWord(file)} > COPY`);
}

function tooLong(file: string, mostBytes: number, mend: string, bytes: number | null = null, of = ''): InputError {
  const mib = (count: number) => (count >= 2 ** 20 ? `${Math.ceil(count / 2 ** 20)} MiB` : `${Math.ceil(count / 1024)} KiB`);
  return new InputError(`expected at most ${mib(mostBytes)}${of}, got ${bytes === null ? 'more' : mib(bytes)}`, { file }, mend);
}

function orInputError<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof InputError) throw error;
    const { code = '', message } = error as NodeJS.ErrnoException;
    const [reason, mend] = REASONS[code] ?? [message, 'check the path'];
    throw new InputError(reason, { file }, code === 'ENOENT' ? `${didYouMeanFile(file)}${mend}` : mend);
  }
}
