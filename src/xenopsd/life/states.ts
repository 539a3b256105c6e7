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
// suspend: running -> suspending -> suspended, or as before when a step fails. resume: suspended ->
// resuming -> running, or suspended when a step fails. stop: suspended -> halted.
// `starting`, `stopping`, `suspending` and `resuming` last as long as an operation, which holds the
// VM's lock: no request meets them, but a new process may, after another one died (recovery.ts).
// Manual changes and a new mask do not change the state.
import { InputError } from '../../base/errors.js';
import type { Phase } from '../api/metadata.js';

export type Request =
  | 'start'
  | 'stop'
  | 'reboot'
  | 'migrate'
  | 'pause'
  | 'unpause'
  | 'change'
  | 'remove'
  | 'suspend'
  | 'resume'
  | 'shutdown';

/** The refusal of a request: the text after "VM 'NAME' is STATE", and the fix. */
interface Refusal {
  readonly more: string;
  readonly mend: string;
}

const NOT_RUNNING: Refusal = { more: '', mend: 'start it first' };
const STILL_RUNNING: Refusal = { more: '', mend: 'stop it first' };
const RUNNING_ALREADY: Refusal = { more: ' already', mend: 'stop it first' };

const IS_SUSPENDED: Refusal = { more: '', mend: 'resume it first' };
const PAUSED: Refusal = { more: '', mend: 'unpause it first' };
const NOT_SUSPENDED: Refusal = { more: '', mend: 'only a suspended VM can be resumed' };

const WANTS_A_DOMAIN = { halted: NOT_RUNNING, suspended: IS_SUSPENDED } as const;

const REFUSED: Readonly<Record<Request, Readonly<Partial<Record<Phase, Refusal>>>>> = {
  start: {
    running: RUNNING_ALREADY,
    paused: RUNNING_ALREADY,
    suspended: { more: '', mend: 'resume it, or stop it, which discards its memory' },
  },
  stop: { halted: NOT_RUNNING },
  reboot: WANTS_A_DOMAIN,
  migrate: WANTS_A_DOMAIN,
  pause: { ...WANTS_A_DOMAIN, paused: { more: '', mend: 'only a running VM can be paused' } },
  unpause: { ...WANTS_A_DOMAIN, running: { more: '', mend: 'only a paused VM can be unpaused' } },
  change: WANTS_A_DOMAIN,
  remove: { running: STILL_RUNNING, paused: STILL_RUNNING, suspended: STILL_RUNNING },
  // A paused guest answers nothing.
  shutdown: { ...WANTS_A_DOMAIN, paused: PAUSED },
  suspend: {
    halted: NOT_RUNNING,
    paused: PAUSED,
    suspended: { more: ' already', mend: 'resume it first' },
  },
  resume: { halted: NOT_SUSPENDED, running: NOT_SUSPENDED, paused: NOT_SUSPENDED },
};

/** @throws InputError when a VM in that state cannot do what is requested */
export function admit(request: Request, name: string, phase: Phase): void {
  const refusal = REFUSED[request][phase];
  if (refusal !== undefined) throw new InputError(`VM '${name}' is ${phase}${refusal.more}`, { path: name }, refusal.mend);
}
