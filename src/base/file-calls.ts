// The file system calls of all code that writes, as an interface. Tests make each call fail in
// turn.
import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  renameSync,
  type Stats,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { withErrnoNames } from './files/errno-names.js';

/** Which file it is: as long as it is open, no other one has this number on its device. */
export interface FileIdentity {
  readonly dev: number;
  readonly ino: number;
}

/** Type and owner of a file. */
export interface FileKind extends FileIdentity {
  readonly isFile: boolean;
  readonly uid: number;
  readonly mode: number;
  /** How many names it has; 0 = it was removed. */
  readonly links: number;
}

export interface FileCalls {
  open(path: string, flags: string | number, mode: number): number;
  /**
   * @returns bytes written, which may be fewer than given; `position` null = at the end of what was
   *   written
   */
  write(fd: number, bytes: Uint8Array, position: number | null): number;
  sync(fd: number): void;
  /** The same without times and the like: what is read again needs no more. */
  dataSync(fd: number): void;
  truncate(fd: number, bytes: number): void;
  /** Bytes in the file. */
  size(fd: number): number;
  kind(fd: number): FileKind;
  /** What a path names now, without following a link; null = nothing. */
  named(path: string): FileKind | null;
  rename(from: string, to: string): void;
  unlink(path: string): void;
  close(fd: number): void;
}

export const FILE_CALLS: FileCalls = withErrnoNames({
  open: (path, flags, mode) => openSync(path, flags, mode),
  write: (fd, bytes, position) => writeSync(fd, bytes, 0, bytes.length, position),
  sync: fsyncSync,
  dataSync: fdatasyncSync,
  truncate: ftruncateSync,
  size: (fd) => fstatSync(fd).size,
  kind: (fd) => kindOf(fstatSync(fd)),
  named: (path) => {
    const there = lstatSync(path, { throwIfNoEntry: false });
    return there === undefined ? null : kindOf(there);
  },
  rename: renameSync,
  unlink: unlinkSync,
  close: closeSync,
} satisfies FileCalls);

function kindOf(stats: Stats): FileKind {
  const { uid, mode, dev, ino, nlink } = stats;
  return { isFile: stats.isFile(), uid, mode, dev, ino, links: nlink };
}

/**
 * Writes all of it, from `position` on: a short write is continued until the rest fails with its
 * reason. @throws the error of the file system
 */
export function writeAll(files: FileCalls, fd: number, bytes: Uint8Array, position: number | null = null): void {
  for (let at = 0; at < bytes.length; ) {
    const written = files.write(fd, bytes.subarray(at), position === null ? null : position + at);
    if (written === 0) throw Object.assign(new Error('write: nothing was written'), { code: 'ENOSPC' });
    at += written;
  }
}
