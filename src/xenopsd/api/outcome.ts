// The outcome of one operation on one VM, and for a failure its kind, in fields. No code needs to
// parse the record or a message.
import type { Errno } from '../../base/errors.js';
import type { FlowRecord } from '../../flow/record.js';

/** How a guest ended; 'gone': another tool destroyed its domain. */
export type Ending = 'poweroff' | 'reboot' | 'crash' | 'gone';

/** ended: the guest shut itself down, or another tool destroyed its domain. */
export type OutcomeOperation = 'start' | 'stop' | 'reboot' | 'migrate' | 'suspend' | 'resume' | 'change' | 'ended';

export interface Outcome {
  readonly vm: string;
  readonly operation: OutcomeOperation;
  /** null when the domain never came to be, or is gone. */
  readonly domid: number | null;
  readonly failure: OutcomeFailure | null;
  /** For operation 'ended' only, otherwise null. */
  readonly ending: Ending | null;
  /** Where the memory lies that the operation populated; null when it populated none. */
  readonly landing: Landing | null;
  readonly record: FlowRecord;
}

export interface Landing {
  /** 4 KiB pages, index = node. */
  readonly pages: readonly number[];
  readonly nodeAffinity: readonly number[];
}

export type OutcomeFailure = FailureText & FailureKind;

export interface FailureText {
  /** "VM.create", "VM.build", "xenguest". */
  readonly step: string;
  /** As the real system words it: "xenguest: xc_vcpu_setaffinity: [22] Invalid argument". */
  readonly message: string;
  /** The errno of Xen or XenStore, if one of them refused. */
  readonly errno: Errno | null;
}

export type FailureKind =
  /**
   * The whole host has too little: seen before anything was taken, at a claim, or while the guest
   * was populated.
   */
  | { readonly kind: 'not-enough-memory'; readonly neededBytes: number; readonly freeBytes: number }
  /** A real host cannot load what the VM boots, or it does not say what that is. */
  | { readonly kind: 'not-bootable' }
  /** Xen or XenStore answered with `errno`. */
  | { readonly kind: 'refused' }
  /** The domain builder gave up, or died. */
  | { readonly kind: 'builder' }
  /** The metadata store failed, as on a full disk: what the operation did is undone. */
  | { readonly kind: 'state-not-kept' }
  /** Anything else that broke a step, such as a connection that was lost. */
  | { readonly kind: 'unexpected' };

export const FAILURE_KINDS = [
  'not-enough-memory',
  'not-bootable',
  'refused',
  'builder',
  'state-not-kept',
  'unexpected',
] as const satisfies readonly FailureKind['kind'][];
