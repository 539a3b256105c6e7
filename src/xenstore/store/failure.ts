// The store's refusal of a request, by errno. There is one object per errno, because clients probe
// for absent nodes all the time and capturing a stack for each would cost more than the request.
import type { StoreErrno } from './limits.js';

export class StoreFailure extends Error {
  readonly errno: StoreErrno;
  constructor(errno: StoreErrno) {
    super(errno);
    this.name = 'StoreFailure';
    this.errno = errno;
  }
}

const failures = new Map<StoreErrno, StoreFailure>();

/** @throws StoreFailure always */
export function fail(errno: StoreErrno): never {
  let failure = failures.get(errno);
  if (failure === undefined) {
    failure = new StoreFailure(errno);
    failures.set(errno, failure);
  }
  throw failure;
}
