// How an operation failed, as data and in its record.
import { XenError } from '../../base/errors.js';
import { MIB, PAGE_BYTES } from '../../base/units.js';
import type { FlowRecord } from '../../flow/record.js';
import type { VmSpec } from '../../machine/vm.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';
import { StateNotKeptError } from '../api/metadata.js';
import type { OutcomeFailure } from '../api/outcome.js';
import type { Profile } from '../api/profiles.js';
import { memoryConfig } from './memory-model.js';
import { errnoOf, StepError } from './start-run.js';

/**
 * undefined for what none of the host, its store and the toolstack's own steps says: a fault of the
 * program.
 */
export function failureOf(error: unknown): OutcomeFailure | undefined {
  if (error instanceof StepError) return { step: error.step, message: error.message, errno: errnoOf(error), ...error.kind };
  if (error instanceof XenError) return { step: error.call, message: error.message, errno: error.errno, kind: 'refused' };
  if (error instanceof StateNotKeptError) return { step: 'metadata', message: error.message, errno: null, kind: 'state-not-kept' };
  return undefined;
}

export function noteFailure(record: FlowRecord, error: unknown): void {
  const failure = failureOf(error);
  if (failure === undefined) return;
  const { step, message, errno } = failure;
  record.note('failed', { step, message, errno });
}

/**
 * Xen's ENOMEM in a build, as the shortage that it is: at a claim, or while the guest was
 * populated. What the build needed is what the host must have free for it; call it once nothing of
 * the build is left.
 */
export function withMemoryShortage(error: unknown, vm: VmSpec, { toolstack }: Profile, xc: Xenctrl): unknown {
  if (!(error instanceof StepError) || errnoOf(error) !== 'ENOMEM') return error;
  const neededBytes = memoryConfig(vm, toolstack).requiredHostFreeMib * MIB;
  const freeBytes = xc.physInfo().freePages * PAGE_BYTES;
  return new StepError(error.step, error.message, { cause: error.cause, kind: { kind: 'not-enough-memory', neededBytes, freeBytes } });
}
