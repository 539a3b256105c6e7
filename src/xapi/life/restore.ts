// Running VMs after a restart of the daemon. The embedded host ended with its process, so its VMs
// are built again where they were. On a real host the domains went on, and the toolstack finds
// them.
import { parseList } from '../../base/bitset.js';
import type { Outcome } from '../../xenopsd/api/outcome.js';
import type { PolicyName } from '../../xenopsd/api/profiles.js';
import type { Toolstack } from '../../xenopsd/api/toolstack.js';
import type { Database } from '../model/database.js';
import type { PoolHost, PoolHosts } from '../model/pool-hosts.js';
import { EMPTY_MAP, NULL } from '../model/schema-types.js';
import type { PowerState } from '../model/schema-vm.js';
import type { WireStruct } from '../wire/values.js';
import type { UnwantedDomain } from './settlement.js';
import type { VmLife } from './vm-life.js';
import { specOf } from './vm-spec.js';

export interface Restored {
  readonly running: number;
  /** VMs that could not be built again, or whose domain is gone: now halted. */
  readonly lost: readonly { readonly uuid: string; readonly name: string; readonly reason: string }[];
}

interface HostSettings {
  readonly policy: PolicyName;
  readonly hostMask: string | null;
}

/** @param settingsOf what a host's record says */
export async function restoreVms(
  database: Database,
  hosts: PoolHosts,
  life: VmLife,
  settingsOf: (host: string) => HostSettings,
): Promise<Restored> {
  const lost: { uuid: string; name: string; reason: string }[] = [];
  let running = 0;
  const records = [...database.records('VM')].sort(([, a], [, b]) => (a.domid as number) - (b.domid as number));
  // On an embedded host the masks below decide the place of each VM, not placement or the host's
  // mask.
  for (const { toolstack } of hosts.all) {
    if (toolstack.doors.can.outlivesProcess) continue;
    toolstack.setPolicy('any');
    toolstack.setHostMask(null);
  }
  const known = new Map(hosts.all.flatMap(({ toolstack }) => toolstack.vms().map((state) => [state.spec.name, { ...state, toolstack }])));
  for (const [ref, record] of records) {
    // What an earlier process began has ended with it, also where a commit took its traces along.
    const begun = { current_operations: EMPTY_MAP, scheduled_to_be_resident_on: NULL };
    database.update('VM', ref, { ...begun, allowed_operations: life.allowedNow(ref) }, 'derived');
    if (record.is_control_domain === true) continue;
    const power = record.power_state as PowerState;
    const found = known.get(String(record.uuid));
    if (power === 'Running' || power === 'Paused') {
      const host = hosts.find(record.resident_on);
      const reason = await bringBack(life, host, ref, record, found);
      if (reason === null) {
        running++;
        const { toolstack } = host!;
        if (!toolstack.doors.can.outlivesProcess) await pauseAgain(toolstack, record).catch(() => life.settlement.settle(ref));
      } else {
        await life.halted(ref, 'Halted', 'fact');
        lost.push({ uuid: String(record.uuid), name: String(record.name_label), reason });
      }
    } else if (found !== undefined && found.domid !== null) {
      // Started, but the daemon was killed before that was stored, so no client knows that it runs.
      await life.settlement.settle(ref);
    }
    database.update('VM', ref, { allowed_operations: life.allowedNow(ref) }, 'derived');
  }
  for (const { ref, toolstack } of hosts.all) {
    await discardUnknown(database, toolstack, life);
    const { policy, hostMask } = settingsOf(ref);
    toolstack.setPolicy(policy);
    toolstack.setHostMask(hostMask);
  }
  return { running, lost };
}

/** Domains of VMs that were destroyed or never acknowledged. */
async function discardUnknown(database: Database, toolstack: Toolstack, life: VmLife): Promise<void> {
  for (const state of toolstack.vms()) {
    if (database.findUuid('VM', state.spec.name) !== null) continue;
    await life.settlement.dropStray(state.spec.name);
  }
}

/** @returns the reason why the VM does not run any more; null if it does */
async function bringBack(
  life: VmLife,
  host: PoolHost | null,
  ref: string,
  record: WireStruct,
  found: { domid: number | null; power: string } | undefined,
): Promise<string | null> {
  if (host === null) return 'its host has left the pool';
  if (!host.toolstack.doors.can.outlivesProcess) return rebuild(host, life, ref, record, record.power_state as PowerState);
  if (found === undefined || found.domid === null) return 'its domain is gone';
  life.records.domainBuilt(ref, found.power === 'paused' ? 'Paused' : 'Running', found.domid, host, 'fact');
  return null;
}

/**
 * After an operation that failed or that storage refused: brings the host back to what the database
 * says of the VM. A guest of a real host that is gone cannot be brought back; then the database
 * follows.
 * @returns the domain that could not be stopped now; null = there is none
 * @throws Error with what the host refused: it is to be tried again
 */
export async function revertVm(database: Database, hosts: PoolHosts, life: VmLife, ref: string): Promise<UnwantedDomain | null> {
  if (!database.has('VM', ref)) return null;
  const record = database.get('VM', ref);
  if (record.is_control_domain === true) return null;
  const power = record.power_state as PowerState;
  const own = hosts.find(record.resident_on);
  let unwanted: UnwantedDomain | null = null;
  // Those of a start that failed, and on the way to another host.
  for (const host of hosts.all) if (host !== own) unwanted = (await removeDomain(life, host, ref, record)) ?? unwanted;
  if (own === null) return unwanted;
  const { toolstack } = own;
  const name = String(record.uuid);
  const state = toolstack.vms().find(({ spec }) => spec.name === name);
  const domid = state?.domid ?? null;
  if (state === undefined || domid === null) {
    const reason = toolstack.doors.can.outlivesProcess ? 'its guest is gone' : await rebuild(own, life, ref, record, power);
    if (reason !== null) await life.halted(ref, 'Halted', 'fact');
    else await pauseAgain(toolstack, record);
    return null;
  }
  if (domid !== record.domid) life.records.domainBuilt(ref, power, domid, own, 'fact');
  // What is refused of one of them is no reason to leave the other undone.
  const results = await Promise.allSettled([askAgain(database, toolstack, record), pauseAgain(toolstack, record)]);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return null;
}

/** @throws Error with the host's refusal */
async function pauseAgain(toolstack: Toolstack, { uuid, power_state: power }: WireStruct): Promise<void> {
  const name = String(uuid);
  const now = toolstack.vms().find(({ spec }) => spec.name === name)?.power;
  let outcome: Outcome | null = null;
  if (power === 'Paused' && now === 'running') outcome = await toolstack.pause(name);
  if (power === 'Running' && now === 'paused') outcome = await toolstack.unpause(name);
  const failure = outcome?.failure ?? null;
  if (failure !== null) throw new Error(failure.message);
}

/**
 * On a host where the VM does not run.
 * @returns the domain that could not be stopped now, of a VM that runs nowhere
 * @throws Error for such a domain of a VM that runs elsewhere
 */
async function removeDomain(life: VmLife, host: PoolHost, ref: string, record: WireStruct): Promise<UnwantedDomain | null> {
  const { toolstack } = host;
  const name = String(record.uuid);
  const state = toolstack.vms().find(({ spec }) => spec.name === name);
  const domid = state?.domid ?? null;
  const stopped = domid === null ? null : await toolstack.discard(name);
  if (stopped === null || stopped.failure === null) {
    await life.forgetIfStored(name);
    return null;
  }
  const power = record.power_state as PowerState;
  if (power === 'Running' || power === 'Paused') throw new Error(stopped.failure.message);
  // Neither can it be stopped now: the database says that it runs, until it is.
  life.records.domainBuilt(ref, state!.power === 'paused' ? 'Paused' : 'Running', domid!, host, 'fact');
  return { domid: domid!, into: power };
}

/**
 * The guest may have been asked for what the database does not say in the end.
 * @throws Error with the host's refusal
 */
async function askAgain(database: Database, toolstack: Toolstack, record: WireStruct): Promise<void> {
  const { VCPUs_number: vcpus } = database.get('VM_metrics', String(record.metrics));
  const memory = {
    dynamicMinBytes: record.memory_dynamic_min as number,
    dynamicMaxBytes: record.memory_dynamic_max as number,
    targetBytes: record.memory_target as number,
  };
  await toolstack.setLive(String(record.uuid), { vcpus: vcpus as number, memory });
}

/**
 * Leaves the VM running, not paused.
 * @returns the reason why it could not be rebuilt; null if it runs
 */
async function rebuild(host: PoolHost, life: VmLife, ref: string, record: WireStruct, power: PowerState): Promise<string | null> {
  const { toolstack } = host;
  // Its masks decide where it was, not a policy.
  const { policy: _policy, ...spec } = specOf(record);
  const placement = life.records.placement(spec.name);
  const pcpus = toolstack.doors.xc.physInfo().maxCpuId + 1;
  const masks = placement?.hard.map((hard, vcpu) => masksOf(hard, placement.soft[vcpu] ?? '', pcpus)) ?? [];
  const anywhere = masks.every(({ both }) => both.length === pcpus);
  const { mask: _, ...others } = spec.vcpusParams;
  const vcpusParams = anywhere ? others : { ...others, mask: masks.map(({ both }) => both.join(',')).join(';') };
  try {
    const outcome = await life.startAs(ref, host.ref, { ...spec, vcpusParams });
    if (outcome.failure !== null) return outcome.failure.message;
    if (!anywhere) for (const [vcpu, { hard, soft }] of masks.entries()) await life.pin(ref, host.ref, vcpu, { hard, soft });
    life.records.domainBuilt(ref, power, outcome.domid!, host, 'fact');
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function masksOf(hardList: string, softList: string, pcpus: number): { hard: number[]; soft: number[]; both: number[] } {
  const read = (list: string) => {
    try {
      return parseList(list, pcpus).toArray();
    } catch {
      // CPUs that this host has no more.
      return Array.from({ length: pcpus }, (_, cpu) => cpu);
    }
  };
  const [hard, soft] = [read(hardList), read(softList)];
  const preferred = hard.filter((cpu) => soft.includes(cpu));
  return { hard, soft, both: preferred.length > 0 ? preferred : hard };
}
