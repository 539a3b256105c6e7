// Tells a process from its children by fork(), at the price of reading a byte: a page that the
// kernel wipes in the child.

import { InputError } from '../../base/errors.js';
import { PAGE_BYTES } from '../../base/units.js';

const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;
/** Linux 4.14 and later. */
const MADV_WIPEONFORK = 18;
const MAP_FAILED = -1;
const HERE = 1;

type Call = (...args: number[]) => number;

/** The calls of the C library that it needs, and a view of the memory that they give. */
export interface GuardCalls {
  readonly mmap: Call;
  readonly madvise: Call;
  readonly munmap: Call;
  view(address: number, sizeBytes: number): ArrayBuffer;
}

export interface ForkGuard {
  /** Address of its page. */
  readonly address: number;
  /**
   * False in a process that was forked from the one that made the guard. Must not be called after
   * `release`.
   */
  isHere(): boolean;
  release(): void;
}

/** @throws InputError where the kernel has no pages that a fork wipes */
export function forkGuard(calls: GuardCalls): ForkGuard {
  const address = calls.mmap(0, PAGE_BYTES, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (address === MAP_FAILED) throw new InputError('no memory for a page that a fork wipes');
  if (calls.madvise(address, PAGE_BYTES, MADV_WIPEONFORK) !== 0) {
    calls.munmap(address, PAGE_BYTES);
    throw new InputError('this kernel has no pages that a fork wipes (MADV_WIPEONFORK)', {}, 'Linux 4.14 or later is needed');
  }
  const page = new Uint8Array(calls.view(address, PAGE_BYTES));
  page[0] = HERE;
  return { address, isHere: () => page[0] === HERE, release: () => void calls.munmap(address, PAGE_BYTES) };
}
