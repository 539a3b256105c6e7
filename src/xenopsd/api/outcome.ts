// How one operation on one VM ended.
import type { Errno } from '../../base/errors.js';
import type { FlowRecord } from '../../flow/record.js';

/** How a guest went down; 'gone': somebody else took its domain away. */
export type Ending = 'poweroff' | 'reboot' | 'crash' | 'gone';

export interface Outcome {
  readonly vm: string;
  /** ended: the guest shut itself down, or somebody else took its domain away. */
  readonly operation: 'start' | 'stop' | 'reboot' | 'migrate' | 'change' | 'ended';
  /** null when the domain never came to be, or is gone. */
  readonly domid: number | null;
  readonly failure: OutcomeFailure | null;
  readonly record: FlowRecord;
}

export interface OutcomeFailure {
  /** "VM.create", "VM.build", "xenguest". */
  readonly step: string;
  /** As the real system words it: "xenguest: xc_vcpu_setaffinity: [22] Invalid argument". */
  readonly message: string;
  readonly errno: Errno | null;
}
