// A fault injector for everything that writes: the n-th write fails with an errno, or stops
// half-way.
import { FILE_CALLS, type FileCalls } from '../../src/base/file-calls.js';
import type { StateStore, StoredChange } from '../../src/xapi/model/storage.js';

/** 'short': half of it is written, and then there is no more room. */
export const FAULTS = ['ENOSPC', 'EIO', 'EMFILE', 'short'] as const;
export type Fault = (typeof FAULTS)[number];

export class FaultInjector {
  /** Writes so far. */
  writes = 0;
  #from = Number.POSITIVE_INFINITY;
  #until = Number.POSITIVE_INFINITY;
  #fault: Fault = 'EIO';

  /**
   * Writes number `nth` (1 = the next) and, unless it is a single one, all after it fail until
   * heal().
   */
  arm(nth: number, fault: Fault, single = false): void {
    this.writes = 0;
    this.#from = nth;
    this.#until = single ? nth : Number.POSITIVE_INFINITY;
    this.#fault = fault;
  }

  heal(): void {
    this.#from = Number.POSITIVE_INFINITY;
  }

  /** @returns the fault of this write; null = it succeeds */
  next(): Fault | null {
    this.writes++;
    return this.writes >= this.#from && this.writes <= this.#until ? this.#fault : null;
  }

  state(inner: StateStore): StateStore {
    const fail = (fault: Fault): never => {
      throw faultError(fault);
    };
    const half = function* (changes: Iterable<StoredChange>): Iterable<StoredChange> {
      const all = [...changes];
      yield* all.slice(0, Math.ceil(all.length / 2));
      fail('ENOSPC');
    };
    return {
      load: () => inner.load(),
      commit: (changes) => {
        const fault = this.next();
        if (fault === 'short') inner.commit(half(changes));
        else if (fault !== null) fail(fault);
        else inner.commit(changes);
      },
      probe: () => {
        const fault = this.next();
        if (fault !== null) fail(fault);
        inner.probe();
      },
      assertInPlace: () => inner.assertInPlace(),
      domains: () => inner.domains(),
      backup: () => inner.backup(),
      close: () => inner.close(),
    };
  }

  files(inner: FileCalls = FILE_CALLS): FileCalls {
    const maybe = <T>(work: () => T): T => {
      const fault = this.next();
      if (fault !== null) throw faultError(fault);
      return work();
    };
    return {
      ...inner,
      open: (path, flags, mode) => maybe(() => inner.open(path, flags, mode)),
      write: (fd, bytes, position) => {
        const fault = this.next();
        if (fault === 'short' && bytes.length > 1) {
          inner.write(fd, bytes.subarray(0, bytes.length >> 1), position);
          return bytes.length >> 1;
        }
        if (fault !== null) throw faultError(fault);
        return inner.write(fd, bytes, position);
      },
      sync: (fd) => maybe(() => inner.sync(fd)),
      rename: (from, to) => maybe(() => inner.rename(from, to)),
    };
  }
}

export function faultError(fault: Fault): NodeJS.ErrnoException {
  const code = fault === 'short' ? 'ENOSPC' : fault;
  return Object.assign(new Error(`${code}: injected`), { code });
}
