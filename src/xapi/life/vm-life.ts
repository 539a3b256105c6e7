// The life of VMs behind XAPI's messages: power states, which operation is allowed when, and what the database says afterwards. Boxes of the
// chart: VM.create and VM.build, through the toolstack.
import { formatList } from '../../base/bitset.js';
import { PAGE_BYTES } from '../../base/units.js';
import type { VmSpec } from '../../machine/vm.js';
import { numaMetrics } from '../../map/numa-metrics.js';
import type { Outcome } from '../../xenopsd/api/outcome.js';
import type { Toolstack } from '../../xenopsd/api/toolstack.js';
import { pagesByNode } from '../../xenopsd/start/landing.js';
import type { Database } from '../model/database.js';
import { EMPTY_MAP, NULL } from '../model/schema-types.js';
import type { PowerState, VmOperation } from '../model/schema-vm.js';
import { xapiErrors } from '../wire/errors.js';
import { EPOCH, newStruct, type Wire, WireDate, type WireStruct } from '../wire/values.js';
import { StartsTogether, VmQueues } from './vm-queue.js';
import { domainTypeOf, specOf } from './vm-spec.js';

/** States in which xapi allows an operation (xapi/xapi_vm_lifecycle.ml, allowed_power_states), in its order. */
const ALLOWED_IN: Readonly<Record<VmOperation, readonly PowerState[]>> = {
  clone: ['Halted', 'Suspended'],
  start: ['Halted'],
  start_on: ['Halted'],
  pause: ['Running'],
  unpause: ['Paused'],
  clean_shutdown: ['Running'],
  clean_reboot: ['Running'],
  hard_shutdown: ['Paused', 'Suspended', 'Running'],
  hard_reboot: ['Paused', 'Running'],
  suspend: ['Running'],
  resume: ['Suspended'],
  resume_on: ['Suspended'],
  pool_migrate: ['Paused', 'Running'],
  changing_VCPUs: ['Halted'],
  changing_VCPUs_live: ['Running'],
  changing_static_range: ['Halted'],
  changing_dynamic_range: ['Halted', 'Paused', 'Running'],
  destroy: ['Halted'],
};

export interface OperationContext {
  /** The task that a call runs in; its own ref stands for it where there is none. */
  readonly task: string;
  readonly abort: AbortSignal | null;
}

export interface LifeHooks {
  /** After every outcome, before it is acknowledged. */
  readonly outcome: (vm: WireStruct, outcome: Outcome, startedMs: number) => void;
}

export class VmLife {
  readonly queues = new VmQueues();
  readonly #database: Database;
  readonly #toolstack: Toolstack;
  readonly #starts: StartsTogether;
  readonly #hooks: LifeHooks;
  readonly #host: () => string;
  /** Names that the toolstack has. */
  readonly #known: Set<string>;

  constructor(database: Database, toolstack: Toolstack, host: () => string, hooks: LifeHooks) {
    this.#database = database;
    this.#toolstack = toolstack;
    this.#starts = new StartsTogether(toolstack);
    this.#host = host;
    this.#hooks = hooks;
    this.#known = new Set(toolstack.vms().map(({ spec }) => spec.name));
  }

  /**
   * Queues an operation on a VM; its state is looked at when its turn comes.
   * @throws XapiError HANDLE_INVALID, VM_BAD_POWER_STATE, VM_IS_TEMPLATE, OPERATION_BLOCKED, TASK_CANCELLED
   */
  operate<T>(vm: string, operation: VmOperation, context: OperationContext, work: (record: WireStruct) => Promise<T>): Promise<T> {
    this.#database.get('VM', vm);
    return this.queues.run(vm, context.task, context.abort, async () => {
      this.assertAllowed(vm, operation);
      this.#database.update('VM', vm, { current_operations: { [context.task]: operation }, allowed_operations: [] });
      try {
        return await work(this.#database.get('VM', vm));
      } finally {
        if (this.#database.has('VM', vm)) {
          this.#database.update('VM', vm, { current_operations: EMPTY_MAP, allowed_operations: this.allowedNow(vm) });
        }
      }
    });
  }

  /** @throws XapiError that says why an operation is not allowed now */
  assertAllowed(vm: string, operation: VmOperation): void {
    const record = this.#database.get('VM', vm);
    const blocked = record.blocked_operations as WireStruct;
    if (blocked[operation] !== undefined) throw xapiErrors.operationBlocked(vm, String(blocked[operation]));
    if (record.is_control_domain === true) throw xapiErrors.operationNotAllowed('Operations on domain 0 are not allowed');
    if (record.is_a_template === true && (operation === 'start' || operation === 'start_on')) throw xapiErrors.vmIsTemplate(vm);
    const expected = ALLOWED_IN[operation];
    if (!expected.includes(record.power_state as PowerState)) {
      throw xapiErrors.badPowerState(vm, expected.join(', '), String(record.power_state));
    }
  }

  allowedNow(vm: string): string[] {
    const record = this.#database.get('VM', vm);
    if (record.is_control_domain === true) return [];
    const blocked = record.blocked_operations as WireStruct;
    return (Object.keys(ALLOWED_IN) as VmOperation[]).filter(
      (operation) =>
        blocked[operation] === undefined &&
        ALLOWED_IN[operation].includes(record.power_state as PowerState) &&
        !(record.is_a_template === true && (operation === 'start' || operation === 'start_on')),
    );
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
  async start(vm: string, paused: boolean): Promise<void> {
    const record = this.#database.get('VM', vm);
    const outcome = await this.startAs(vm, specOf(record));
    this.#throwFailure(outcome);
    if (paused) this.#throwFailure(await this.#toolstack.pause(String(record.uuid)));
    this.landed(vm, paused ? 'Paused' : 'Running', outcome.domid!);
  }

  async stop(vm: string, into: 'Halted' | 'Suspended'): Promise<void> {
    const record = this.#database.get('VM', vm);
    if (record.domid !== -1 && this.#hasDomain(String(record.uuid))) {
      const startedMs = performance.now();
      const outcome = await this.#toolstack.stop(String(record.uuid));
      this.#hooks.outcome(record, outcome, startedMs);
      this.#throwFailure(outcome);
    }
    await this.gone(vm, into);
  }

  /** A guest of a real host may have gone down by itself just now, which the database does not say yet. */
  #hasDomain(name: string): boolean {
    const { doors } = this.#toolstack;
    return !doors.can.runsGuests || this.#toolstack.vms().some(({ spec, domid }) => spec.name === name && domid !== null);
  }

  /** What was changed while it ran is taken up: a new domain from the record as it is now. */
  async reboot(vm: string): Promise<void> {
    await this.stop(vm, 'Halted');
    await this.start(vm, false);
  }

  async migrate(vm: string): Promise<void> {
    const record = this.#database.get('VM', vm);
    const startedMs = performance.now();
    const outcome = await this.#toolstack.migrateLocal(String(record.uuid));
    this.#hooks.outcome(record, outcome, startedMs);
    this.#throwFailure(outcome);
    this.landed(vm, record.power_state as PowerState, outcome.domid!);
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

  /** The toolstack need not know halted VMs. */
  async forget(name: string): Promise<void> {
    if (!this.#known.has(name)) return;
    await this.#toolstack.remove(name);
    this.#known.delete(name);
  }

  /** The database after a domain of the VM came to be, with XenServer's figures of where it lies. */
  landed(vm: string, power: PowerState, domid: number): void {
    const record = this.#database.get('VM', vm);
    this.#database.update('VM', vm, {
      power_state: power,
      domid,
      resident_on: this.#host(),
      domarch: 'x64',
      memory_target: record.memory_dynamic_max!,
    });
    const { xc } = this.#toolstack.doors;
    const pages = pagesByNode(this.#toolstack.doors, domid);
    const numa = numaMetrics(pages, pages.length);
    const nodeMemory = newStruct();
    Object.assign(nodeMemory, numa.numa_node_memory);
    this.#database.update('VM_metrics', String(record.metrics), {
      memory_actual: pages.reduce((sum, count) => sum + count, 0) * PAGE_BYTES,
      VCPUs_number: record.VCPUs_at_startup!,
      state: [power.toLowerCase()],
      start_time: WireDate.at(Date.now()),
      last_updated: WireDate.at(Date.now()),
      hvm: domainTypeOf(record) === 'hvm',
      current_domain_type: domainTypeOf(record),
      numa_nodes: numa.numa_nodes,
      numa_optimised: numa.numa_optimised,
      numa_node_memory: Object.freeze(nodeMemory),
    });
    const masks = Array.from({ length: record.VCPUs_max as number }, (_, vcpu) => xc.vcpuGetAffinity(domid, vcpu));
    this.#keepPlacement(String(record.uuid), {
      hard: masks.map(({ hard }) => formatList(hard)),
      soft: masks.map(({ soft }) => formatList(soft)),
    });
  }

  /** The database after the VM's domain went. */
  async gone(vm: string, into: 'Halted' | 'Suspended'): Promise<void> {
    const record = this.#database.get('VM', vm);
    this.#database.update('VM', vm, { power_state: into, domid: -1, resident_on: NULL, domarch: '' });
    this.#database.update('VM_metrics', String(record.metrics), {
      memory_actual: 0,
      VCPUs_number: 0,
      state: [into.toLowerCase()],
      start_time: EPOCH,
      last_updated: WireDate.at(Date.now()),
      current_domain_type: 'unspecified',
      numa_nodes: 0,
      numa_optimised: false,
      numa_node_memory: EMPTY_MAP,
    });
    this.dropPlacement(String(record.uuid));
    await this.forget(String(record.uuid));
  }

  #keepPlacement(uuid: string, fields: Readonly<Record<string, Wire>>): void {
    const known = this.#placementRef(uuid);
    if (known === null) this.#database.create('placement', fields, uuid);
    else this.#database.update('placement', known, fields);
  }

  placement(uuid: string): { readonly hard: readonly string[]; readonly soft: readonly string[] } | null {
    const known = this.#placementRef(uuid);
    if (known === null) return null;
    const { hard, soft } = this.#database.get('placement', known);
    return { hard: hard as readonly string[], soft: soft as readonly string[] };
  }

  dropPlacement(uuid: string): void {
    const known = this.#placementRef(uuid);
    if (known !== null) this.#database.destroy('placement', known);
  }

  #placementRef(uuid: string): string | null {
    return this.#database.findUuid('placement', uuid);
  }

  /** From the toolstack's words to XAPI's codes (xapi/xapi_xenops.ml, transform_xenops_exn). */
  #throwFailure({ failure }: Outcome): void {
    if (failure === null) return;
    if (failure.kind === 'not-enough-memory') throw xapiErrors.notEnoughFreeMemory(failure.neededBytes, failure.freeBytes);
    throw xapiErrors.internal(`xenopsd internal error: ${failure.step}: ${failure.message}`);
  }
}
