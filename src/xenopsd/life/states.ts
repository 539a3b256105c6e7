// The states of a VM, and which request is refused in which of them.
// add remove
// | ^ v
// +---------> halted -------------------------+
// |
// |
//
// start (also the second half of a reboot)
// | v
// | starting -- a step fails: domain destroyed ---> as before (halted, running, paused)
// |
// ^
// |
// +------ migrate: the new domain is built beside the old one --------+
// | v
// |
// running ------------------- pause ------------------> paused
// |
//
//
// <---------------- unpause -------------------
//
//
// |
//
// +-----------------------------------------------|--+------------------+
// |
//
// |
//
// stop, reboot, or the guest went down
// |
// v
// +--------- stopping <--------------------------------------------+
// `starting` and `stopping` last as long as an operation, which holds the VM's lock: no request
// meets them, but a new process may, after another one died (recovery.ts). Manual changes and a new
// mask do not change the state.
import { InputError } from '../../base/errors.js';
import type { Phase } from '../api/metadata.js';

export type Request = 'start' | 'stop' | 'reboot' | 'migrate' | 'pause' | 'unpause' | 'change' | 'remove';

/** The refusal of a request: the text after "VM 'NAME' is STATE", and the fix. */
interface Refusal {
  readonly more: string;
  readonly mend: string;
}

const NOT_RUNNING: Refusal = { more: '', mend: 'start it first' };
const STILL_RUNNING: Refusal = { more: '', mend: 'stop it first' };
const RUNNING_ALREADY: Refusal = { more: ' already', mend: 'stop it first' };

const WANTS_A_DOMAIN = { halted: NOT_RUNNING } as const;

const REFUSED: Readonly<Record<Request, Readonly<Partial<Record<Phase, Refusal>>>>> = {
  start: { running: RUNNING_ALREADY, paused: RUNNING_ALREADY },
  stop: WANTS_A_DOMAIN,
  reboot: WANTS_A_DOMAIN,
  migrate: WANTS_A_DOMAIN,
  pause: { halted: NOT_RUNNING, paused: { more: '', mend: 'only a running VM can be paused' } },
  unpause: { halted: NOT_RUNNING, running: { more: '', mend: 'only a paused VM can be unpaused' } },
  change: WANTS_A_DOMAIN,
  remove: { running: STILL_RUNNING, paused: STILL_RUNNING },
};

/** @throws InputError when a VM in that state cannot do what is requested */
export function admit(request: Request, name: string, phase: Phase): void {
  const refusal = REFUSED[request][phase];
  if (refusal !== undefined) throw new InputError(`VM '${name}' is ${phase}${refusal.more}`, { path: name }, refusal.mend);
}
