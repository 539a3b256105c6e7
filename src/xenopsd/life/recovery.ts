// What a process that died between two steps left of a VM: the operation is completed or undone by
// the state that was committed before, so that no domain, key or claim stays that is no VM's.
import { FlowRecord } from '../../flow/record.js';
import type { HostDoors } from '../api/host-doors.js';
import { failureOf } from '../start/failure.js';
import { allSteps } from './all-steps.js';
import type { Domains } from './domains.js';
import type { GuestMemory } from './guest-memory.js';
import type { KnownVm, StateChange, VmRegistry } from './registry.js';

const HALTED: StateChange = { phase: 'halted', domid: null, pending: [] };
/** Phases of an operation. */
const UNFINISHED: ReadonlySet<string> = new Set(['starting', 'stopping', 'suspending', 'resuming']);

export interface RecoveryParts {
  readonly doors: HostDoors;
  readonly registry: VmRegistry;
  readonly domains: Domains;
  readonly memory: GuestMemory;
}

/**
 * Takes up what the store holds. What it comes to need not be kept, as on a full disk: the next
 * process comes to the same. A host that refuses a step, such as to destroy a domain, keeps no
 * other VM from being taken up.
 * @returns the VMs whose operation could be neither completed nor undone, or whose domain could not
 *   be looked at: to be tried again
 */
export async function recover(parts: RecoveryParts): Promise<Set<KnownVm>> {
  const left = new Set<KnownVm>();
  for (const vm of await parts.registry.load()) {
    try {
      if (isUnfinished(vm)) await finish(parts, vm);
      else await followPause(parts, vm);
    } catch (error) {
      if (failureOf(error) === undefined) throw error;
      left.add(vm);
    }
  }
  return left;
}

/** Whether an operation on the VM left something; under the VM's lock, none is under way. */
export function isUnfinished({ kept: { phase, pending } }: KnownVm): boolean {
  return UNFINISHED.has(phase) || pending.length > 0;
}

/**
 * Completes or undoes the operation that left something.
 * @throws XenError, StepError what the host refuses; the VM is then as before
 */
export async function finish(parts: RecoveryParts, vm: KnownVm): Promise<void> {
  const { phase } = vm.kept;
  if (phase === 'starting') await undoStart(parts, vm);
  else if (phase === 'stopping') await completeStop(parts, vm);
  else if (phase === 'suspending') await undoSuspend(parts, vm);
  else if (phase === 'resuming') await undoResume(parts, vm);
  else await completeMigration(parts, vm);
}

/**
 * Paused or unpaused after the last commit, by an operation that died then or by somebody else:
 * Xen's word counts.
 * @throws XenError what the host refuses
 */
export async function followPause({ doors, registry, domains }: RecoveryParts, vm: KnownVm): Promise<void> {
  const { phase, domid } = vm.kept;
  if (domid === null || !domains.isOurs(vm, domid)) return;
  const found = doors.xc.domainInfo(domid)!.paused ? 'paused' : 'running';
  if (found !== phase) await registry.conclude(vm, { phase: found });
}

/** A start leaves nothing; of a migration the old domain goes on. */
async function undoStart(parts: RecoveryParts, vm: KnownVm): Promise<void> {
  const { domains, registry } = parts;
  const old = vm.domid !== null && domains.isOurs(vm, vm.domid) ? vm.domid : null;
  await destroyAll(domains, vm, (domid) => domid !== old);
  if (old === null) await registry.conclude(vm, HALTED);
  else await goesOn(parts, vm, old);
}

/** The guest goes on in its domain; what there is of its file goes. */
async function undoSuspend(parts: RecoveryParts, vm: KnownVm): Promise<void> {
  const { domains, memory } = parts;
  const domid = vm.domid!;
  await allSteps(
    () => memory.forget(vm),
    () => (domains.isOurs(vm, domid) ? goesOn(parts, vm, domid) : completeStop(parts, vm)),
  );
}

/** Its file is there until its domain runs. */
async function undoResume({ registry, domains }: RecoveryParts, vm: KnownVm): Promise<void> {
  await destroyAll(domains, vm, () => true);
  await registry.conclude(vm, { phase: 'suspended', domid: null, pending: [] });
}

/** In a domain that its guest may have suspended; one that cannot be woken is tried again later. */
async function goesOn({ doors, registry, memory }: RecoveryParts, vm: KnownVm, domid: number): Promise<void> {
  const goesOn = await memory.callOff(vm, domid, new FlowRecord(`clean up ${vm.name}`));
  if (goesOn) await registry.conclude(vm, { phase: doors.xc.domainInfo(domid)!.paused ? 'paused' : 'running', pending: [] });
}

async function completeStop({ registry, domains }: RecoveryParts, vm: KnownVm): Promise<void> {
  await destroyAll(domains, vm, () => true);
  await registry.conclude(vm, HALTED);
}

/**
 * The new domain is the VM's already; the old one goes, and then the new one runs unless the VM was
 * paused.
 */
async function completeMigration({ doors, registry, domains }: RecoveryParts, vm: KnownVm): Promise<void> {
  const { phase, domid } = vm.kept;
  await destroyAll(domains, vm, (one) => one !== domid);
  if (phase === 'running' && domid !== null && domains.isOurs(vm, domid) && doors.xc.domainInfo(domid)!.paused) domains.unpause(domid);
  await registry.conclude(vm, { pending: [] });
}

async function destroyAll(domains: Domains, vm: KnownVm, goes: (domid: number) => boolean): Promise<void> {
  const record = new FlowRecord(`clean up ${vm.name}`);
  const going = [...new Set([...domains.of(vm), ...vm.kept.pending])].filter(goes);
  await allSteps(...going.map((domid) => () => domains.destroyFound(vm, domid, record)));
}
