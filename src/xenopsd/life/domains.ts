// The domains of VMs: made by VM.create and VM.build, and destroyed with their keys and claims.
import { SCHEDULERS, type SchedulerName } from '../../abi/commands.js';
import { XenError } from '../../base/errors.js';
import type { FlowRecord } from '../../flow/record.js';
import type { HostDoors } from '../api/host-doors.js';
import type { Landing } from '../api/outcome.js';
import { createDeviceModel } from '../start/device-model.js';
import { noteLanding } from '../start/landing.js';
import { memoryConfig } from '../start/memory-model.js';
import { type RestoreGuest, type StartRun, StepError } from '../start/start-run.js';
import { removeDomainKeys, removeOnlyKeys } from '../start/store-keys.js';
import type { Turn } from '../start/turns.js';
import { uuidBytes } from '../start/uuid.js';
import { buildVm } from '../start/vm-build.js';
import { createVm } from '../start/vm-create.js';
import { buildVmWithXl } from '../start/xl-build.js';
import { allSteps } from './all-steps.js';
import type { KnownVm } from './registry.js';
import type { HostSettings } from './settings.js';

/**
 * How long a destroyed domain may stay before it is left to itself (xen-api,
 * ocaml/xenopsd/xc/domain.ml, destroy: 30 s).
 */
const DYING_WAIT_MS = 30_000;
const DYING_POLL_MS = 100;

export interface BuildParts {
  readonly record: FlowRecord;
  readonly turn: Turn;
  /** undefined = the guest boots. */
  readonly restore?: RestoreGuest;
  /** Told as soon as there is a domain. */
  readonly made: (domid: number) => void;
}

export interface BuiltDomain {
  readonly domid: number;
  readonly landing: Landing;
  /** undefined = it has no device model. */
  readonly deviceModelPid: number | undefined;
}

export class Domains {
  readonly #doors: HostDoors;
  readonly #settings: HostSettings;
  readonly #sleep: (ms: number) => Promise<void>;
  #scheduler: SchedulerName | undefined;

  constructor(doors: HostDoors, settings: HostSettings, sleep: (ms: number) => Promise<void>) {
    this.#doors = doors;
    this.#settings = settings;
    this.#sleep = sleep;
  }

  /**
   * A new domain of the VM, built and paused.
   * @throws StepError; what there is of the domain is then the caller's to destroy
   */
  async build(vm: KnownVm, { record, turn, restore, made }: BuildParts): Promise<BuiltDomain> {
    const { spec, uuid } = vm;
    const settings = this.#settings;
    const { profile, numa } = settings;
    const run: StartRun = {
      vm: spec,
      uuid,
      profile,
      policy: () => spec.policy ?? settings.policy,
      hostMask: settings.hostMask,
      doors: this.#doors,
      xc: this.#doors.xc.withFlow(record),
      record,
      memory: memoryConfig(spec, profile.toolstack),
      step: turn,
      turn,
      scheduler: () => this.#poolScheduler(),
      sleep: this.#sleep,
      ...(restore === undefined ? {} : { restore }),
    };
    const created = await createVm(run, made);
    if (profile.toolstack === 'libxl') await buildVmWithXl(run, created);
    else await buildVm(run, created, numa);
    const deviceModelPid = await createDeviceModel(run, created.domid);
    return { domid: created.domid, deviceModelPid, landing: noteLanding(this.#doors, spec, created.domid, record, true) };
  }

  /** @throws StepError */
  unpause(domid: number): void {
    try {
      this.#doors.xc.domainUnpause(domid);
    } catch (error) {
      throw new StepError('VM.unpause', error instanceof Error ? error.message : String(error), { cause: error });
    }
  }

  /**
   * For a VM whose metadata may not lead to all of its domains: while one is there, it leads to its
   * keys. RELEASE waits until it is gone, since others let go of it then.
   */
  async destroyFound(vm: KnownVm, domid: number, record: FlowRecord): Promise<void> {
    if (this.isOurs(vm, domid)) await removeOnlyKeys(this.#doors.xs, domid, vm.uuid);
    await this.destroy(vm, domid, record);
  }

  /**
   * Removes domain, claim and keys; parts that are already gone are fine. @throws after all of it
   * what the first step threw that failed
   */
  async destroy(vm: KnownVm, domid: number, record: FlowRecord): Promise<void> {
    const { xc, xs, deviceModel } = this.#doors;
    const ours = this.isOurs(vm, domid);
    let isThere = ours;
    await allSteps(
      async () => deviceModel?.end(domid, vm.uuid),
      // Releasing a claim first: a domain that Xen is still taking apart must not hold memory that
      // it will never use.
      () => {
        if (ours && (xc.domainInfo(domid)?.outstandingPages ?? 0) > 0) xc.domainClaimPages(domid, 0);
      },
      () => {
        if (ours) xc.domainDestroy(domid);
        isThere = false;
      },
      // Ids are used again: the keys of a domain that came since are not the VM's. A domain that is
      // there leads to its keys.
      async () => {
        if (!isThere && (ours || xc.domainInfo(domid) === null)) await removeDomainKeys(xs, domid, vm.uuid);
      },
      async () => {
        if (ours && !isThere) await this.#waitUntilGone(vm, domid);
      },
      () => {
        if (!isThere) this.#settings.numa.gone(domid);
      },
    );
    record.note('destroyed', { domid });
  }

  /** Domids of all domains that carry the VM's uuid, and of those that its device models serve. */
  of(vm: KnownVm): readonly number[] {
    const uuid = uuidBytes(vm.uuid);
    const live = this.#doors.xc.domainList().flatMap(({ domid, uuid: handle }) => (Buffer.compare(uuid, handle) === 0 ? [domid] : []));
    return [...new Set([...live, ...(this.#doors.deviceModel?.domidsOf(vm.uuid) ?? [])])];
  }

  /** The domain's device model is gone, such as killed: its guest waits for devices for ever. */
  lostDeviceModel(vm: KnownVm, domid: number): boolean {
    const { deviceModel } = this.#doors;
    if (vm.kept.deviceModelPid === undefined || deviceModel === undefined) return false;
    return !deviceModel.domidsOf(vm.uuid).includes(domid);
  }

  /** Ids are used again: a domain is the VM's only if it carries the VM's uuid. */
  isOurs(vm: KnownVm, domid: number): boolean {
    const info = this.#doors.xc.domainInfo(domid);
    return info !== null && Buffer.compare(uuidBytes(vm.uuid), info.uuid) === 0;
  }

  /**
   * Xen keeps a destroyed domain while others hold pages of it: the XenStore and console daemons
   * let go when they notice (xenopsd waits too).
   */
  async #waitUntilGone(vm: KnownVm, domid: number): Promise<void> {
    for (let waitedMs = 0; waitedMs < DYING_WAIT_MS && this.isOurs(vm, domid); waitedMs += DYING_POLL_MS) await this.#sleep(DYING_POLL_MS);
  }

  #poolScheduler(): SchedulerName {
    if (this.#scheduler === undefined) {
      const id = this.#doors.xc.cpupoolList()[0]?.scheduler;
      const found = Object.entries(SCHEDULERS).find(([, number]) => number === id);
      if (found === undefined) throw new XenError('EOPNOTSUPP', 'cpupool_info', `scheduler ${id} is not known`);
      this.#scheduler = found[0] as SchedulerName;
    }
    return this.#scheduler;
  }
}
