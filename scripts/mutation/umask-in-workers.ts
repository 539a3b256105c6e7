// Stryker runs tests in worker threads, where Node has no umask that can be set: the C library has
// one.
import { isMainThread } from 'node:worker_threads';
import koffi from 'koffi';

if (!isMainThread) {
  const set: (mask: number) => number = koffi.load('libc.so.6').func('int umask(int)');
  const read = process.umask;
  process.umask = (mask?: number | string) => (mask === undefined ? read() : set(Number(mask)));
}
