// The plan of an evacuation: a host for each VM, and the VMs that cannot leave
// (ocaml/xapi/xapi_host.ml of xen-api e2ee48d6, compute_evacuation_plan_no_wlb; binpack.ml,
// biggest_fit_decreasing).
import { MIB, PAGE_BYTES } from '../../base/units.js';
import { memoryConfig } from '../../xenopsd/start/memory-model.js';
import type { Database } from '../model/database.js';
import type { PoolHosts } from '../model/pool-hosts.js';
import { XapiError, xapiErrors } from '../wire/errors.js';
import type { WireStruct } from '../wire/values.js';
import { operationError } from './allowed.js';
import { keptApart, type Sized } from './anti-affinity.js';
import { antiAffinityGroup } from './membership.js';
import type { VmLife } from './vm-life.js';
import { specOf } from './vm-spec.js';

export interface EvacuationPlan {
  /** The host that each VM goes to. */
  readonly moves: ReadonlyMap<string, string>;
  /** VMs that cannot leave, with the reason. */
  readonly stuck: ReadonlyMap<string, XapiError>;
}

export interface EvacuationParts {
  readonly database: Database;
  readonly hosts: PoolHosts;
  readonly life: VmLife;
}

export function planEvacuation({ database, hosts, life }: EvacuationParts, host: string): EvacuationPlan {
  const vms = [...database.records('VM')].filter(([, vm]) => vm.resident_on === host && vm.is_control_domain !== true);
  const targets = hosts.present(database).filter(({ ref }) => ref !== host && database.get('host', ref).enabled === true);
  const stuck = new Map<string, XapiError>();
  if (targets.length === 0) {
    for (const [ref] of vms) stuck.set(ref, xapiErrors.noHostsForVm(ref));
    return { moves: new Map(), stuck };
  }
  for (const [ref, record] of vms) {
    // A VM that one of the hosts cannot take stays, also where others could take it.
    const reasons = targets.map((target) => reasonOf(() => life.placing.assertCanBoot(ref, target.ref, false)));
    const reason = operationError(ref, record, 'pool_migrate', life.mobilityOf(record)) ?? reasons.find((one) => one !== null) ?? null;
    if (reason !== null) stuck.set(ref, reason);
  }
  const free = targets.map(({ ref, toolstack }) => ({ ref, bytes: toolstack.doors.xc.physInfo().freePages * PAGE_BYTES }));
  const movable = vms.filter(([ref]) => !stuck.has(ref)).map(([ref, record]) => ({ ref, record, bytes: neededBytes(record) }));
  const groups = new Map(movable.map(({ ref, record }) => [ref, antiAffinityGroup(database, record)]));
  const homes = new Map([...groups.values()].map((group) => [String(group?.uuid), group === null ? [] : life.placing.homesOf(group)]));
  const grouped = movable.map((vm) => ({ ...vm, group: groups.get(vm.ref) === null ? null : String(groups.get(vm.ref)!.uuid) }));
  const count = (group: string, on: string) => homes.get(group)!.filter((home) => home === on).length;
  // With one host to go to there is nothing to keep apart.
  const apart = hosts.present(database).length < 3 ? null : keptApart(grouped, free, count, packed);
  const moves = apart ?? packed(movable, free);
  for (const { ref } of movable) if (!moves.has(ref)) stuck.set(ref, new XapiError('HOST_NOT_ENOUGH_FREE_MEMORY', ref));
  return { moves, stuck };
}

/** What the VM takes on its new host, where it gets what it has here. */
function neededBytes(record: WireStruct): number {
  const spec = { ...specOf(record), memoryTargetBytes: Number(record.memory_target) };
  return memoryConfig(spec, 'xenopsd').requiredHostFreeMib * MIB;
}

/** The biggest first, each to the host with the most room. */
function packed(vms: readonly Sized[], hosts: readonly Sized[]): Map<string, string> {
  const most = (a: Sized, b: Sized) => b.bytes - a.bytes;
  const moves = new Map<string, string>();
  let bins = [...hosts].sort(most);
  for (const { ref, bytes } of [...vms].sort(most)) {
    const [first, ...rest] = bins;
    if (first === undefined || first.bytes < bytes) continue;
    moves.set(ref, first.ref);
    bins = [{ ref: first.ref, bytes: first.bytes - bytes }, ...rest].sort(most);
  }
  return moves;
}

function reasonOf(check: () => void): XapiError | null {
  try {
    check();
    return null;
  } catch (error) {
    if (error instanceof XapiError) return error;
    throw error;
  }
}
