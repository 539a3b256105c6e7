// Running VMs after a restart of the daemon. The embedded host ended with its process, so its VMs
// are built again where they were. On a real host the domains went on, and the toolstack finds
// them.
import { parseList } from '../../base/bitset.js';
import type { Toolstack } from '../../xenopsd/api/toolstack.js';
import type { Database } from '../model/database.js';
import type { PowerState } from '../model/schema-vm.js';
import type { WireStruct } from '../wire/values.js';
import type { VmLife } from './vm-life.js';
import { specOf } from './vm-spec.js';

export interface Restored {
  readonly running: number;
  /** VMs that could not be built again, or whose domain is gone: now halted. */
  readonly lost: readonly { readonly uuid: string; readonly name: string; readonly reason: string }[];
}

export async function restoreVms(
  database: Database,
  toolstack: Toolstack,
  life: VmLife,
  settings: { readonly policy: Toolstack['policy']; readonly hostMask: string | null },
): Promise<Restored> {
  const lost: { uuid: string; name: string; reason: string }[] = [];
  let running = 0;
  const kept = [...database.records('VM')].sort(([, a], [, b]) => (a.domid as number) - (b.domid as number));
  const { outlivesProcess } = toolstack.doors.can;
  // On an embedded host the masks below decide the place of each VM, not placement or the host's
  // mask.
  if (!outlivesProcess) {
    toolstack.setPolicy('any');
    toolstack.setHostMask(null);
  }
  const known = new Map(toolstack.vms().map((state) => [state.spec.name, state]));
  for (const [ref, record] of kept) {
    database.update('VM', ref, { current_operations: {}, allowed_operations: life.allowedNow(ref) }, 'derived');
    if (record.is_control_domain === true) continue;
    const power = record.power_state as PowerState;
    if (power === 'Running' || power === 'Paused') {
      const reason = outlivesProcess ? find(known, life, ref, record) : await rebuild(toolstack, life, ref, record, power);
      if (reason === null) running++;
      else {
        await life.halted(ref, 'Halted', 'fact');
        lost.push({ uuid: String(record.uuid), name: String(record.name_label), reason });
      }
    } else if ((known.get(String(record.uuid))?.domid ?? null) !== null) {
      // Started, but the daemon was killed before that was stored, so no client knows that it runs.
      await toolstack.discard(String(record.uuid));
      await life.halted(ref, power === 'Suspended' ? 'Suspended' : 'Halted');
    }
    database.update('VM', ref, { allowed_operations: life.allowedNow(ref) }, 'derived');
  }
  // Domains of VMs that were destroyed or never acknowledged.
  for (const state of toolstack.vms()) {
    if (database.findUuid('VM', state.spec.name) !== null) continue;
    if (state.domid !== null) await toolstack.discard(state.spec.name);
    await life.forgetIfStored(state.spec.name);
  }
  toolstack.setPolicy(settings.policy);
  toolstack.setHostMask(settings.hostMask);
  return { running, lost };
}

/**
 * After an operation that failed or that storage refused: brings the host back to what the database
 * says of the VM. A guest of a real host that is gone cannot be brought back; then the database
 * follows.
 */
export async function revertVm(database: Database, toolstack: Toolstack, life: VmLife, ref: string): Promise<void> {
  if (!database.has('VM', ref)) return;
  const record = database.get('VM', ref);
  if (record.is_control_domain === true) return;
  const name = String(record.uuid);
  const power = record.power_state as PowerState;
  const state = toolstack.vms().find(({ spec }) => spec.name === name);
  const domid = state?.domid ?? null;
  if (power !== 'Running' && power !== 'Paused') {
    const stopped = domid === null ? null : await toolstack.discard(name);
    if (stopped === null || stopped.failure === null) await life.forgetIfStored(name);
    // Neither can it be stopped now: then the database says that it runs.
    else life.records.domainBuilt(ref, state!.power === 'paused' ? 'Paused' : 'Running', domid!, 'fact');
    return;
  }
  if (state === undefined || domid === null) {
    const reason = toolstack.doors.can.outlivesProcess ? 'its guest is gone' : await rebuild(toolstack, life, ref, record, power);
    if (reason !== null) await life.halted(ref, 'Halted', 'fact');
    return;
  }
  if (domid !== record.domid) life.records.domainBuilt(ref, power, domid, 'fact');
  await askAgain(database, toolstack, record);
  if (power === 'Paused' && state.power === 'running') await toolstack.pause(name);
  if (power === 'Running' && state.power === 'paused') await toolstack.unpause(name);
}

/** The guest may have been asked for what the database does not say in the end. */
async function askAgain(database: Database, toolstack: Toolstack, record: WireStruct): Promise<void> {
  const { VCPUs_number: vcpus } = database.get('VM_metrics', String(record.metrics));
  const memory = {
    dynamicMinBytes: record.memory_dynamic_min as number,
    dynamicMaxBytes: record.memory_dynamic_max as number,
    targetBytes: record.memory_target as number,
  };
  // A store that refuses this too is no reason to leave the rest of it undone.
  await toolstack.setLive(String(record.uuid), { vcpus: vcpus as number, memory }).catch(() => {});
}

/** @returns the reason why it could not be rebuilt; null if it runs */
async function rebuild(toolstack: Toolstack, life: VmLife, ref: string, record: WireStruct, power: PowerState): Promise<string | null> {
  const spec = specOf(record);
  const placement = life.records.placement(spec.name);
  const pcpus = toolstack.doors.xc.physInfo().maxCpuId + 1;
  const masks = placement?.hard.map((hard, vcpu) => masksOf(hard, placement.soft[vcpu] ?? '', pcpus)) ?? [];
  const anywhere = masks.every(({ both }) => both.length === pcpus);
  const { mask: _, ...others } = spec.vcpusParams;
  const vcpusParams = anywhere ? others : { ...others, mask: masks.map(({ both }) => both.join(',')).join(';') };
  try {
    const outcome = await life.startAs(ref, { ...spec, vcpusParams });
    if (outcome.failure !== null) return outcome.failure.message;
    if (!anywhere) for (const [vcpu, { hard, soft }] of masks.entries()) await toolstack.pin(spec.name, vcpu, { hard, soft });
    if (power === 'Paused') await toolstack.pause(spec.name);
    life.records.domainBuilt(ref, power, outcome.domid!, 'fact');
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

function find(
  known: ReadonlyMap<string, { domid: number | null; power: string }>,
  life: VmLife,
  ref: string,
  record: WireStruct,
): string | null {
  const state = known.get(String(record.uuid));
  if (state === undefined || state.domid === null) return 'its domain is gone';
  life.records.domainBuilt(ref, state.power === 'paused' ? 'Paused' : 'Running', state.domid, 'fact');
  return null;
}
