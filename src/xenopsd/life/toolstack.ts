// The toolstack on one host, whatever stands behind its doors: VMs by name, and their life in the order that xenopsd (or libxl) gives
// it. Boxes of the chart: VM.create and VM.build.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { SCHEDULERS, type SchedulerName } from '../../abi/commands.js';
import { InputError, XenError } from '../../base/errors.js';
import { FlowRecord } from '../../flow/record.js';
import { LIMITS } from '../../machine/model.js';
import type { VmSpec } from '../../machine/vm.js';
import type { HostMap } from '../../map/host-map.js';
import type { HostDoors } from '../api/host-doors.js';
import { MemoryMetadata, type MetadataStore, type Phase } from '../api/metadata.js';
import type { Outcome, OutcomeFailure } from '../api/outcome.js';
import type { PolicyName, ProfileName } from '../api/profiles.js';
import { effectivePolicy, type Profile, profileOf } from '../api/profiles.js';
import type { PlacementBelief, Toolstack, ToolstackOptions, VmState, Warning } from '../api/toolstack.js';
import { snapshotOf } from '../hosts/snapshot.js';
import { failureOf, noteFailure } from '../start/failure.js';
import { noteLanding, pagesByNode } from '../start/landing.js';
import { memoryConfig } from '../start/memory-model.js';
import { NumaState } from '../start/numa-placement.js';
import { type StartRun, StepError } from '../start/start-run.js';
import { removeDomainKeys } from '../start/store-keys.js';
import { OWN_TURN, type Turn, takeTurns } from '../start/turns.js';
import { uuidBytes, uuidOf } from '../start/uuid.js';
import { buildVm } from '../start/vm-build.js';
import { createVm } from '../start/vm-create.js';
import { warningsOf } from '../start/warnings.js';
import { buildVmWithXl } from '../start/xl-build.js';
import { endingOf } from './guest-ending.js';
import { moveToPoolByHand, pinByHand, setNodeAffinityByHand } from './manual.js';

/** How long a destroyed domain may stay before it is left to itself (xen-api, ocaml/xenopsd/xc/domain.ml, destroy: 30 s). */
const DYING_WAIT_MS = 30_000;
const DYING_POLL_MS = 100;

/** Operations that make a domain, or should. */
const BUILDS: readonly Outcome['operation'][] = ['start', 'reboot', 'migrate'];

interface Vm {
  spec: VmSpec;
  readonly uuid: string;
  phase: Phase;
  domid: number | null;
  readonly pending: Set<number>;
  readonly outcomes: Outcome[];
  /** The settings that its domain was built by; null = not known to this process. */
  builtBy: string | null;
}

/**
 * A toolstack with an empty memory of its own but for what `options.metadata` holds. VMs whose process died between two steps of a start
 * or stop are cleaned up here: their domains and keys go, and they are halted.
 * @throws InputError for a policy that the profile has not
 */
export async function createToolstack(doors: HostDoors, options: ToolstackOptions): Promise<Toolstack> {
  const toolstack = new HostToolstack(doors, options);
  await toolstack.recover();
  return toolstack;
}

class HostToolstack implements Toolstack {
  readonly doors: HostDoors;
  readonly #seed: number;
  readonly #metadata: MetadataStore;
  readonly #sleep: (ms: number) => Promise<void>;
  readonly #vms = new Map<string, Vm>();
  #profile: Profile;
  #policy: PolicyName;
  #hostMask: string | undefined;
  #numa: NumaState;
  #rounds = 0;
  /** One operation at a time; only startTogether runs several. */
  #last: Promise<unknown> = Promise.resolve();
  #scheduler: SchedulerName | undefined;

  constructor(doors: HostDoors, options: ToolstackOptions) {
    this.doors = doors;
    this.#seed = options.seed;
    this.#metadata = options.metadata ?? new MemoryMetadata();
    this.#sleep = options.sleep ?? delay;
    this.#profile = profileOf(options.profile);
    effectivePolicy(this.#profile, options.policy);
    this.#policy = options.policy;
    this.#hostMask = options.hostMask;
    this.#numa = new NumaState(this.#profile);
  }

  get profile(): ProfileName {
    return this.#profile.name;
  }

  get policy(): PolicyName {
    return this.#policy;
  }

  /** Takes up what an earlier process left: running VMs are known again, half-done ones are undone. */
  async recover(): Promise<void> {
    for (const { spec, uuid, phase, domid, pending } of await this.#metadata.load()) {
      const vm: Vm = { spec, uuid, phase, domid, pending: new Set(pending), outcomes: [], builtBy: null };
      this.#vms.set(spec.name, vm);
      if (phase === 'starting' || phase === 'stopping') await this.#undo(vm);
    }
    await this.noticeEnded();
  }

  noticeEnded(): Promise<Outcome[]> {
    return this.#exclusively(async () => {
      const outcomes: Outcome[] = [];
      for (const vm of this.#vms.values()) {
        const { domid } = vm;
        if (domid === null) continue;
        const ending = endingOf(this.#isOurs(vm, domid) ? this.doors.xc.domainInfo(domid) : null);
        if (ending === null) continue;
        const record = new FlowRecord(`end of ${vm.spec.name}`);
        record.note('ended', { domid, ending });
        outcomes.push(
          await this.#outcome(vm, 'ended', record, async () => {
            await this.#stop(vm, record);
            return null;
          }),
        );
      }
      return outcomes;
    });
  }

  add(spec: VmSpec): void {
    if (this.#vms.has(spec.name))
      throw new InputError(`there is a VM '${spec.name}' already`, { path: spec.name }, 'give each VM its own name');
    if (this.#vms.size >= LIMITS.domains) throw new InputError(`no more than ${LIMITS.domains} VMs`, { path: spec.name });
    const vm: Vm = {
      spec,
      uuid: spec.uuid ?? this.#newUuid(spec.name),
      phase: 'halted',
      domid: null,
      pending: new Set(),
      outcomes: [],
      builtBy: null,
    };
    this.#vms.set(spec.name, vm);
    void this.#exclusively(() => this.#save(vm));
  }

  /** On the embedded host the same for the same name and seed, so that runs can be compared; one of its own on a real one. */
  #newUuid(name: string): string {
    return this.doors.can.outlivesProcess ? randomUUID() : uuidOf(this.#seed, name);
  }

  remove(name: string): void {
    const vm = this.#vm(name);
    if (vm.phase !== 'halted') throw new InputError(`VM '${name}' is ${vm.phase}`, { path: name }, 'stop it first');
    this.#vms.delete(name);
    void this.#exclusively(() => this.#metadata.remove(name));
  }

  vms(): readonly VmState[] {
    return [...this.#vms.values()].map(stateOf);
  }

  start(name: string): Promise<Outcome> {
    return this.#exclusively(() => this.#start(this.#halted(name), OWN_TURN));
  }

  startTogether(names: readonly string[]): Promise<Outcome[]> {
    return this.#exclusively(async () => {
      if (new Set(names).size !== names.length)
        throw new InputError('a VM is named twice', { path: names.join(', ') }, 'name each VM once');
      const vms = names.map((name) => this.#halted(name));
      // Each round has turns of its own, and all of them follow from the one seed.
      const seed = this.#seed + Math.imul(this.#rounds++, 0x9e3779b1);
      return takeTurns(
        seed,
        vms.map((vm) => (turn: Turn) => this.#start(vm, turn)),
      );
    });
  }

  stop(name: string): Promise<Outcome> {
    return this.#exclusively(async () => {
      const vm = this.#living(name);
      const record = new FlowRecord(`stop ${name}`);
      return this.#outcome(vm, 'stop', record, async () => {
        await this.#stop(vm, record);
        return null;
      });
    });
  }

  reboot(name: string): Promise<Outcome> {
    return this.#exclusively(async () => {
      const vm = this.#living(name);
      const record = new FlowRecord(`reboot ${name}`);
      return this.#outcome(vm, 'reboot', record, async () => {
        await this.#stop(vm, record);
        return this.#boot(vm, record, OWN_TURN);
      });
    });
  }

  migrateLocal(name: string): Promise<Outcome> {
    return this.#exclusively(async () => {
      const vm = this.#living(name);
      const old = vm.domid!;
      const paused = vm.phase === 'paused';
      const record = new FlowRecord(`migrate ${name}`);
      return this.#outcome(vm, 'migrate', record, async () => {
        record.note('migrate', { from: old, pages: [...pagesByNode(this.doors, old)] });
        const domid = await this.#build(vm, record, OWN_TURN);
        await this.#settle(vm, 'stopping', domid, [old]);
        await this.#destroy(vm, old, record);
        if (!paused) this.#unpause(domid);
        await this.#settle(vm, paused ? 'paused' : 'running', domid, []);
        return domid;
      });
    });
  }

  pause(name: string): Promise<Outcome> {
    return this.#change(name, 'pause', async (vm, domid) => {
      if (vm.phase !== 'running') throw new InputError(`VM '${name}' is ${vm.phase}`, { path: name }, 'only a running VM can be paused');
      this.doors.xc.domainPause(domid);
      await this.#settle(vm, 'paused', domid);
    });
  }

  unpause(name: string): Promise<Outcome> {
    return this.#change(name, 'unpause', async (vm, domid) => {
      if (vm.phase !== 'paused') throw new InputError(`VM '${name}' is ${vm.phase}`, { path: name }, 'only a paused VM can be unpaused');
      this.doors.xc.domainUnpause(domid);
      await this.#settle(vm, 'running', domid);
    });
  }

  setMask(name: string, mask: string | null): void {
    const vm = this.#vm(name);
    const { mask: _, ...others } = vm.spec.vcpusParams;
    vm.spec = { ...vm.spec, vcpusParams: mask === null ? others : { ...others, mask } };
    void this.#exclusively(() => this.#save(vm));
  }

  setHostMask(mask: string | null): void {
    this.#hostMask = mask ?? undefined;
  }

  setPolicy(policy: PolicyName): void {
    effectivePolicy(this.#profile, policy);
    this.#policy = policy;
  }

  /** As an upgrade does: xenopsd starts anew, its planner remembers nothing, and running VMs stay as they are. */
  setProfile(name: ProfileName): void {
    const profile = profileOf(name);
    effectivePolicy(profile, this.#policy);
    this.#profile = profile;
    this.#numa = new NumaState(profile);
  }

  setNodeAffinity(name: string, nodes: readonly number[] | 'all'): Promise<Outcome> {
    return this.#change(name, 'node affinity', async (vm, domid, record) => {
      setNodeAffinityByHand({ doors: this.doors, vm: vm.spec, domid, record }, nodes);
    });
  }

  pin(name: string, vcpu: number | 'all', masks: { hard?: readonly number[]; soft?: readonly number[] }): Promise<Outcome> {
    return this.#change(name, 'pin', async (vm, domid, record) => {
      pinByHand({ doors: this.doors, vm: vm.spec, domid, record }, vcpu, masks);
    });
  }

  moveToPool(name: string, pool: number): Promise<Outcome> {
    return this.#change(name, 'move to pool', async (vm, domid, record) => {
      moveToPoolByHand({ doors: this.doors, vm: vm.spec, domid, record }, pool);
    });
  }

  warnings(name: string): readonly Warning[] {
    const vm = this.#vm(name);
    const warnings = warningsOf(vm.spec, this.#profile, this.#policy, this.#hostMask, this.doors.xc);
    const now = this.#settings(vm);
    const { builtBy } = vm;
    if (vm.domid === null || builtBy === null || builtBy === now) return warnings;
    return [...warnings, { code: 'policy-changes-later-builds', values: { builtBy, now } }];
  }

  placement(): PlacementBelief | null {
    const { nodeUsage, availableBytes } = this.#numa;
    return nodeUsage.length === 0 ? null : { nodeUsage: [...nodeUsage], availableBytes: [...availableBytes] };
  }

  snapshot(): HostMap {
    const known = [...this.#vms.values()].flatMap((vm) => (vm.domid === null ? [] : [[vm.domid, vm.spec] as const]));
    return snapshotOf(this.doors, new Map(known));
  }

  settled(): Promise<void> {
    return this.#exclusively(async () => {});
  }

  async #start(vm: Vm, turn: Turn): Promise<Outcome> {
    const record = new FlowRecord(`start ${vm.spec.name}`);
    return this.#outcome(vm, 'start', record, () => this.#boot(vm, record, turn));
  }

  async #boot(vm: Vm, record: FlowRecord, turn: Turn): Promise<number> {
    const domid = await this.#build(vm, record, turn);
    try {
      this.#unpause(domid);
    } catch (error) {
      await this.#undo(vm);
      throw error;
    }
    await this.#settle(vm, 'running', domid, []);
    return domid;
  }

  #unpause(domid: number): void {
    try {
      this.doors.xc.domainUnpause(domid);
    } catch (error) {
      throw new StepError('VM.unpause', error instanceof Error ? error.message : String(error), error);
    }
  }

  /** A domain of the VM, built and paused. On a failure the domain, its keys and its claims are gone before this rejects. */
  async #build(vm: Vm, record: FlowRecord, turn: Turn): Promise<number> {
    const { spec } = vm;
    const numa = this.#numa;
    const before = vm.domid;
    let domid: number | null = null;
    const settings = this.#settings(vm);
    await this.#settle(vm, 'starting', before, []);
    const run: StartRun = {
      vm: spec,
      uuid: vm.uuid,
      profile: this.#profile,
      policy: () => this.#policy,
      hostMask: this.#hostMask,
      doors: this.doors,
      xc: this.doors.xc.withFlow(record),
      record,
      memory: memoryConfig(spec, this.#profile.toolstack),
      step: turn,
      turn,
      scheduler: () => this.#poolScheduler(),
      sleep: this.#sleep,
    };
    try {
      const created = await createVm(run, (made) => {
        domid = made;
        vm.pending.add(made);
      });
      if (run.profile.toolstack === 'libxl') await buildVmWithXl(run, created);
      else await buildVm(run, created, numa);
      noteLanding(this.doors, spec, created.domid, record, true);
      vm.pending.delete(created.domid);
      vm.builtBy = settings;
      return created.domid;
    } catch (error) {
      noteFailure(record, error);
      if (domid !== null) {
        // Known as pending first: its keys must be found again should we die once the domain is gone.
        await this.#save(vm);
        await this.#destroy(vm, domid, record);
      }
      await this.#settle(vm, before === null ? 'halted' : 'running', before, []);
      throw error;
    }
  }

  async #stop(vm: Vm, record: FlowRecord): Promise<void> {
    const domid = vm.domid!;
    await this.#settle(vm, 'stopping', domid, [domid]);
    await this.#destroy(vm, domid, record);
    await this.#settle(vm, 'halted', null, []);
  }

  /** Domain, claim and keys; what is gone already is fine. */
  async #destroy(vm: Vm, domid: number, record: FlowRecord): Promise<void> {
    const { xc, xs } = this.doors;
    const ours = this.#isOurs(vm, domid);
    // Releasing a claim first: a domain that Xen is still taking apart must not hold memory that it will never use.
    if (ours && xc.domainInfo(domid)!.outstandingPages > 0) xc.domainClaimPages(domid, 0);
    if (ours) xc.domainDestroy(domid);
    // Ids are used again: the keys of a domain that came since are not the VM's.
    if (ours || !this.#exists(domid)) {
      await removeDomainKeys(xs, domid, vm.uuid);
      await this.#gone(vm, domid);
    }
    this.#numa.gone(domid);
    vm.pending.delete(domid);
    record.note('destroyed', { domid });
  }

  /** Xen keeps a destroyed domain while others hold pages of it: XenStore and console daemons let go when they notice (xenopsd waits too). */
  async #gone(vm: Vm, domid: number): Promise<void> {
    for (let waitedMs = 0; waitedMs < DYING_WAIT_MS && this.#isOurs(vm, domid); waitedMs += DYING_POLL_MS) await this.#sleep(DYING_POLL_MS);
  }

  /** What a died process left of a VM, or what a failed step did. */
  async #undo(vm: Vm): Promise<void> {
    const record = new FlowRecord(`clean up ${vm.spec.name}`);
    const uuid = uuidBytes(vm.uuid);
    for (const { domid, uuid: handle } of this.doors.xc.domainList()) {
      if (Buffer.compare(uuid, handle) === 0) await this.#destroy(vm, domid, record);
    }
    for (const domid of vm.pending) await this.#destroy(vm, domid, record);
    await this.#settle(vm, 'halted', null, []);
  }

  /** What a build reads and a running domain does not follow. */
  #settings({ spec }: Vm): string {
    const mask = spec.vcpusParams.mask === undefined ? 'no mask' : `mask '${spec.vcpusParams.mask}'`;
    const host = this.#hostMask === undefined ? '' : `, host mask '${this.#hostMask}'`;
    return `${this.#profile.name}, ${this.#policy}, ${mask}${host}`;
  }

  /** Ids are used again: a domain is the VM's only if it carries the VM's uuid. */
  #isOurs(vm: Vm, domid: number): boolean {
    const info = this.doors.xc.domainInfo(domid);
    return info !== null && Buffer.compare(uuidBytes(vm.uuid), info.uuid) === 0;
  }

  #exists(domid: number): boolean {
    return this.doors.xc.domainInfo(domid) !== null;
  }

  async #outcome(vm: Vm, operation: Outcome['operation'], record: FlowRecord, work: () => Promise<number | null>): Promise<Outcome> {
    let failure: OutcomeFailure | null = null;
    let domid: number | null = vm.domid;
    try {
      domid = await work();
    } catch (error) {
      const told = failureOf(error);
      if (told === undefined) throw error;
      failure = told;
      domid = vm.domid;
      if (record.notes('failed').length === 0) noteFailure(record, error);
    }
    const outcome: Outcome = { vm: vm.spec.name, operation, domid, failure, record };
    vm.outcomes.push(outcome);
    if (BUILDS.includes(operation)) {
      const { title, entries } = record;
      await this.#metadata.keepBuild?.(vm.spec.name, { operation, domid, failure, title, entries });
    }
    return outcome;
  }

  #change(name: string, what: string, work: (vm: Vm, domid: number, record: FlowRecord) => Promise<void>): Promise<Outcome> {
    return this.#exclusively(async () => {
      const vm = this.#living(name);
      const domid = vm.domid!;
      const record = new FlowRecord(`${what} ${name}`);
      return this.#outcome(vm, 'change', record, async () => {
        await work(vm, domid, record);
        return domid;
      });
    });
  }

  async #settle(vm: Vm, phase: Phase, domid: number | null, pending?: readonly number[]): Promise<void> {
    vm.phase = phase;
    vm.domid = domid;
    if (pending !== undefined) {
      vm.pending.clear();
      for (const one of pending) vm.pending.add(one);
    }
    await this.#save(vm);
  }

  async #save({ spec, uuid, phase, domid, pending }: Vm): Promise<void> {
    await this.#metadata.save({ spec, uuid, phase, domid, pending: [...pending] });
  }

  #vm(name: string): Vm {
    const vm = this.#vms.get(name);
    if (vm === undefined) throw new InputError(`there is no VM '${name}'`, { path: name }, 'name one of those that were added');
    return vm;
  }

  #halted(name: string): Vm {
    const vm = this.#vm(name);
    if (vm.phase !== 'halted') throw new InputError(`VM '${name}' is ${vm.phase} already`, { path: name }, 'stop it first');
    return vm;
  }

  #living(name: string): Vm {
    const vm = this.#vm(name);
    if (vm.domid === null) throw new InputError(`VM '${name}' is halted`, { path: name }, 'start it first');
    return vm;
  }

  #poolScheduler(): SchedulerName {
    if (this.#scheduler === undefined) {
      const id = this.doors.xc.cpupoolList()[0]?.scheduler;
      const found = Object.entries(SCHEDULERS).find(([, number]) => number === id);
      if (found === undefined) throw new XenError('EOPNOTSUPP', 'cpupool_info', `scheduler ${id} is not known`);
      this.#scheduler = found[0] as SchedulerName;
    }
    return this.#scheduler;
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}

function stateOf(vm: Vm): VmState {
  const { spec, domid, phase, outcomes } = vm;
  return { spec, power: phase === 'paused' ? 'paused' : domid === null ? 'halted' : 'running', domid, outcomes };
}
