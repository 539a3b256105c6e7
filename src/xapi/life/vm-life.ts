// The life of VMs behind XAPI's messages: power states, the operations allowed in each, and the
// records afterwards.
import { KIB, PAGE_BYTES } from '../../base/units.js';
import type { VmSpec } from '../../machine/vm.js';
import type { Outcome } from '../../xenopsd/api/outcome.js';
import { assertDisksUsable } from '../devices/vm-devices.js';
import type { ChangeKind, Database } from '../model/database.js';
import type { PoolHost, PoolHosts } from '../model/pool-hosts.js';
import type { Maker } from '../model/record-bounds.js';
import { EMPTY_MAP } from '../model/schema-types.js';
import type { PowerState, VmOperation } from '../model/schema-vm.js';
import { xapiErrors } from '../wire/errors.js';
import type { WireStruct } from '../wire/values.js';
import { checkCoresPerSocket } from './admission.js';
import { allowedOperations, MOBILE, type Mobility, operationError } from './allowed.js';
import { storageReason, throwFailure } from './failure.js';
import { Placing } from './placing.js';
import { Settlement, type SettlementParts } from './settlement.js';
import { Site } from './site.js';
import { VmQueues } from './vm-queue.js';
import { VmRecords } from './vm-records.js';
import { specOf } from './vm-spec.js';

/** The longest time of a timer. */
const LONGEST_MS = 2 ** 31 - 1;

export interface OperationContext {
  /** The task that a call runs in; its own ref stands for it where there is none. */
  readonly task: string;
  readonly abort: AbortSignal | null;
  /** Who is charged for new records. */
  readonly user: Maker;
  /** Set when all that the operation changed is stored. */
  stored: boolean;
}

export interface LifeHooks {
  /** After every outcome, before it is acknowledged. */
  readonly outcome: (vm: WireStruct, outcome: Outcome, startedMs: number) => void;
  /** An operation failed, or storage refused it (settlement.ts). */
  readonly refused: SettlementParts['revert'];
}

/**
 * An operation works on the host first, and then changes the database in one turn of the event
 * loop. A commit of others thus takes all of its changes along or none, and whether the commit is
 * refused, the operation's own flush hears.
 */
export class VmLife {
  readonly queues = new VmQueues();
  readonly records: VmRecords;
  readonly placing: Placing;
  readonly settlement: Settlement;
  readonly #database: Database;
  readonly #hosts: PoolHosts;
  readonly #sites = new Map<string, Site>();
  readonly #hooks: LifeHooks;
  readonly #ending = new AbortController();

  /** @param seed for the choice among hosts that are as good as each other */
  constructor(database: Database, hosts: PoolHosts, seed: number, hooks: LifeHooks) {
    this.#database = database;
    this.#hosts = hosts;
    for (const host of hosts.all) this.#sites.set(host.ref, new Site(host));
    this.records = new VmRecords(database);
    this.placing = new Placing(database, hosts, seed);
    this.#hooks = hooks;
    this.settlement = new Settlement({
      ...{ database, hosts, queues: this.queues, revert: hooks.refused },
      halted: async (vm, into) => {
        await this.halted(vm, into, 'fact');
        database.update('VM', vm, { allowed_operations: this.allowedNow(vm) }, 'derived');
      },
      forget: (name) => this.forgetIfStored(name),
    });
  }

  /** @throws XapiError HANDLE_INVALID */
  #site(host: string): Site {
    return this.#sites.get(this.#hosts.get(host).ref)!;
  }

  /** Where a VM runs. */
  #siteOf(record: WireStruct): Site {
    return this.#site(record.resident_on as string);
  }

  /**
   * Queues an operation on a VM; its state is looked at when its turn comes.
   * @throws XapiError HANDLE_INVALID, VM_BAD_POWER_STATE, VM_IS_TEMPLATE, OPERATION_BLOCKED,
   *   TASK_CANCELLED
   */
  operate<T>(
    vm: string,
    operation: VmOperation,
    context: OperationContext,
    work: (record: WireStruct) => Promise<T>,
    strict = true,
  ): Promise<T> {
    this.#database.get('VM', vm);
    return this.queues.run(vm, context.task, context.abort, context.user, async () => {
      this.assertAllowed(vm, operation, strict);
      this.#database.update('VM', vm, { current_operations: { [context.task]: operation }, allowed_operations: [] }, 'derived');
      try {
        return await this.#stored(vm, context, () => this.#database.as(context.user, () => work(this.#database.get('VM', vm))));
      } finally {
        if (this.#database.has('VM', vm)) {
          this.#database.update('VM', vm, { current_operations: EMPTY_MAP, allowed_operations: this.allowedNow(vm) }, 'derived');
        }
      }
    });
  }

  /**
   * Within the VM's turn: what was begun and then failed, or was refused by storage, is undone on
   * the host before the next operation looks at the VM.
   */
  async #stored<T>(vm: string, context: OperationContext, work: () => Promise<T>): Promise<T> {
    const { domid, power_state } = this.#database.get('VM', vm);
    let result: T | undefined;
    let failure: { readonly error: unknown } | null = null;
    try {
      result = await work();
    } catch (error) {
      failure = { error };
    }
    try {
      // An operation within this one may have stored everything.
      if (failure !== null || !context.stored) await this.#database.flushed();
    } catch (error) {
      failure ??= { error };
    }
    if (failure === null) {
      context.stored = true;
      this.settlement.overtaken(vm);
      return result as T;
    }
    await this.settlement.settle(vm);
    throw this.#refusal(vm, { domid: domid!, power_state: power_state! }, failure.error);
  }

  /**
   * What the client is told when storage refused its operation. What the host did may be beyond
   * recall, such as a guest that is down, or may have been undone by another guest: then the answer
   * says what the VM is now.
   */
  #refusal(vm: string, before: WireStruct, error: unknown): unknown {
    const reason = storageReason(error);
    if (reason === null || !this.#database.has('VM', vm)) return error;
    const { domid, power_state: power } = this.#database.get('VM', vm);
    if (domid === before.domid && power === before.power_state) return xapiErrors.notStored(reason);
    const anew = domid !== -1 && domid !== before.domid ? ', as a new domain' : '';
    return xapiErrors.internal(`the change was refused, and the VM is ${String(power)} now${anew}: ${reason}`);
  }

  /**
   * After a start or a shutdown, before it is answered; ends early when its caller has gone, and
   * with the daemon.
   */
  async delay(seconds: number, abort: AbortSignal): Promise<void> {
    if (seconds <= 0) return;
    // What the VM is now need not wait to be seen.
    await this.#database.flushed();
    const signal = AbortSignal.any([abort, this.#ending.signal]);
    if (signal.aborted) return;
    await new Promise<void>((done) => {
      const timer = setTimeout(done, Math.min(seconds * 1000, LONGEST_MS));
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        done();
      });
    });
  }

  endDelays(): void {
    this.#ending.abort();
  }

  /** @throws XapiError with the reason why an operation is not allowed now */
  assertAllowed(vm: string, operation: VmOperation, strict = true): void {
    const record = this.#database.get('VM', vm);
    const error = operationError(vm, record, operation, strict ? this.mobilityOf(record) : null);
    if (error !== null) throw error;
  }

  allowedNow(vm: string): readonly string[] {
    const record = this.#database.get('VM', vm);
    return allowedOperations(record, this.mobilityOf(record));
  }

  /** What keeps the VM on its host since it started. */
  mobilityOf(record: WireStruct): Mobility {
    const metrics = String(record.metrics);
    if (!this.#database.has('VM_metrics', metrics)) return MOBILE;
    const { nomigrate, nested_virt: nestedVirt } = this.#database.get('VM_metrics', metrics);
    return { nomigrate: nomigrate === true, nestedVirt: nestedVirt === true };
  }

  /** From a spec of the caller's making; the database is not changed. */
  async startAs(vm: string, host: string, spec: VmSpec): Promise<Outcome> {
    const startedMs = performance.now();
    const outcome = await this.#site(host).start(spec);
    this.#hooks.outcome(this.#database.get('VM', vm), outcome, startedMs);
    return outcome;
  }

  /** Starts a halted VM, or resumes a suspended one. */
  async start(vm: string, host: string, paused: boolean, kind: ChangeKind = 'stored'): Promise<void> {
    this.#assertBootable(vm);
    await this.placing.whileScheduled(vm, host, async () => {
      const domid = await this.#boot(vm, host, paused);
      this.records.domainBuilt(vm, paused ? 'Paused' : 'Running', domid, this.#hosts.get(host), kind);
    });
  }

  #assertBootable(vm: string): void {
    checkCoresPerSocket(this.#database.get('VM', vm));
    assertDisksUsable(this.#database, vm);
  }

  /** @returns its new domain */
  async #boot(vm: string, host: string, paused: boolean): Promise<number> {
    const record = this.#database.get('VM', vm);
    const { toolstack } = this.#site(host);
    const outcome = await this.startAs(vm, host, specOf(record));
    throwFailure(outcome, toolstack);
    if (paused) throwFailure(await toolstack.pause(String(record.uuid)), toolstack);
    return outcome.domid!;
  }

  async stop(vm: string, into: 'Halted' | 'Suspended'): Promise<void> {
    const record = this.#database.get('VM', vm);
    if (record.domid !== -1) await this.#stopDomain(record);
    await this.halted(vm, into);
  }

  async #stopDomain(record: WireStruct): Promise<void> {
    const site = this.#siteOf(record);
    if (!site.hasDomain(String(record.uuid))) return;
    const startedMs = performance.now();
    const outcome = await site.toolstack.stop(String(record.uuid));
    this.#hooks.outcome(record, outcome, startedMs);
    throwFailure(outcome, site.toolstack);
  }

  /** What was changed while it ran is taken up: a new domain from the record as it is now. */
  async reboot(vm: string): Promise<void> {
    // Before the old domain goes.
    this.#assertBootable(vm);
    const record = this.#database.get('VM', vm);
    const host = this.#siteOf(record).host;
    if (record.domid !== -1) await this.#stopDomain(record);
    const domid = await this.#boot(vm, host.ref, false).catch((error: unknown) => {
      this.records.domainGone(vm, 'Halted');
      throw error;
    });
    this.records.domainGone(vm, 'Halted');
    this.records.domainBuilt(vm, 'Running', domid, host);
  }

  /** A mask that the host refuses is in the log, and the domain keeps the one that it has. */
  async pin(
    vm: string,
    host: string,
    vcpu: number,
    masks: { readonly hard: readonly number[]; readonly soft: readonly number[] },
  ): Promise<void> {
    const record = this.#database.get('VM', vm);
    const startedMs = performance.now();
    this.#hooks.outcome(record, await this.#site(host).toolstack.pin(String(record.uuid), vcpu, masks), startedMs);
  }

  /**
   * The memory of its guest goes to a new domain on its own host: where guests have one, and unless
   * a device model holds a part of the guest's state.
   */
  movesMemory(vm: string, to: string): boolean {
    const record = this.#database.get('VM', vm);
    if (to !== record.resident_on) return false;
    return this.#siteOf(record).toolstack.doors.xenguest.streams !== undefined && specOf(record).kind !== 'hvm';
  }

  /** To another host, or to the same one: a new domain is built before the old one goes. */
  async migrate(vm: string, to: string): Promise<void> {
    const record = this.#database.get('VM', vm);
    const host = this.#hosts.get(to);
    const domid = to === record.resident_on ? await this.#migrateHere(record) : await this.#migrateThere(vm, record, host);
    this.records.domainBuilt(vm, record.power_state as PowerState, domid, host);
    // The new domain was built to the target of the old one.
    this.#database.update('VM', vm, { memory_target: record.memory_target! });
  }

  async #migrateHere(record: WireStruct): Promise<number> {
    const { toolstack } = this.#siteOf(record);
    const startedMs = performance.now();
    // xapi hands each change of a running VM's record to xenopsd, so that its next domain has it
    // (xapi_xenops.ml, events_from_xapi).
    const spec = { ...specOf(record), memoryTargetBytes: Number(record.memory_target) };
    const outcome = await toolstack.migrateLocal(String(record.uuid), spec);
    this.#hooks.outcome(record, outcome, startedMs);
    throwFailure(outcome, toolstack);
    return outcome.domid!;
  }

  /**
   * The memory is taken on the other host first, so that a migration that fails leaves the VM where
   * it was.
   */
  async #migrateThere(vm: string, record: WireStruct, { ref, toolstack }: PoolHost): Promise<number> {
    const name = String(record.uuid);
    return this.placing.whileScheduled(vm, ref, async () => {
      const spec = { ...specOf(record), memoryTargetBytes: Number(record.memory_target) };
      const outcome = await this.startAs(vm, ref, spec);
      throwFailure(outcome, toolstack);
      if (record.power_state === 'Paused') throwFailure(await toolstack.pause(name), toolstack);
      await this.#stopDomain(record);
      await this.#siteOf(record).forgetIfStored(name);
      return outcome.domid!;
    });
  }

  /** The guest of a running VM is asked to use so many vCPUs from now on. */
  async setVcpus(vm: string, vcpus: number): Promise<void> {
    const record = this.#database.get('VM', vm);
    await this.#siteOf(record).toolstack.setLive(String(record.uuid), { vcpus });
    this.#database.update('VM', vm, { VCPUs_at_startup: vcpus });
    this.#database.update('VM_metrics', String(record.metrics), { VCPUs_number: vcpus });
  }

  /**
   * Of a running VM. Its guest gets the most of the range that the host has left, as squeezed gives
   * it; memory that the range promises must be there (message_forwarding.ml,
   * reserve_memory_for_dynamic_change).
   * @throws XapiError HOST_NOT_ENOUGH_FREE_MEMORY, in KiB
   */
  async setMemoryRange(vm: string, dynamicMinBytes: number, dynamicMaxBytes: number): Promise<void> {
    const record = this.#database.get('VM', vm);
    const { toolstack, host } = this.#siteOf(record);
    const freeBytes = toolstack.doors.xc.physInfo().freePages * PAGE_BYTES;
    const runsThere = (one: WireStruct) => one.power_state === 'Running' && one.resident_on === host.ref;
    const guests = [...this.#database.records('VM')].map(([, one]) => one).filter(runsThere);
    const reclaimable = guests.reduce((sum, one) => sum + Math.max(0, Number(one.memory_target) - Number(one.memory_dynamic_min)), 0);
    const availableBytes = freeBytes + reclaimable;
    const neededBytes = dynamicMinBytes - Number(record.memory_dynamic_min);
    if (neededBytes > availableBytes) {
      throw xapiErrors.notEnoughFreeMemory(Math.floor(neededBytes / KIB), Math.floor(availableBytes / KIB));
    }
    const reach = Number(record.memory_target) + freeBytes;
    const targetBytes = Math.max(dynamicMinBytes, Math.min(dynamicMaxBytes, reach));
    await toolstack.setLive(String(record.uuid), { memory: { dynamicMinBytes, dynamicMaxBytes, targetBytes } });
    const range = { memory_dynamic_min: dynamicMinBytes, memory_dynamic_max: dynamicMaxBytes, memory_target: targetBytes };
    this.#database.update('VM', vm, range);
  }

  async pause(vm: string): Promise<void> {
    const record = this.#database.get('VM', vm);
    const { toolstack } = this.#siteOf(record);
    throwFailure(await toolstack.pause(String(record.uuid)), toolstack);
    this.#database.update('VM', vm, { power_state: 'Paused' });
  }

  async unpause(vm: string): Promise<void> {
    const record = this.#database.get('VM', vm);
    const { toolstack } = this.#siteOf(record);
    throwFailure(await toolstack.unpause(String(record.uuid)), toolstack);
    this.#database.update('VM', vm, { power_state: 'Running' });
  }

  /** The VM has no domain any more. */
  async halted(vm: string, into: 'Halted' | 'Suspended', kind: ChangeKind = 'stored'): Promise<void> {
    const { uuid } = this.#database.get('VM', vm);
    // A fact stays true after a failure; a change must not be committed before its operation ends.
    if (kind === 'fact') this.records.domainGone(vm, into, kind);
    await this.forgetIfStored(String(uuid));
    if (kind !== 'fact') this.records.domainGone(vm, into, kind);
  }

  /** See Site. */
  async forgetIfStored(name: string): Promise<void> {
    for (const site of this.#sites.values()) await site.forgetIfStored(name);
  }

  async forget(name: string): Promise<void> {
    for (const site of this.#sites.values()) await site.forget(name);
  }

  /** A host that leaves the pool, without VMs. */
  dropHost(ref: string): void {
    this.#sites.delete(ref);
  }
}
