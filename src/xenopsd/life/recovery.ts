// What a process that died between two steps left of a VM: the operation is completed or undone by
// the state that was committed before, so that no domain, key or claim stays that is no VM's.
import { FlowRecord } from '../../flow/record.js';
import type { HostDoors } from '../api/host-doors.js';
import type { Domains } from './domains.js';
import type { KnownVm, StateChange, VmRegistry } from './registry.js';

const HALTED: StateChange = { phase: 'halted', domid: null, pending: [] };

export interface RecoveryParts {
  readonly doors: HostDoors;
  readonly registry: VmRegistry;
  readonly domains: Domains;
}

/**
 * Takes up what the store holds. What it comes to need not be kept, as on a full disk: the next
 * process comes to the same.
 */
export async function recover(parts: RecoveryParts): Promise<void> {
  for (const vm of await parts.registry.load()) {
    const { phase, pending } = vm.kept;
    if (phase === 'starting') await undoStart(parts, vm);
    else if (phase === 'stopping') await completeStop(parts, vm);
    else if (pending.length > 0) await completeMigration(parts, vm);
    else await followPause(parts, vm);
  }
}

/**
 * Paused or unpaused after the last commit, by an operation that died then or by somebody else:
 * Xen's word counts.
 */
async function followPause({ doors, registry, domains }: RecoveryParts, vm: KnownVm): Promise<void> {
  const { phase, domid } = vm.kept;
  if (domid === null || !domains.isOurs(vm, domid)) return;
  const found = doors.xc.domainInfo(domid)!.paused ? 'paused' : 'running';
  if (found !== phase) await registry.conclude(vm, { phase: found });
}

/** A start leaves nothing; of a migration the old domain goes on. */
async function undoStart({ doors, registry, domains }: RecoveryParts, vm: KnownVm): Promise<void> {
  const old = vm.domid !== null && domains.isOurs(vm, vm.domid) ? vm.domid : null;
  await destroyAll(domains, vm, (domid) => domid !== old);
  if (old === null) await registry.conclude(vm, HALTED);
  else await registry.conclude(vm, { phase: doors.xc.domainInfo(old)!.paused ? 'paused' : 'running', pending: [] });
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
  for (const domid of new Set([...domains.of(vm), ...vm.kept.pending])) if (goes(domid)) await domains.destroy(vm, domid, record);
}
