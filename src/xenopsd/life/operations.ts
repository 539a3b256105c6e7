// Operations on one VM: start, stop, reboot, migrate, pause and manual changes, each as an outcome
// with its record. Callers hold the VM's lock. Every operation commits its intent before its first
// step and its result after the last one.
import { InputError } from '../../base/errors.js';
import type { HostDoors } from '../api/host-doors.js';
import type { LastBuild, Phase, VmMetadata } from '../api/metadata.js';
import type { Ending, Outcome, OutcomeFailure } from '../api/outcome.js';
import { failureOf, withMemoryShortage } from '../start/failure.js';
import { pagesByNode } from '../start/landing.js';
import type { RestoreGuest } from '../start/start-run.js';
import { OWN_TURN, type Turn } from '../start/turns.js';
import { allSteps } from './all-steps.js';
import { Attempt } from './attempt.js';
import type { Domains } from './domains.js';
import type { GuestMemory } from './guest-memory.js';
import type { GuestRequests } from './guest-requests.js';
import type { RunningVm } from './manual.js';
import { finish, followPause, isUnfinished, type RecoveryParts } from './recovery.js';
import type { KnownVm, StateChange, VmRegistry } from './registry.js';
import type { HostSettings } from './settings.js';
import { admit } from './states.js';

const HALTED: StateChange = { phase: 'halted', domid: null, pending: [] };

export interface OperationParts {
  readonly doors: HostDoors;
  readonly registry: VmRegistry;
  readonly settings: HostSettings;
  readonly domains: Domains;
  readonly memory: GuestMemory;
  readonly requests: GuestRequests;
}

export class Operations {
  readonly #doors: HostDoors;
  readonly #registry: VmRegistry;
  readonly #settings: HostSettings;
  readonly #domains: Domains;
  readonly #memory: GuestMemory;
  readonly #requests: GuestRequests;

  constructor({ doors, registry, settings, domains, memory, requests }: OperationParts) {
    this.#doors = doors;
    this.#registry = registry;
    this.#settings = settings;
    this.#domains = domains;
    this.#memory = memory;
    this.#requests = requests;
  }

  start(vm: KnownVm, turn: Turn): Promise<Outcome> {
    const attempt = new Attempt(vm, 'start', 'start');
    return this.#outcome(attempt, async () => {
      await this.#finishEarlier(vm);
      return this.#boot(attempt, turn);
    });
  }

  /** Tries again what recovery.ts could not do when the VM was taken up. */
  takeUp(vm: KnownVm): Promise<Outcome> {
    const attempt = new Attempt(vm, 'stop', 'clean up');
    return this.#outcome(
      attempt,
      async () => {
        if (isUnfinished(vm)) await finish(this.#recovery, vm);
        else await followPause(this.#recovery, vm);
        return vm.domid;
      },
      'gone',
    );
  }

  /** @throws InputError when it has no domain */
  stop(vm: KnownVm): Promise<Outcome> {
    admit('stop', vm.name, vm.kept.phase);
    const attempt = new Attempt(vm, 'stop', 'stop');
    return this.#outcome(attempt, () => (vm.domid === null ? this.#forgetMemory(attempt) : this.#stop(attempt)));
  }

  /**
   * The guest shuts itself down where guests run, and then its domain goes.
   * @throws InputError when it does not run
   */
  shutdown(vm: KnownVm): Promise<Outcome> {
    admit('shutdown', vm.name, vm.kept.phase);
    const attempt = new Attempt(vm, 'stop', 'shutdown');
    return this.#outcome(attempt, async () => {
      if (this.#doors.can.runsGuests) await this.#requests.ask(vm, vm.domid!, 'poweroff');
      return this.#stop(attempt);
    });
  }

  /**
   * Whatever the store says. @throws InputError when it has no domain
   */
  discard(vm: KnownVm): Promise<Outcome> {
    admit('stop', vm.name, vm.kept.phase);
    const attempt = new Attempt(vm, 'stop', 'discard');
    return this.#outcome(attempt, async () => {
      const domid = vm.domid!;
      await this.#conclude(attempt, { phase: 'stopping', pending: [...new Set([domid, ...vm.kept.pending])] });
      return this.#destroyed(attempt);
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
    await this.#finishEarlier(vm);
    await this.#memory.forget(vm);
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
   * @throws InputError when it has no domain, or a guest whose memory would be lost
   */
  migrate(vm: KnownVm): Promise<Outcome> {
    const { phase, domid: old } = vm.kept;
    admit('migrate', vm.name, phase);
    if (this.#memory.isReal) {
      admit('suspend', vm.name, phase);
      this.#memory.mustBeMovable(vm);
    } else if (!this.#doors.can.suspend) {
      throw new InputError(
        `the guest of VM '${vm.name}' would lose its memory: it cannot be moved on this host`,
        { path: vm.name },
        'reboot it: it is placed anew',
      );
    }
    const attempt = new Attempt(vm, 'migrate', 'migrate');
    return this.#outcome(attempt, async () => {
      if (phase === 'running' || phase === 'paused') await this.#finishEarlier(vm);
      return this.#migrate(attempt, phase === 'paused', old!);
    });
  }

  /** @throws InputError when it does not run, or its memory cannot be kept */
  suspend(vm: KnownVm): Promise<Outcome> {
    admit('suspend', vm.name, vm.kept.phase);
    this.#memory.mustBeKeepable(vm);
    const attempt = new Attempt(vm, 'suspend', 'suspend');
    return this.#outcome(attempt, () => this.#suspend(attempt));
  }

  /** @throws InputError when it is not suspended */
  resume(vm: KnownVm): Promise<Outcome> {
    admit('resume', vm.name, vm.kept.phase);
    this.#memory.mustBeKeepable(vm);
    const attempt = new Attempt(vm, 'resume', 'resume');
    return this.#outcome(attempt, () => this.#resume(attempt));
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

  get #recovery(): RecoveryParts {
    return { doors: this.#doors, registry: this.#registry, domains: this.#domains, memory: this.#memory };
  }

  /** A domain that an earlier operation could not destroy must go before the next one is built. */
  async #finishEarlier(vm: KnownVm): Promise<void> {
    if (isUnfinished(vm)) await finish(this.#recovery, vm);
  }

  async #boot(attempt: Attempt, turn: Turn): Promise<number> {
    const { vm } = attempt;
    const builtBy = this.#settings.forVm(vm.spec);
    const { domid, ...model } = await this.#build(attempt, { turn });
    try {
      this.#domains.unpause(domid);
      await this.#registry.commit(vm, { phase: 'running', domid, pending: [], ...model }, attempt.build(domid, null));
    } catch (error) {
      attempt.noteFailure(error);
      await this.#concludeUndone(attempt, domid, HALTED);
      throw error;
    }
    vm.builtBy = builtBy;
    return domid;
  }

  async #suspend(attempt: Attempt): Promise<null> {
    const { vm, record } = attempt;
    await this.#finishEarlier(vm);
    admit('suspend', vm.name, vm.kept.phase);
    const domid = vm.domid!;
    await this.#registry.commit(vm, { phase: 'suspending' });
    try {
      await this.#memory.save(vm, domid, record);
      await this.#registry.commit(vm, { phase: 'suspended', domid: null, pending: [domid] });
    } catch (error) {
      attempt.noteFailure(error);
      const goesOn = await this.#memory.callOff(vm, domid, record);
      // A file that stays is of no use to a VM that runs, and the next suspend replaces it.
      await attempt.tried(() => this.#memory.forget(vm));
      await this.#conclude(attempt, { phase: goesOn ? 'running' : 'suspending' });
      throw error;
    }
    await this.#domains.destroy(vm, domid, record);
    await this.#conclude(attempt, { pending: [] });
    return null;
  }

  /** Paused until its file is gone: a guest that has run must not be resumed from it once more. */
  async #resume(attempt: Attempt): Promise<number> {
    const { vm, record } = attempt;
    await this.#finishEarlier(vm);
    admit('resume', vm.name, vm.kept.phase);
    const builtBy = this.#settings.forVm(vm.spec);
    const { domid } = await this.#build(attempt, { turn: OWN_TURN, phase: 'resuming', restore: this.#memory.restoring(vm, record) });
    try {
      await this.#registry.commit(vm, { phase: 'paused', domid, pending: [] }, attempt.build(domid, null));
    } catch (error) {
      attempt.noteFailure(error);
      await this.#concludeUndone(attempt, domid, { phase: 'suspended', domid: null, pending: [] });
      throw error;
    }
    vm.builtBy = builtBy;
    await this.#memory.forget(vm);
    this.#domains.unpause(domid);
    await this.#conclude(attempt, { phase: 'running' });
    return domid;
  }

  async #forgetMemory({ vm }: Attempt): Promise<null> {
    await this.#finishEarlier(vm);
    await this.#registry.commit(vm, HALTED);
    await this.#memory.forget(vm);
    return null;
  }

  async #migrate(attempt: Attempt, paused: boolean, old: number): Promise<number> {
    const { vm, record } = attempt;
    record.note('migrate', { from: old, pages: [...pagesByNode(this.#doors, old)] });
    const before = vm.kept;
    const builtBy = this.#settings.forVm(vm.spec);
    const restore = this.#memory.isReal ? this.#memory.moving(vm, old, record) : undefined;
    const { domid, ...model } = await this.#build(attempt, { turn: OWN_TURN, restore });
    try {
      // From here on the new domain is the VM's, and the old one is to go.
      await this.#registry.commit(vm, { phase: before.phase, domid, pending: [old], ...model });
    } catch (error) {
      attempt.noteFailure(error);
      await this.#goesOn(attempt, before, old, await this.#undo(attempt, domid));
      throw error;
    }
    vm.builtBy = builtBy;
    // The guest goes on, whatever is left of its old domain.
    await allSteps(() => this.#domains.destroy(vm, old, record), ...(paused ? [] : [() => this.#domains.unpause(domid)]));
    await this.#conclude(attempt, { pending: [] }, attempt.build(domid, null));
    return domid;
  }

  /**
   * A domain of the VM, built and paused. On a failure the domain, its keys and its claims are gone
   * before this rejects.
   */
  async #build(
    attempt: Attempt,
    { turn, phase = 'starting', restore }: { readonly turn: Turn; readonly phase?: Phase; readonly restore?: RestoreGuest | undefined },
  ): Promise<Pick<VmMetadata, 'deviceModelPid'> & { readonly domid: number }> {
    const { vm, record } = attempt;
    const before: VmMetadata = vm.kept;
    let domid: number | null = null;
    await this.#registry.commit(vm, { phase, pending: [] });
    try {
      const made = (id: number) => {
        domid = id;
      };
      const built = await this.#domains.build(vm, { record, turn, made, ...(restore && { restore }) });
      attempt.landing = built.landing;
      const { domid: id, deviceModelPid } = built;
      return deviceModelPid === undefined ? { domid: id } : { domid: id, deviceModelPid };
    } catch (error) {
      attempt.noteFailure(error);
      await this.#goesOn(attempt, before, before.domid, domid === null ? [] : await this.#undo(attempt, domid));
      throw withMemoryShortage(error, vm.spec, this.#settings.profile, this.#doors.xc);
    }
  }

  /**
   * As before the attempt. Of a migration the guest may have suspended itself; one that cannot be
   * resumed is left `suspending`, so that the next operation or process tries again.
   * @param pending domains that could not be undone: the next operation does it
   */
  async #goesOn(attempt: Attempt, before: VmMetadata, domid: number | null, pending: readonly number[]): Promise<void> {
    const goesOn = domid === null || (await this.#memory.callOff(attempt.vm, domid, attempt.record));
    await this.#conclude(attempt, { ...before, ...(goesOn ? {} : { phase: 'suspending' }), pending: [...before.pending, ...pending] });
  }

  async #stop(attempt: Attempt): Promise<null> {
    const { vm } = attempt;
    const domid = vm.domid!;
    await this.#registry.commit(vm, { phase: 'stopping', pending: [...new Set([domid, ...vm.kept.pending])] });
    return this.#destroyed(attempt);
  }

  async #destroyed(attempt: Attempt): Promise<null> {
    await allSteps(...attempt.vm.kept.pending.map((domid) => () => this.#domains.destroy(attempt.vm, domid, attempt.record)));
    await this.#conclude(attempt, HALTED);
    return null;
  }

  /**
   * What an attempt made and could not hand over. Kept as pending first: once the domain is gone,
   * nothing else leads to its keys. What fails here is noted only: why the attempt failed counts.
   * @returns the domain, where something of it is left
   */
  async #undo(attempt: Attempt, domid: number): Promise<readonly number[]> {
    await this.#conclude(attempt, { pending: [domid] });
    const done = await attempt.tried(() => this.#domains.destroyFound(attempt.vm, domid, attempt.record));
    return done ? [] : [domid];
  }

  async #concludeUndone(attempt: Attempt, domid: number, change: StateChange): Promise<void> {
    const pending = await this.#undo(attempt, domid);
    await this.#conclude(attempt, { ...change, pending });
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
      if (operation === 'start' || operation === 'reboot' || operation === 'migrate' || operation === 'resume') {
        await this.#conclude(attempt, {}, attempt.build(domid, failure));
      }
    }
    const outcome: Outcome = { vm: vm.name, operation, domid, failure, ending, landing: failure === null ? attempt.landing : null, record };
    vm.outcomes.push(outcome);
    return outcome;
  }
}
