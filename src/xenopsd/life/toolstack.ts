// The toolstack on one host, whatever stands behind its doors: each request under the lock of its
// VM, done by operations.ts.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { InputError } from '../../base/errors.js';
import type { VmSpec } from '../../machine/vm.js';
import type { HostMap } from '../../map/host-map.js';
import type { HostDoors } from '../api/host-doors.js';
import { MemoryMetadata } from '../api/metadata.js';
import type { Ending, Outcome } from '../api/outcome.js';
import type { PolicyName, ProfileName } from '../api/profiles.js';
import type { PlacementBelief, Toolstack, ToolstackOptions, VmState, Warning } from '../api/toolstack.js';
import { snapshotOf } from '../hosts/snapshot.js';
import { type LiveKeys, writeLiveKeys } from '../start/store-keys.js';
import { OWN_TURN, type Turn, takeTurns } from '../start/turns.js';
import { uuidOf } from '../start/uuid.js';
import { warningsOf } from '../start/warnings.js';
import { Domains } from './domains.js';
import { endingOf } from './guest-ending.js';
import { GuestMemory } from './guest-memory.js';
import { GuestRequests } from './guest-requests.js';
import { VmLocks } from './locks.js';
import { moveToPoolManually, pinManually, setNodeAffinityManually } from './manual.js';
import { Operations } from './operations.js';
import { isUnfinished, recover } from './recovery.js';
import { type KnownVm, VmRegistry } from './registry.js';
import { HostSettings } from './settings.js';
import { admit } from './states.js';

/**
 * A toolstack that knows the VMs that `options.metadata` holds. VMs whose process died in the
 * middle of an operation are cleaned up here, and those whose guests went down are halted.
 * @throws InputError for a policy that the profile does not have, or a metadata store that cannot
 *   be used
 */
export async function createToolstack(doors: HostDoors, options: ToolstackOptions): Promise<Toolstack> {
  const settings = new HostSettings(options.profile, options.policy, options.hostMask);
  const registry = new VmRegistry(options.metadata ?? new MemoryMetadata());
  const sleep = options.sleep ?? delay;
  const domains = new Domains(doors, settings, sleep);
  const requests = new GuestRequests(doors, sleep);
  const memory = new GuestMemory(doors, domains, options.images, requests);
  const unfinished = await recover({ doors, registry, domains, memory });
  const operations = new Operations({ doors, registry, settings, domains, memory, requests });
  const toolstack = new HostToolstack({ doors, registry, settings, domains, operations, unfinished, seed: options.seed });
  await toolstack.noticeEnded();
  return toolstack;
}

interface Parts {
  readonly doors: HostDoors;
  readonly registry: VmRegistry;
  readonly settings: HostSettings;
  readonly domains: Domains;
  readonly operations: Operations;
  readonly unfinished: Set<KnownVm>;
  readonly seed: number;
}

class HostToolstack implements Toolstack {
  readonly doors: HostDoors;
  readonly #registry: VmRegistry;
  readonly #settings: HostSettings;
  readonly #domains: Domains;
  readonly #operations: Operations;
  readonly #locks = new VmLocks();
  /** VMs of which the host refused something when this process began. */
  readonly #unfinished: Set<KnownVm>;
  readonly #seed: number;
  #rounds = 0;

  constructor({ doors, registry, settings, domains, operations, unfinished, seed }: Parts) {
    this.doors = doors;
    this.#registry = registry;
    this.#settings = settings;
    this.#domains = domains;
    this.#operations = operations;
    this.#unfinished = unfinished;
    this.#seed = seed;
  }

  get profile(): ProfileName {
    return this.#settings.profile.name;
  }

  get policy(): PolicyName {
    return this.#settings.policy;
  }

  add(spec: VmSpec): Promise<void> {
    return this.#locks.run([spec.name], () => this.#registry.add(spec, spec.uuid ?? this.#newUuid(spec.name)));
  }

  /**
   * The same for the same name and seed where nobody else sees it, so that runs can be compared.
   */
  #newUuid(name: string): string {
    return this.doors.can.outlivesProcess ? randomUUID() : uuidOf(this.#seed, name);
  }

  remove(name: string): Promise<void> {
    return this.#locked(name, async (vm) => {
      admit('remove', name, vm.kept.phase);
      await this.#operations.cleanUp(vm);
      await this.#registry.remove(vm);
    });
  }

  vms(): readonly VmState[] {
    return this.#registry.all().map((vm) => vm.state());
  }

  start(name: string): Promise<Outcome> {
    return this.#locked(name, (vm) => {
      admit('start', name, vm.kept.phase);
      return this.#operations.start(vm, OWN_TURN);
    });
  }

  async startTogether(names: readonly string[], ended: (outcome: Outcome) => void = () => undefined): Promise<Outcome[]> {
    if (new Set(names).size !== names.length) {
      throw new InputError('a VM is named twice', { path: names.join(', ') }, 'name each VM once');
    }
    return this.#locks.run(names, () => {
      const vms = names.map((name) => this.#registry.get(name));
      for (const vm of vms) admit('start', vm.name, vm.kept.phase);
      // Each round has turns of its own, and all of them follow from the one seed.
      const seed = this.#seed + Math.imul(this.#rounds++, 0x9e3779b1);
      return takeTurns(
        seed,
        vms.map((vm) => async (turn: Turn) => {
          const outcome = await this.#operations.start(vm, turn);
          ended(outcome);
          return outcome;
        }),
      );
    });
  }

  stop(name: string): Promise<Outcome> {
    return this.#locked(name, (vm) => this.#operations.stop(vm));
  }

  shutdown(name: string): Promise<Outcome> {
    return this.#locked(name, (vm) => this.#operations.shutdown(vm));
  }

  discard(name: string): Promise<Outcome> {
    return this.#locked(name, (vm) => this.#operations.discard(vm));
  }

  reboot(name: string): Promise<Outcome> {
    return this.#locked(name, (vm) => this.#operations.reboot(vm));
  }

  migrateLocal(name: string, spec?: VmSpec): Promise<Outcome> {
    return this.#locked(name, async (vm) => {
      admit('migrate', name, vm.kept.phase);
      if (spec !== undefined) await this.#registry.commit(vm, { spec });
      return this.#operations.migrate(vm);
    });
  }

  suspend(name: string): Promise<Outcome> {
    return this.#locked(name, (vm) => this.#operations.suspend(vm));
  }

  resume(name: string): Promise<Outcome> {
    return this.#locked(name, (vm) => this.#operations.resume(vm));
  }

  pause(name: string): Promise<Outcome> {
    return this.#locked(name, (vm) => this.#operations.pause(vm));
  }

  unpause(name: string): Promise<Outcome> {
    return this.#locked(name, (vm) => this.#operations.unpause(vm));
  }

  async noticeEnded(): Promise<Outcome[]> {
    const takenUp = await Promise.all([...this.#unfinished].map((vm) => this.#locks.run([vm.name], () => this.#takeUp(vm))));
    return [...takenUp.flat(), ...(await this.#noticeEndings())];
  }

  async #takeUp(vm: KnownVm): Promise<Outcome[]> {
    const { phase } = vm.kept;
    const unfinished = isUnfinished(vm);
    // An operation that held the lock may have removed it.
    const outcome = this.#registry.all().includes(vm) ? await this.#operations.takeUp(vm) : null;
    if (outcome === null || outcome.failure === null) this.#unfinished.delete(vm);
    if (outcome === null) return [];
    // Or may have seen to it.
    return outcome.failure !== null || unfinished || vm.kept.phase !== phase ? [outcome] : [];
  }

  async #noticeEndings(): Promise<Outcome[]> {
    const ended = this.#registry.all().filter((vm) => this.#endingOf(vm) !== null);
    const outcomes = await Promise.all(
      ended.map((vm) =>
        this.#locks.run([vm.name], async () => {
          // Again: an operation that held the lock may have seen to it.
          const ending = this.#endingOf(vm);
          return ending === null ? [] : [await this.#operations.ended(vm, vm.domid!, ending)];
        }),
      ),
    );
    return outcomes.flat();
  }

  #endingOf(vm: KnownVm): Ending | null {
    const { domid } = vm;
    if (domid === null) return null;
    const info = this.#domains.isOurs(vm, domid) ? this.doors.xc.domainInfo(domid) : null;
    return endingOf(info) ?? (this.#domains.lostDeviceModel(vm, domid) ? 'crash' : null);
  }

  setMask(name: string, mask: string | null): Promise<void> {
    return this.#locked(name, (vm) => {
      const { mask: _, ...others } = vm.spec.vcpusParams;
      const vcpusParams = mask === null ? others : { ...others, mask };
      return this.#registry.commit(vm, { spec: { ...vm.spec, vcpusParams } });
    });
  }

  setLive(name: string, live: LiveKeys): Promise<void> {
    return this.#locked(name, async (vm) => {
      admit('change', vm.name, vm.kept.phase);
      const { vcpus, memory } = live;
      const spec = {
        ...vm.spec,
        ...(vcpus === undefined ? {} : { vcpusAtStartup: vcpus }),
        ...(memory === undefined ? {} : { memoryTargetBytes: memory.targetBytes }),
      };
      await writeLiveKeys(this.doors.xs, vm.domid!, vm.spec.vcpusMax, live);
      await this.#registry.commit(vm, { spec });
    });
  }

  setHostMask(mask: string | null): void {
    this.#settings.hostMask = mask ?? undefined;
  }

  setPolicy(policy: PolicyName): void {
    this.#settings.policy = policy;
  }

  setProfile(name: ProfileName): void {
    this.#settings.upgrade(name);
  }

  setNodeAffinity(name: string, nodes: readonly number[] | 'all'): Promise<Outcome> {
    return this.#locked(name, (vm) => this.#operations.change(vm, 'node affinity', (running) => setNodeAffinityManually(running, nodes)));
  }

  pin(name: string, vcpu: number | 'all', masks: { hard?: readonly number[]; soft?: readonly number[] }): Promise<Outcome> {
    return this.#locked(name, (vm) => this.#operations.change(vm, 'pin', (running) => pinManually(running, vcpu, masks)));
  }

  moveToPool(name: string, pool: number): Promise<Outcome> {
    return this.#locked(name, (vm) => this.#operations.change(vm, 'move to pool', (running) => moveToPoolManually(running, pool)));
  }

  warnings(name: string): readonly Warning[] {
    const vm = this.#registry.get(name);
    const { profile, policy, hostMask } = this.#settings;
    const warnings = warningsOf(vm.spec, profile, policy, hostMask, this.doors.xc);
    const now = this.#settings.forVm(vm.spec);
    const { builtBy } = vm;
    if (vm.domid === null || builtBy === null || builtBy === now) return warnings;
    return [...warnings, { code: 'policy-changes-later-builds', values: { builtBy, now } }];
  }

  placement(): PlacementBelief | null {
    const { nodeUsage, availableBytes } = this.#settings.numa;
    return nodeUsage.length === 0 ? null : { nodeUsage: [...nodeUsage], availableBytes: [...availableBytes] };
  }

  snapshot(): HostMap {
    const known = this.#registry.all().flatMap((vm) => (vm.domid === null ? [] : [[vm.domid, vm.spec] as const]));
    return snapshotOf(this.doors, new Map(known));
  }

  #locked<T>(name: string, work: (vm: KnownVm) => Promise<T>): Promise<T> {
    return this.#locks.run([name], async () => work(this.#registry.get(name)));
  }
}
