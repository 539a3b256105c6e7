// One run of one VM's start through VM.create and VM.build: the shared data of its steps, and the
// wording of a failed step.
import type { SchedulerName } from '../../abi/commands.js';
import { XenError } from '../../base/errors.js';
import type { FlowRecord } from '../../flow/record.js';
import type { VmSpec } from '../../machine/vm.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';
import type { RestoreArguments } from '../../xenguest/guest-streams.js';
import { XenguestError, type XenguestResult, type XenguestRun } from '../../xenguest/xenguest.js';
import type { HostDoors } from '../api/host-doors.js';
import type { FailureKind } from '../api/outcome.js';
import type { PolicyName, Profile } from '../api/profiles.js';
import type { MemoryConfig } from './memory-model.js';
import type { Turn } from './turns.js';

export type StepName = 'VM.create' | 'VM.build' | 'xenguest' | 'VM.create_device_model' | 'VM.unpause' | 'VM.save' | 'VM.shutdown';

/**
 * Fills the domain with a guest that ran before, in place of a build. @throws XenguestError, or
 * StepError of the side that it comes from
 */
export type RestoreGuest = (args: RestoreArguments, run: XenguestRun) => Promise<XenguestResult>;

export interface StartRun {
  readonly vm: VmSpec;
  readonly uuid: string;
  readonly profile: Profile;
  /** The host's, as it stands when the build reads it. */
  readonly policy: () => PolicyName;
  readonly hostMask: string | undefined;
  readonly doors: HostDoors;
  /** Its calls note themselves in `record`. */
  readonly xc: Xenctrl;
  readonly record: FlowRecord;
  readonly memory: MemoryConfig;
  /**
   * Awaited between steps, with the step's name: the place where others go on, and where a killed
   * process stops.
   */
  readonly step: (name: string) => Promise<void>;
  readonly turn: Turn;
  /** Scheduler of the pool in which domains start. */
  readonly scheduler: () => SchedulerName;
  /** undefined = it boots. */
  readonly restore?: RestoreGuest;
  /** Waits for Xen's scrubber. */
  readonly sleep: (ms: number) => Promise<void>;
}

/** A step that fails as xenopsd words it; `cause` holds what the host answered. */
export class StepError extends Error {
  override readonly name = 'StepError';
  readonly step: StepName;

  readonly kind: FailureKind;

  /** `kind`: which failure it is; by default what the cause says. */
  constructor(step: StepName, message: string, { cause, kind }: { readonly cause?: unknown; readonly kind?: FailureKind } = {}) {
    super(message, { cause });
    this.step = step;
    this.kind = kind ?? { kind: errnoOf(cause) === null ? 'unexpected' : 'refused' };
  }
}

/** "Calling 'domain_max_vcpus 4' failed: ..." (xenopsd's log_reraise). */
export async function calling<T>(what: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StepError) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw new StepError('VM.build', `Calling '${what}' failed: ${text}`, { cause: error });
  }
}

/** The errno behind an error or its cause, if Xen or XenStore gave one. */
export function errnoOf(error: unknown): XenError['errno'] | null {
  if (error instanceof XenError || error instanceof XenguestError) return error.errno;
  return error instanceof Error && error.cause !== undefined ? errnoOf(error.cause) : null;
}
