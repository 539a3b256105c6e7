// How an operation failed, as data and in its record.
import { type Errno, errnoName, XenError } from '../../base/errors.js';
import type { FlowRecord } from '../../flow/record.js';
import type { OutcomeFailure } from '../api/outcome.js';
import { errnoOf, StepError } from './start-run.js';

/** undefined for what neither the host nor the toolstack's own steps say: a fault of the program. */
export function failureOf(error: unknown): OutcomeFailure | undefined {
  if (error instanceof StepError) return { step: error.step, message: error.message, errno: errnoOf(error) ?? errnoInText(error.message) };
  if (error instanceof XenError) return { step: error.call, message: error.message, errno: error.errno };
  return undefined;
}

export function noteFailure(record: FlowRecord, error: unknown): void {
  const failure = failureOf(error);
  if (failure !== undefined) record.note('failed', { ...failure });
}

/** "xenguest: xc_vcpu_setaffinity: [22] Invalid argument" holds EINVAL. */
function errnoInText(text: string): Errno | null {
  const number = /\[(\d+)\]/.exec(text)?.[1];
  return number === undefined ? null : (errnoName(Number(number)) ?? null);
}
