// The hosts on which a VM can start, and the choice among them (ocaml/xapi/xapi_vm_helpers.ml and
// message_forwarding.ml of xen-api e2ee48d6).
import { Random } from '../../base/random.js';
import { PAGE_BYTES } from '../../base/units.js';
import { assertSeesNetworks, assertSeesStorage } from '../devices/vm-devices.js';
import type { Database } from '../model/database.js';
import type { PoolHost, PoolHosts } from '../model/pool-hosts.js';
import { NULL } from '../model/schema-types.js';
import { XapiError, xapiErrors } from '../wire/errors.js';
import type { WireStruct } from '../wire/values.js';
import { assertCanBootHere, overheadBytes } from './admission.js';
import { chooseHost, type HostLoad } from './host-choice.js';
import { antiAffinityGroup } from './membership.js';

/** Whether its VMs are leaving a host just now: it takes no others. */
export function isEvacuating(database: Database, host: string): boolean {
  return Object.values(database.get('host', host).current_operations as WireStruct).includes('evacuate');
}

/** host_allowed_operations, by the operation on a VM. */
const HOST_OPERATIONS: Readonly<Record<string, string>> = { resume: 'vm_resume', resume_on: 'vm_resume', pool_migrate: 'vm_migrate' };

export class Placing {
  readonly #database: Database;
  readonly #hosts: PoolHosts;
  readonly #random: Random;
  /** VMs on their way to a host, which has to keep room for them. */
  readonly #scheduled = new Map<string, string>();

  constructor(database: Database, hosts: PoolHosts, seed: number) {
    this.#database = database;
    this.#hosts = hosts;
    this.#random = new Random(seed);
  }

  /**
   * On the host that a caller names.
   * @param memory whether its free memory is looked at
   * @param storage whether the disks' SRs are; not where the disks move
   * @throws XapiError with the reason why the VM cannot start there
   */
  assertCanBoot(vm: string, host: string, memory: boolean, storage = true): void {
    const { toolstack, metrics } = this.#hosts.get(host);
    const record = this.#database.get('VM', vm);
    const { enabled, cpu_info } = this.#database.get('host', host);
    const live = this.#database.get('host_metrics', metrics).live === true;
    const freeBytes = (enoughBytes: number) => {
      const all = toolstack.doors.xc.physInfo().freePages * PAGE_BYTES;
      return all - this.#promised(vm, host, all - enoughBytes);
    };
    const pcpus = Number((cpu_info as WireStruct).cpu_count);
    assertCanBootHere(record, { ref: host, enabled: enabled === true, live, pcpus, freeBytes }, memory, () => {
      if (storage) assertSeesStorage(this.#database, vm, host);
      assertSeesNetworks(this.#database, vm, host);
    });
  }

  /** Hosts on which the VM could start now. @throws XapiError HANDLE_INVALID */
  possibleHosts(vm: string): string[] {
    this.#database.get('VM', vm);
    const scheduled = this.#scheduled.get(vm);
    if (scheduled !== undefined) return [scheduled];
    return this.#hosts.all.map(({ ref }) => ref).filter((ref) => this.#admits(vm, ref, true));
  }

  /**
   * The host for VM.start; whether its memory suffices comes to light when it is taken.
   * @throws XapiError NO_HOSTS_AVAILABLE
   */
  choose(vm: string): string {
    const record = this.#database.get('VM', vm);
    const all = this.#hosts.present(this.#database);
    // Of one host there is nothing to choose, and it is in a category if it has the memory.
    const [only] = all;
    if (all.length === 1 && this.#admits(vm, only!.ref, true)) return only!.ref;
    const [pool] = this.#database.records('pool');
    const affinity = record.affinity as string;
    const loads = all.map((host) => this.#load(host, record));
    const group = antiAffinityGroup(this.#database, record);
    const chosen = chooseHost({
      ranks: group === null ? [loads] : this.#apart(loads, affinity, group),
      affinity: affinity === NULL ? null : affinity,
      bias: pool![1].coordinator_bias === true,
      admits: (ref, memory) => !isEvacuating(this.#database, ref) && this.#admits(vm, ref, memory),
      random: () => this.#random.below(2 ** 30) / 2 ** 30,
    });
    if (chosen === null) throw xapiErrors.noHostsAvailable();
    return chosen;
  }

  /**
   * The host of the VM's affinity, then those with the fewest VMs of its group
   * (rank_hosts_by_placement).
   */
  #apart(loads: readonly HostLoad[], affinity: string, group: WireStruct): HostLoad[][] {
    const homes = this.homesOf(group);
    const count = ({ ref }: HostLoad) => homes.filter((home) => home === ref).length;
    const others = loads.filter(({ ref }) => ref !== affinity);
    const counts = [...new Set(others.map(count))].sort((a, b) => a - b);
    const ranks = counts.map((one) => others.filter((host) => count(host) === one));
    const own = loads.filter(({ ref }) => ref === affinity);
    return own.length === 0 ? ranks : [own, ...ranks];
  }

  /** Where the group's VMs run or are going to; null = one runs nowhere (host_to_vm_count_map). */
  homesOf(group: WireStruct): (string | null)[] {
    return (group.VMs as readonly string[]).map((vm) => {
      const { power_state: power, resident_on: home } = this.#database.get('VM', vm);
      return this.#scheduled.get(vm) ?? (power === 'Running' ? (home as string) : null);
    });
  }

  #admits(vm: string, host: string, memory: boolean): boolean {
    try {
      this.assertCanBoot(vm, host, memory);
      return true;
    } catch (error) {
      if (error instanceof XapiError) return false;
      throw error;
    }
  }

  /** While a VM is built on a host, its memory is promised (VM.scheduled_to_be_resident_on). */
  async whileScheduled<T>(vm: string, host: string, work: () => Promise<T>): Promise<T> {
    this.#schedule(vm, host);
    try {
      return await work();
    } finally {
      this.#schedule(vm, null);
    }
  }

  /** A VM on its way to the host; null = there is none. */
  coming(host: string): string | null {
    return [...this.#scheduled].find(([, to]) => to === host)?.[0] ?? null;
  }

  /**
   * As assertCanBoot, and no VM moves to a host that its VMs leave (xapi_host_helpers.ml,
   * valid_operations).
   * @throws XapiError OTHER_OPERATION_IN_PROGRESS
   */
  assertMovesTo(vm: string, host: string, memory: boolean, storage = true): void {
    this.assertCanBoot(vm, host, memory, storage);
    const current = Object.entries(this.#database.get('host', host).current_operations as WireStruct);
    const evacuation = current.find(([, operation]) => operation === 'evacuate');
    if (evacuation !== undefined) throw xapiErrors.otherOperation('host', host, 'evacuate', evacuation[0]);
  }

  /**
   * Nor is a host left or shut down that a VM comes to. xapi holds to this for vm_resume and
   * vm_migrate; a VM that starts would be left behind there just as well.
   * @throws XapiError OTHER_OPERATION_IN_PROGRESS
   */
  assertDeparture(host: string): void {
    const vm = this.coming(host);
    if (vm === null) return;
    const [current] = Object.entries(this.#database.get('VM', vm).current_operations as Readonly<Record<string, string>>);
    const [task, operation] = current ?? [vm, 'start'];
    throw xapiErrors.otherOperation('host', host, HOST_OPERATIONS[operation] ?? 'vm_start', task);
  }

  #schedule(vm: string, host: string | null): void {
    if (host === null) this.#scheduled.delete(vm);
    else this.#scheduled.set(vm, host);
    if (this.#database.has('VM', vm)) this.#database.update('VM', vm, { scheduled_to_be_resident_on: host ?? NULL }, 'derived');
  }

  /**
   * Memory that other VMs on their way to a host have not taken yet: what the domains there have
   * beyond those of VMs that are said to run there is theirs.
   * @param matterBytes up to here the figure may be too high
   */
  #promised(vm: string, host: string, matterBytes: number): number {
    const coming = this.#scheduledOn(host, vm).reduce((sum, record) => sum + Number(record.memory_dynamic_max), 0);
    if (coming <= Math.max(0, matterBytes)) return coming;
    const domains = this.#hosts.get(host).toolstack.doors.xc.domainList();
    const used = domains.filter(({ domid }) => domid !== 0).reduce((sum, { totPages }) => sum + totPages * PAGE_BYTES, 0);
    const known = this.#residents(host).reduce((sum, { metrics }) => {
      return sum + Number(this.#database.get('VM_metrics', String(metrics)).memory_actual);
    }, 0);
    return Math.max(0, coming - Math.max(0, used - known));
  }

  #residents(host: string): WireStruct[] {
    const all = [...this.#database.records('VM')].map(([, record]) => record);
    return all.filter((record) => record.resident_on === host && record.is_control_domain !== true);
  }

  #scheduledOn(host: string, but: string): WireStruct[] {
    return [...this.#scheduled].flatMap(([vm, to]) =>
      to === host && vm !== but && this.#database.has('VM', vm) ? [this.#database.get('VM', vm)] : [],
    );
  }

  #load({ ref, toolstack }: PoolHost, starting: WireStruct): HostLoad {
    const resident = this.#residents(ref);
    const sum = (field: string, records: readonly WireStruct[]) => records.reduce((total, record) => total + Number(record[field]), 0);
    const freeBytes = toolstack.doors.xc.physInfo().freePages * PAGE_BYTES;
    const all = [...resident, ...this.#scheduledOn(ref, ''), starting];
    return {
      ref,
      isCoordinator: ref === this.#hosts.coordinator.ref,
      availableBytes: freeBytes + sum('memory_target', resident) - overheadBytes(starting),
      staticMaxBytes: sum('memory_static_max', all),
      dynamicMaxBytes: sum('memory_dynamic_max', all),
      dynamicMinBytes: sum('memory_dynamic_min', all),
    };
  }
}
