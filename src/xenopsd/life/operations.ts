// Operations on one VM: start, stop, reboot, migrate, pause and manual changes, each as an outcome
// with its record. Callers hold the VM's lock. Every operation commits its intent before its first
// step and its result after the last one.
import { FlowRecord } from '../../flow/record.js';
import type { HostDoors } from '../api/host-doors.js';
import type { LastBuild, VmMetadata } from '../api/metadata.js';
import type { Ending, Landing, Outcome, OutcomeFailure, OutcomeOperation } from '../api/outcome.js';
import { failureOf, noteFailure, withMemoryShortage } from '../start/failure.js';
import { pagesByNode } from '../start/landing.js';
import { OWN_TURN, type Turn } from '../start/turns.js';
import type { Domains } from './domains.js';
import type { RunningVm } from './manual.js';
import type { KnownVm, StateChange, VmRegistry } from './registry.js';
import type { HostSettings } from './settings.js';
import { admit } from './states.js';

const HALTED: StateChange = { phase: 'halted', domid: null, pending: [] };

export interface OperationParts {
  readonly doors: HostDoors;
  readonly registry: VmRegistry;
  readonly settings: HostSettings;
  readonly domains: Domains;
}

/** One operation under way. */
class Attempt {
  readonly vm: KnownVm;
  readonly operation: OutcomeOperation;
  readonly record: FlowRecord;
  landing: Landing | null = null;
  #noted = false;

  constructor(vm: KnownVm, operation: OutcomeOperation, title: string) {
    this.vm = vm;
    this.operation = operation;
    this.record = new FlowRecord(`${title} ${vm.name}`);
  }

  /** The first one is what failed; those that follow from it are not noted. */
  noteFailure(error: unknown): void {
    if (this.#noted) return;
    this.#noted = true;
    noteFailure(this.record, error);
  }

  build(domid: number | null, failure: OutcomeFailure | null): LastBuild {
    const { operation, record } = this;
    return { operation, domid, failure, title: record.title, entries: record.entries };
  }
}

export class Operations {
  readonly #doors: HostDoors;
  readonly #registry: VmRegistry;
  readonly #settings: HostSettings;
  readonly #domains: Domains;

  constructor({ doors, registry, settings, domains }: OperationParts) {
    this.#doors = doors;
    this.#registry = registry;
    this.#settings = settings;
    this.#domains = domains;
  }

  start(vm: KnownVm, turn: Turn): Promise<Outcome> {
    const attempt = new Attempt(vm, 'start', 'start');
    return this.#outcome(attempt, () => this.#boot(attempt, turn));
  }

  /** @throws InputError when it has no domain */
  stop(vm: KnownVm): Promise<Outcome> {
    admit('stop', vm.name, vm.kept.phase);
    const attempt = new Attempt(vm, 'stop', 'stop');
    return this.#outcome(attempt, () => this.#stop(attempt));
  }

  /**
   * Whatever the store says. @throws InputError when it has no domain
   */
  discard(vm: KnownVm): Promise<Outcome> {
    admit('stop', vm.name, vm.kept.phase);
    const attempt = new Attempt(vm, 'stop', 'discard');
    return this.#outcome(attempt, async () => {
      const domid = vm.domid!;
      await this.#conclude(attempt, { phase: 'stopping', pending: [domid] });
      return this.#destroyed(attempt, domid);
    });
  }

  /** The guest is already down; the rest of its domain is removed. */
  ended(vm: KnownVm, domid: number, ending: Ending): Promise<Outcome> {
    const attempt = new Attempt(vm, 'ended', 'end of');
    attempt.record.note('ended', { domid, ending });
    return this.#outcome(attempt, () => this.#stop(attempt), ending);
  }

  /**
   * What an operation that failed half-way left of a halted VM: the VM is all that leads to it.
   * @throws what the host or the store answers
   */
  async cleanUp(vm: KnownVm): Promise<void> {
    const { pending } = vm.kept;
    if (pending.length === 0) return;
    const record = new FlowRecord(`clean up ${vm.name}`);
    for (const domid of pending) await this.#domains.destroy(vm, domid, record);
  }

  /** @throws InputError when it has no domain */
  reboot(vm: KnownVm): Promise<Outcome> {
    admit('reboot', vm.name, vm.kept.phase);
    const attempt = new Attempt(vm, 'reboot', 'reboot');
    return this.#outcome(attempt, async () => {
      await this.#stop(attempt);
      return this.#boot(attempt, OWN_TURN);
    });
  }

  /**
   * A new domain beside the old one, which then goes.
   * @throws InputError when it has no domain
   */
  migrate(vm: KnownVm): Promise<Outcome> {
    const { phase, domid: old } = vm.kept;
    admit('migrate', vm.name, phase);
    const attempt = new Attempt(vm, 'migrate', 'migrate');
    return this.#outcome(attempt, () => this.#migrate(attempt, phase === 'paused', old!));
  }

  /** @throws InputError when it does not run, or is paused already */
  pause(vm: KnownVm): Promise<Outcome> {
    admit('pause', vm.name, vm.kept.phase);
    const { xc } = this.#doors;
    return this.#inState(vm, 'pause', 'paused', (domid) => xc.domainPause(domid));
  }

  /** @throws InputError when it is not paused */
  unpause(vm: KnownVm): Promise<Outcome> {
    admit('unpause', vm.name, vm.kept.phase);
    const { xc } = this.#doors;
    return this.#inState(vm, 'unpause', 'running', (domid) => xc.domainUnpause(domid));
  }

  /**
   * A manual change of the VM's domain; it is not kept.
   * @throws InputError when it has no domain
   */
  change(vm: KnownVm, title: string, work: (running: RunningVm) => void): Promise<Outcome> {
    admit('change', vm.name, vm.kept.phase);
    const domid = vm.domid!;
    const attempt = new Attempt(vm, 'change', title);
    return this.#outcome(attempt, async () => {
      work({ doors: this.#doors, vm: vm.spec, domid, record: attempt.record });
      return domid;
    });
  }

  async #boot(attempt: Attempt, turn: Turn): Promise<number> {
    const { vm } = attempt;
    const builtBy = this.#settings.forVm(vm.spec);
    const domid = await this.#build(attempt, turn);
    try {
      this.#domains.unpause(domid);
      await this.#registry.commit(vm, { phase: 'running', domid, pending: [] }, attempt.build(domid, null));
    } catch (error) {
      attempt.noteFailure(error);
      await this.#undo(attempt, domid);
      await this.#conclude(attempt, HALTED);
      throw error;
    }
    vm.builtBy = builtBy;
    return domid;
  }

  async #migrate(attempt: Attempt, paused: boolean, old: number): Promise<number> {
    const { vm, record } = attempt;
    record.note('migrate', { from: old, pages: [...pagesByNode(this.#doors, old)] });
    const before = vm.kept;
    const builtBy = this.#settings.forVm(vm.spec);
    const domid = await this.#build(attempt, OWN_TURN);
    try {
      // From here on the new domain is the VM's, and the old one is to go.
      await this.#registry.commit(vm, { phase: before.phase, domid, pending: [old] });
    } catch (error) {
      attempt.noteFailure(error);
      await this.#undo(attempt, domid);
      await this.#conclude(attempt, before);
      throw error;
    }
    vm.builtBy = builtBy;
    await this.#domains.destroy(vm, old, record);
    if (!paused) this.#domains.unpause(domid);
    await this.#conclude(attempt, { pending: [] }, attempt.build(domid, null));
    return domid;
  }

  /**
   * A domain of the VM, built and paused. On a failure the domain, its keys and its claims are gone
   * before this rejects.
   */
  async #build(attempt: Attempt, turn: Turn): Promise<number> {
    const { vm, record } = attempt;
    const before: VmMetadata = vm.kept;
    let domid: number | null = null;
    await this.#registry.commit(vm, { phase: 'starting', pending: [] });
    try {
      const made = (id: number) => {
        domid = id;
      };
      const built = await this.#domains.build(vm, { record, turn, made });
      attempt.landing = built.landing;
      return built.domid;
    } catch (error) {
      attempt.noteFailure(error);
      if (domid !== null) await this.#undo(attempt, domid);
      await this.#conclude(attempt, before);
      throw withMemoryShortage(error, vm.spec, this.#settings.profile, this.#doors.xc);
    }
  }

  async #stop(attempt: Attempt): Promise<null> {
    const { vm } = attempt;
    const domid = vm.domid!;
    await this.#registry.commit(vm, { phase: 'stopping', pending: [domid] });
    return this.#destroyed(attempt, domid);
  }

  async #destroyed(attempt: Attempt, domid: number): Promise<null> {
    await this.#domains.destroy(attempt.vm, domid, attempt.record);
    await this.#conclude(attempt, HALTED);
    return null;
  }

  /**
   * What an attempt made and could not hand over. Kept as pending first: once the domain is gone,
   * nothing else leads to its keys.
   */
  async #undo(attempt: Attempt, domid: number): Promise<void> {
    await this.#conclude(attempt, { pending: [domid] });
    await this.#domains.destroy(attempt.vm, domid, attempt.record);
  }

  /** For what cannot be undone and needs no second try: a new process comes to the same state. */
  async #conclude({ vm, record }: Attempt, change: StateChange, build?: LastBuild): Promise<void> {
    const refused = await this.#registry.conclude(vm, change, build);
    if (refused !== null) record.note('state not kept', { message: refused.message });
  }

  /** Xen's word counts after a restart (recovery.ts), so it need not be kept. */
  #inState(vm: KnownVm, title: string, phase: 'running' | 'paused', work: (domid: number) => void): Promise<Outcome> {
    const domid = vm.domid!;
    const attempt = new Attempt(vm, 'change', title);
    return this.#outcome(attempt, async () => {
      work(domid);
      await this.#conclude(attempt, { phase });
      return domid;
    });
  }

  /** @throws any error that is not an answer of the host or the store: a fault of the program */
  async #outcome(attempt: Attempt, work: () => Promise<number | null>, ending: Ending | null = null): Promise<Outcome> {
    const { vm, operation, record } = attempt;
    let failure: OutcomeFailure | null = null;
    let domid: number | null;
    try {
      domid = await work();
    } catch (error) {
      failure = failureOf(error) ?? null;
      if (failure === null) throw error;
      attempt.noteFailure(error);
      domid = vm.domid;
      if (operation === 'start' || operation === 'reboot' || operation === 'migrate') {
        await this.#conclude(attempt, {}, attempt.build(domid, failure));
      }
    }
    const outcome: Outcome = { vm: vm.name, operation, domid, failure, ending, landing: failure === null ? attempt.landing : null, record };
    vm.outcomes.push(outcome);
    return outcome;
  }
}
