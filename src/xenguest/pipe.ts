// A pipe between two children of this process, which Node has no call for. Its ends block, as
// libxenguest wants them.
import { closeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { errnoName } from '../base/errors.js';
import { XenguestError } from './xenguest.js';

/** O_CLOEXEC (asm-generic/fcntl.h): the ends go to no child that is not given them. */
const CLOSE_ON_EXEC = 0o2000000;

export interface Pipe {
  readonly readFd: number;
  readonly writeFd: number;
}

/** @throws XenguestError */
export function openPipe(): Pipe {
  // Loaded here: a program that moves no guest needs no native code.
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const pipe2 = koffi.load('libc.so.6').func('int pipe2(void *fds, int flags)');
  const fds = new Int32Array(2);
  if (pipe2(fds, CLOSE_ON_EXEC) !== 0) throw new XenguestError(`xenguest: pipe2: ${errnoName(koffi.errno()) ?? koffi.errno()}`);
  return { readFd: fds[0]!, writeFd: fds[1]! };
}

export function closePipe({ readFd, writeFd }: Pipe): void {
  closeSync(readFd);
  closeSync(writeFd);
}
