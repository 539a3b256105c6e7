// The toolstack's failures as XAPI's codes (xapi/xapi_xenops.ml of xen-api, transform_xenops_exn).
import { PAGE_BYTES } from '../../base/units.js';
import { StateNotKeptError } from '../../xenopsd/api/metadata.js';
import type { Outcome } from '../../xenopsd/api/outcome.js';
import type { Toolstack } from '../../xenopsd/api/toolstack.js';
import { StorageError } from '../model/storage.js';
import { NotStoredError, xapiErrors } from '../wire/errors.js';

/** @throws XapiError for an outcome that failed */
export function throwFailure({ failure }: Outcome, toolstack: Toolstack): void {
  if (failure === null) return;
  if (failure.kind === 'not-enough-memory') {
    // What the client can use now, as xapi says it, and not what was left in the middle of the
    // start.
    throw xapiErrors.notEnoughFreeMemory(failure.neededBytes, toolstack.doors.xc.physInfo().freePages * PAGE_BYTES);
  }
  if (failure.kind === 'state-not-kept') throw new NotStoredError(failure.message);
  throw xapiErrors.internal(`xenopsd internal error: ${failure.step}: ${failure.message}`);
}

/** The reason why storage refused a change; null for every other error. */
export function storageReason(error: unknown): string | null {
  if (error instanceof NotStoredError) return error.reason;
  return error instanceof StorageError || error instanceof StateNotKeptError ? error.message : null;
}
