// The life of VMs behind XAPI's messages: power states, the operations allowed in each, and the
// records afterwards.
import { KIB, PAGE_BYTES } from '../../base/units.js';
import type { VmSpec } from '../../machine/vm.js';
import { StateNotKeptError } from '../../xenopsd/api/metadata.js';
import type { Outcome } from '../../xenopsd/api/outcome.js';
import type { Toolstack } from '../../xenopsd/api/toolstack.js';
import type { ChangeKind, Database } from '../model/database.js';
import { EMPTY_MAP } from '../model/schema-types.js';
import type { PowerState, VmOperation } from '../model/schema-vm.js';
import { XapiError, xapiErrors } from '../wire/errors.js';
import type { WireStruct } from '../wire/values.js';
import { type AdmittingHost, assertCanBootHere, checkCoresPerSocket } from './admission.js';
import { allowedOperations, operationError } from './allowed.js';
import { StartsTogether, VmQueues } from './vm-queue.js';
import { VmRecords } from './vm-records.js';
import { specOf } from './vm-spec.js';

export interface OperationContext {
  /** The task that a call runs in; its own ref stands for it where there is none. */
  readonly task: string;
  readonly abort: AbortSignal | null;
}

export interface LifeHooks {
  /** After every outcome, before it is acknowledged. */
  readonly outcome: (vm: WireStruct, outcome: Outcome, startedMs: number) => void;
  /**
   * An operation failed, or storage refused it: the host must be brought back to what the database
   * says of the VM.
   */
  readonly refused: (vm: string) => Promise<void>;
}

export class VmLife {
  readonly queues = new VmQueues();
  readonly records: VmRecords;
  readonly #database: Database;
  readonly #toolstack: Toolstack;
  readonly #host: () => string;
  readonly #starts: StartsTogether;
  readonly #hooks: LifeHooks;
  /** Names that the toolstack has. */
  readonly #known: Set<string>;

  constructor(database: Database, toolstack: Toolstack, host: () => string, hooks: LifeHooks) {
    this.#database = database;
    this.#toolstack = toolstack;
    this.#host = host;
    this.#starts = new StartsTogether(toolstack);
    this.records = new VmRecords(database, toolstack.doors, host);
    this.#hooks = hooks;
    this.#known = new Set(toolstack.vms().map(({ spec }) => spec.name));
  }

  /**
   * Queues an operation on a VM; its state is looked at when its turn comes.
   * @throws XapiError HANDLE_INVALID, VM_BAD_POWER_STATE, VM_IS_TEMPLATE, OPERATION_BLOCKED,
   *   TASK_CANCELLED
   */
  operate<T>(vm: string, operation: VmOperation, context: OperationContext, work: (record: WireStruct) => Promise<T>): Promise<T> {
    this.#database.get('VM', vm);
    return this.queues.run(vm, context.task, context.abort, async () => {
      this.assertAllowed(vm, operation);
      this.#database.update('VM', vm, { current_operations: { [context.task]: operation }, allowed_operations: [] }, 'derived');
      try {
        return await this.#stored(vm, () => work(this.#database.get('VM', vm)));
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
  async #stored<T>(vm: string, work: () => Promise<T>): Promise<T> {
    let result: T | undefined;
    let failure: { readonly error: unknown } | null = null;
    try {
      result = await work();
    } catch (error) {
      failure = { error };
    }
    try {
      await this.#database.flushed();
    } catch (error) {
      failure ??= { error };
    }
    if (failure === null) return result as T;
    await this.#hooks.refused(vm);
    throw failure.error;
  }

  /** @throws XapiError with the reason why an operation is not allowed now */
  assertAllowed(vm: string, operation: VmOperation): void {
    const record = this.#database.get('VM', vm);
    const error = operationError(vm, record, operation);
    if (error !== null) throw error;
  }

  /**
   * On the host that a caller names.
   * @throws XapiError with the reason why the VM cannot start there
   */
  assertCanBoot(vm: string, host: string, memory: boolean): void {
    assertCanBootHere(this.#database.get('VM', vm), this.#admittingHost(host), memory);
  }

  /**
   * On whichever host fits; whether its memory suffices comes to light when it is taken
   * (choose_host_for_vm_no_wlb). @throws XapiError NO_HOSTS_AVAILABLE
   */
  assertHostFor(vm: string): void {
    try {
      this.assertCanBoot(vm, this.#host(), false);
    } catch (error) {
      throw error instanceof XapiError ? xapiErrors.noHostsAvailable() : error;
    }
  }

  #admittingHost(ref: string): AdmittingHost {
    const { enabled, cpu_info } = this.#database.get('host', ref);
    const { freePages } = this.#toolstack.doors.xc.physInfo();
    return { ref, enabled: enabled === true, pcpus: Number((cpu_info as WireStruct).cpu_count), freeBytes: freePages * PAGE_BYTES };
  }

  allowedNow(vm: string): string[] {
    return allowedOperations(vm, this.#database.get('VM', vm));
  }

  /** From a spec of the caller's making; the database is not changed. */
  async startAs(vm: string, spec: VmSpec): Promise<Outcome> {
    const startedMs = performance.now();
    await this.forget(spec.name);
    await this.#toolstack.add(spec);
    this.#known.add(spec.name);
    const outcome = await this.#starts.start(spec.name);
    this.#hooks.outcome(this.#database.get('VM', vm), outcome, startedMs);
    return outcome;
  }

  /** Of a halted or suspended VM. */
  async start(vm: string, paused: boolean, kind: ChangeKind = 'stored'): Promise<void> {
    const record = this.#database.get('VM', vm);
    checkCoresPerSocket(record);
    const outcome = await this.startAs(vm, specOf(record));
    this.#throwFailure(outcome);
    if (paused) this.#throwFailure(await this.#toolstack.pause(String(record.uuid)));
    this.records.domainBuilt(vm, paused ? 'Paused' : 'Running', outcome.domid!, kind);
  }

  async stop(vm: string, into: 'Halted' | 'Suspended'): Promise<void> {
    const record = this.#database.get('VM', vm);
    if (record.domid !== -1 && this.#hasDomain(String(record.uuid))) {
      const startedMs = performance.now();
      const outcome = await this.#toolstack.stop(String(record.uuid));
      this.#hooks.outcome(record, outcome, startedMs);
      this.#throwFailure(outcome);
    }
    await this.halted(vm, into);
  }

  /**
   * A guest of a real host may have gone down by itself just now, which the database does not say
   * yet.
   */
  #hasDomain(name: string): boolean {
    const { doors } = this.#toolstack;
    return !doors.can.runsGuests || this.#toolstack.vms().some(({ spec, domid }) => spec.name === name && domid !== null);
  }

  /** What was changed while it ran is taken up: a new domain from the record as it is now. */
  async reboot(vm: string): Promise<void> {
    // Before the old domain goes.
    checkCoresPerSocket(this.#database.get('VM', vm));
    await this.stop(vm, 'Halted');
    await this.start(vm, false);
  }

  async migrate(vm: string): Promise<void> {
    const record = this.#database.get('VM', vm);
    const startedMs = performance.now();
    const outcome = await this.#toolstack.migrateLocal(String(record.uuid));
    this.#hooks.outcome(record, outcome, startedMs);
    this.#throwFailure(outcome);
    this.records.domainBuilt(vm, record.power_state as PowerState, outcome.domid!);
    // The new domain was built to the target of the old one.
    this.#database.update('VM', vm, { memory_target: record.memory_target! });
  }

  /** The guest of a running VM is asked to use so many vCPUs from now on. */
  async setVcpus(vm: string, vcpus: number): Promise<void> {
    const record = this.#database.get('VM', vm);
    await this.#toolstack.setLive(String(record.uuid), { vcpus });
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
    const freeBytes = this.#toolstack.doors.xc.physInfo().freePages * PAGE_BYTES;
    const guests = [...this.#database.records('VM')].map(([, one]) => one).filter((one) => one.power_state === 'Running');
    const reclaimable = guests.reduce((sum, one) => sum + Math.max(0, Number(one.memory_target) - Number(one.memory_dynamic_min)), 0);
    const availableBytes = freeBytes + reclaimable;
    const neededBytes = dynamicMinBytes - Number(record.memory_dynamic_min);
    if (neededBytes > availableBytes) {
      throw xapiErrors.notEnoughFreeMemory(Math.floor(neededBytes / KIB), Math.floor(availableBytes / KIB));
    }
    const reach = Number(record.memory_target) + freeBytes;
    const targetBytes = Math.max(dynamicMinBytes, Math.min(dynamicMaxBytes, reach));
    await this.#toolstack.setLive(String(record.uuid), { memory: { dynamicMinBytes, dynamicMaxBytes, targetBytes } });
    const range = { memory_dynamic_min: dynamicMinBytes, memory_dynamic_max: dynamicMaxBytes, memory_target: targetBytes };
    this.#database.update('VM', vm, range);
  }

  async pause(vm: string): Promise<void> {
    const record = this.#database.get('VM', vm);
    this.#throwFailure(await this.#toolstack.pause(String(record.uuid)));
    this.#database.update('VM', vm, { power_state: 'Paused' });
  }

  async unpause(vm: string): Promise<void> {
    const record = this.#database.get('VM', vm);
    this.#throwFailure(await this.#toolstack.unpause(String(record.uuid)));
    this.#database.update('VM', vm, { power_state: 'Running' });
  }

  /** The VM has no domain any more. */
  async halted(vm: string, into: 'Halted' | 'Suspended', kind: ChangeKind = 'stored'): Promise<void> {
    this.records.domainGone(vm, into, kind);
    await this.forgetIfStored(String(this.#database.get('VM', vm).uuid));
  }

  /** The toolstack need not know halted VMs, and may know them until storage accepts changes. */
  async forgetIfStored(name: string): Promise<void> {
    try {
      await this.forget(name);
    } catch (error) {
      if (!(error instanceof StateNotKeptError)) throw error;
    }
  }

  async forget(name: string): Promise<void> {
    if (!this.#known.has(name)) return;
    await this.#toolstack.remove(name);
    this.#known.delete(name);
  }

  /**
   * Translates the toolstack's failures to XAPI's codes (xapi/xapi_xenops.ml,
   * transform_xenops_exn).
   */
  #throwFailure({ failure }: Outcome): void {
    if (failure === null) return;
    if (failure.kind === 'not-enough-memory') {
      // What the client can use now, as xapi says it, and not what was left in the middle of the
      // start.
      throw xapiErrors.notEnoughFreeMemory(failure.neededBytes, this.#toolstack.doors.xc.physInfo().freePages * PAGE_BYTES);
    }
    if (failure.kind === 'state-not-kept') throw xapiErrors.notStored(failure.message);
    throw xapiErrors.internal(`xenopsd internal error: ${failure.step}: ${failure.message}`);
  }
}
