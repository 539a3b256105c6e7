// The VMs of a toolstack by name, each with the state that its store holds. A change is staged,
// committed to the store and only then published here: what the store refuses was never there.
import { InputError } from '../../base/errors.js';
import { LIMITS } from '../../machine/model.js';
import type { VmSpec } from '../../machine/vm.js';
import { type LastBuild, type MetadataStore, StateNotKeptError, type VmMetadata } from '../api/metadata.js';
import type { Outcome } from '../api/outcome.js';
import type { VmState } from '../api/toolstack.js';

export type StateChange = Partial<Omit<VmMetadata, 'uuid'>>;

export class KnownVm {
  readonly name: string;
  readonly outcomes: Outcome[] = [];
  /** The settings that its domain was built by; null = not known to this process. */
  builtBy: string | null = null;
  #kept: VmMetadata;

  constructor(kept: VmMetadata) {
    this.name = kept.spec.name;
    this.#kept = kept;
  }

  get kept(): VmMetadata {
    return this.#kept;
  }

  get spec(): VmSpec {
    return this.#kept.spec;
  }

  get uuid(): string {
    return this.#kept.uuid;
  }

  get domid(): number | null {
    return this.#kept.domid;
  }

  /** For the registry: a state that is committed. */
  publish(change: StateChange): void {
    this.#kept = { ...this.#kept, ...change };
  }

  state(): VmState {
    const { spec, domid, phase } = this.#kept;
    const up = phase === 'paused' ? 'paused' : 'running';
    const down = phase === 'suspended' || phase === 'resuming' ? 'suspended' : 'halted';
    return { spec, power: domid === null ? down : up, domid, outcomes: this.outcomes };
  }
}

export class VmRegistry {
  readonly #store: MetadataStore;
  readonly #vms = new Map<string, KnownVm>();
  /** Names whose first save is under way: taken, and not there yet. */
  readonly #adding = new Set<string>();

  constructor(store: MetadataStore) {
    this.#store = store;
  }

  /** Takes up what the store holds. */
  async load(): Promise<readonly KnownVm[]> {
    for (const kept of await this.#store.load()) this.#vms.set(kept.spec.name, new KnownVm(kept));
    return this.all();
  }

  all(): readonly KnownVm[] {
    return [...this.#vms.values()];
  }

  /** @throws InputError when there is no such VM */
  get(name: string): KnownVm {
    const vm = this.#vms.get(name);
    if (vm === undefined) throw new InputError(`there is no VM '${name}'`, { path: name }, 'name one of those that were added');
    return vm;
  }

  /**
   * @throws InputError for a name that is taken, or past the limit of VMs
   * @throws StateNotKeptError when the store refuses it
   */
  async add(spec: VmSpec, uuid: string): Promise<void> {
    const { name } = spec;
    if (this.#vms.has(name) || this.#adding.has(name)) {
      throw new InputError(`there is a VM '${name}' already`, { path: name }, 'give each VM its own name');
    }
    if (this.#vms.size + this.#adding.size >= LIMITS.domains) {
      throw new InputError(`no more than ${LIMITS.domains} VMs`, { path: name }, 'remove VMs that are not needed');
    }
    this.#adding.add(name);
    try {
      const vm: VmMetadata = { spec, uuid, phase: 'halted', domid: null, pending: [] };
      await this.#save(vm);
      this.#vms.set(name, new KnownVm(vm));
    } finally {
      this.#adding.delete(name);
    }
  }

  /** @throws StateNotKeptError when the store refuses it; the VM then stays */
  async remove(vm: KnownVm): Promise<void> {
    try {
      await this.#store.remove(vm.name);
    } catch (error) {
      throw new StateNotKeptError(vm.name, error);
    }
    this.#vms.delete(vm.name);
  }

  /** @throws StateNotKeptError when the store refuses it; the VM's state is then as before */
  async commit(vm: KnownVm, change: StateChange, build?: LastBuild): Promise<void> {
    await this.#save({ ...vm.kept, ...change }, build);
    vm.publish(change);
  }

  /**
   * The end of an operation that cannot be undone any more: the state is published whatever the
   * store says, which may go on holding what was committed before. Only for states to which
   * recovery.ts brings that earlier one as well.
   * @returns why the store refused it; null when it did not
   */
  async conclude(vm: KnownVm, change: StateChange, build?: LastBuild): Promise<StateNotKeptError | null> {
    try {
      await this.commit(vm, change, build);
      return null;
    } catch (error) {
      if (!(error instanceof StateNotKeptError)) throw error;
      vm.publish(change);
      return error;
    }
  }

  async #save(vm: VmMetadata, build?: LastBuild): Promise<void> {
    try {
      await this.#store.save(vm, build);
    } catch (error) {
      throw new StateNotKeptError(vm.spec.name, error);
    }
  }
}
