// Starts of a fleet by a pool's own toolstack: the VM is a clone of a template of the pool, so that
// it has disks and networks, with the size and the nodes of its claim, and VM.start_on starts it.
// XAPI of any release has these calls. The pool has the last word on memory.
import { XapiError } from '../xapi-client/errors.js';
import type { XapiSession } from '../xapi-client/session.js';
import { asMap, asRecord, asText, isNull } from '../xapi-client/values.js';
import { type Settling, settledState } from './settled-state.js';
import { ASKED_KEY, CLAIM_KEY, hasRun, STARTING_KEY } from './start-marks.js';

/** VM.other_config of a template: disks to be made, each with its storage. */
const DISKS = 'disks';
/** VBD.other_config: the disk goes with its VM. */
const OWNER = 'owner';

export interface PoolStart {
  readonly claim: string;
  readonly name: string;
  readonly vcpus: number;
  readonly memoryBytes: number;
  /** CPUs of the claimed nodes. */
  readonly cpus: readonly number[];
}

/**
 * Makes the VM and starts it on that host; one that does not start is gone again, disks included.
 * While the pool does not say whether the VM runs, this waits: started elsewhere too, it would run
 * twice.
 * @param template reference of the template
 * @param host reference of the host
 * @throws XapiError for what the pool refuses, XapiUnreachable when it is known that the VM did not
 *   start
 */
export async function startOn(
  session: XapiSession,
  template: string,
  host: string,
  start: PoolStart,
  settling: Settling = {},
): Promise<void> {
  const vm = asText(await session.call('VM.clone', [template, start.name]));
  try {
    // First of all: a start that breaks off leaves a VM that says so.
    await session.call('VM.add_to_other_config', [vm, STARTING_KEY, 'true']);
    await session.call('VM.add_to_other_config', [vm, CLAIM_KEY, start.claim]);
    await provision(session, vm);
    await resize(session, vm, start);
    await session.call('VM.add_to_other_config', [vm, ASKED_KEY, 'true']);
    await session.call('VM.start_on', [vm, host, false, false]);
  } catch (error) {
    // An answer that was lost on the way says nothing: a VM that runs has been started.
    if ((await settledState(session, vm, settling)) !== 'Running') {
      await destroyWithDisks(session, vm).catch(() => {});
      throw error;
    }
  }
  // The VM runs, whatever becomes of its marks: recoverStarts() takes off what is left of them.
  await unmark(session, vm).catch(() => {});
}

/**
 * The mark that lets recoverStarts() look at the VM goes first: the other one alone does no harm,
 * and the first one alone would call a VM that ran one that never did.
 */
async function unmark(session: XapiSession, vm: string): Promise<void> {
  for (const key of [STARTING_KEY, ASKED_KEY]) await session.call('VM.remove_from_other_config', [vm, key]);
}

/** Disks that name no storage are made in the pool's default one, as by xe vm-install. */
async function provision(session: XapiSession, vm: string): Promise<void> {
  const config = new Map(asMap(await session.call('VM.get_other_config', [vm])));
  const disks = config.get(DISKS);
  if (disks !== undefined) {
    const [pool] = [...(await session.records('pool')).values()];
    const storage = asText(await session.call('SR.get_uuid', [asText(pool?.default_SR)]));
    await session.call('VM.remove_from_other_config', [vm, DISKS]);
    await session.call('VM.add_to_other_config', [vm, DISKS, disks.replace(/\bsr=(""|'')/g, `sr="${storage}"`)]);
  }
  await session.call('VM.provision', [vm]);
}

/** A size between may not have more vCPUs at startup than at most. */
async function resize(session: XapiSession, vm: string, { vcpus, memoryBytes, cpus }: PoolStart): Promise<void> {
  const bytes = String(memoryBytes);
  await session.call('VM.set_memory_limits', [vm, bytes, bytes, bytes, bytes]);
  await session.call('VM.set_VCPUs_at_startup', [vm, '1']);
  await session.call('VM.set_VCPUs_max', [vm, String(vcpus)]);
  await session.call('VM.set_VCPUs_at_startup', [vm, String(vcpus)]);
  await session.call('VM.remove_from_VCPUs_params', [vm, 'mask']);
  // xapi reads single numbers only.
  await session.call('VM.add_to_VCPUs_params', [vm, 'mask', cpus.join(',')]);
}

/** A VM that does not run, and the disks that were made for it. */
async function destroyWithDisks(session: XapiSession, vm: string): Promise<void> {
  const drives = (await session.call('VM.get_VBDs', [vm])) as readonly string[];
  const disks: string[] = [];
  for (const drive of drives) {
    const { other_config: config, VDI } = asRecord(await session.call('VBD.get_record', [drive]));
    if (OWNER in asRecord(config) && !isNull(asText(VDI))) disks.push(asText(VDI));
  }
  await session.call('VM.destroy', [vm]);
  for (const disk of disks) await session.call('VDI.destroy', [disk]);
}

export interface RecoveredStarts {
  /** Names of VMs that were made and never ran: they were destroyed. */
  readonly destroyed: readonly string[];
  /** Names of VMs that are off, and that ran or may have run. */
  readonly kept: readonly string[];
  /** Names of VMs that the pool refused to destroy, or to change, with its reason. */
  readonly failed: readonly string[];
}

/** After a collector that ended during a start: what never ran is destroyed, all else stays. */
export async function recoverStarts(session: XapiSession): Promise<RecoveredStarts> {
  const [destroyed, kept, failed]: [string[], string[], string[]] = [[], [], []];
  for (const [ref, vm] of await session.records('VM')) {
    const marks = asRecord(vm.other_config);
    if (!(STARTING_KEY in marks) || vm.is_a_snapshot === true) continue;
    const [isOff, name] = [vm.power_state === 'Halted', asText(vm.name_label)];
    try {
      if (isOff && !(ASKED_KEY in marks) && !(await hasRunIn(session, asText(vm.metrics)))) {
        await destroyWithDisks(session, ref);
        destroyed.push(name);
        continue;
      }
      await unmark(session, ref);
      if (isOff) kept.push(name);
    } catch (error) {
      if (!(error instanceof XapiError)) throw error;
      failed.push(`${name} (${error.message})`);
    }
  }
  return { destroyed, kept, failed };
}

/** What the pool knows of the VM: a mark may be older than that. */
async function hasRunIn(session: XapiSession, metrics: string): Promise<boolean> {
  const { start_time: start, last_updated: last } = asRecord(await session.call('VM_metrics.get_record', [metrics]));
  return hasRun(asText(start), asText(last));
}

/** @returns the template's reference; null when no template, or several, have the name */
export async function templateNamed(session: XapiSession, name: string): Promise<string | null> {
  const found = [...(await session.records('VM'))].filter(
    ([, vm]) => vm.is_a_template === true && vm.is_a_snapshot !== true && (vm.name_label === name || vm.uuid === name),
  );
  return found.length === 1 ? found[0]![0] : null;
}
