// A VM's records after its domain was built or ended: power state, metrics, and the nodes of its
// memory.
import { formatList } from '../../base/bitset.js';
import { PAGE_BYTES } from '../../base/units.js';
import { numaMetrics } from '../../map/numa-metrics.js';
import type { HostDoors } from '../../xenopsd/api/host-doors.js';
import { pagesByNode } from '../../xenopsd/start/landing.js';
import { attachDevices, detachDevices } from '../devices/vm-devices.js';
import type { ChangeKind, Database } from '../model/database.js';
import type { PoolHost } from '../model/pool-hosts.js';
import { EMPTY_MAP, NULL } from '../model/schema-types.js';
import type { PowerState } from '../model/schema-vm.js';
import { EPOCH, newStruct, type Wire, WireDate } from '../wire/values.js';
import { platformFlag } from './admission.js';
import { domainTypeOf } from './vm-spec.js';

/** CPU lists ("0-3,8"), index = vCPU. */
export interface Placement {
  readonly hard: readonly string[];
  readonly soft: readonly string[];
}

export class VmRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Includes XenServer's figures of the domain's memory by node. */
  domainBuilt(vm: string, power: PowerState, domid: number, { ref: host, toolstack }: PoolHost, kind: ChangeKind = 'stored'): void {
    const record = this.#database.get('VM', vm);
    const { doors } = toolstack;
    // Xen's answers first: if one fails, nothing of this is staged.
    const numa = numaFields(doors, domid);
    const masks = Array.from({ length: record.VCPUs_max as number }, (_, vcpu) => doors.xc.vcpuGetAffinity(domid, vcpu));
    const fields = { power_state: power, domid, resident_on: host, domarch: 'x64', memory_target: record.memory_dynamic_max! };
    this.#database.update('VM', vm, fields, kind);
    const { address } = this.#database.get('host', host);
    if (doors.kind === 'embedded') attachDevices(this.#database, vm, String(address), kind);
    const metrics = {
      VCPUs_number: record.VCPUs_at_startup!,
      nomigrate: platformFlag(record, 'nomigrate'),
      nested_virt: platformFlag(record, 'nested-virt'),
      state: [power.toLowerCase()],
      start_time: WireDate.at(Date.now()),
      last_updated: WireDate.at(Date.now()),
      hvm: domainTypeOf(record) === 'hvm',
      current_domain_type: domainTypeOf(record),
      ...numa,
    };
    this.#database.update('VM_metrics', String(record.metrics), metrics, kind);
    const placement = { hard: masks.map(({ hard }) => formatList(hard)), soft: masks.map(({ soft }) => formatList(soft)) };
    this.#keepPlacement(String(record.uuid), placement, kind);
  }

  domainGone(vm: string, into: 'Halted' | 'Suspended', kind: ChangeKind = 'stored'): void {
    const record = this.#database.get('VM', vm);
    this.#database.update('VM', vm, { power_state: into, domid: -1, resident_on: NULL, domarch: '' }, kind);
    detachDevices(this.#database, vm, into, kind);
    const metrics = {
      memory_actual: 0,
      VCPUs_number: 0,
      state: [into.toLowerCase()],
      start_time: EPOCH,
      last_updated: WireDate.at(Date.now()),
      current_domain_type: 'unspecified',
      numa_nodes: 0,
      numa_optimised: false,
      numa_node_memory: EMPTY_MAP,
    };
    this.#database.update('VM_metrics', String(record.metrics), metrics, kind);
    this.dropPlacement(String(record.uuid), kind);
  }

  /** Where the VM ran last; null = it does not run. */
  placement(uuid: string): Placement | null {
    const known = this.#database.findUuid('placement', uuid);
    if (known === null) return null;
    const { hard, soft } = this.#database.get('placement', known);
    return { hard: hard as readonly string[], soft: soft as readonly string[] };
  }

  dropPlacement(uuid: string, kind: ChangeKind = 'stored'): void {
    const known = this.#database.findUuid('placement', uuid);
    if (known !== null) this.#database.destroy('placement', known, kind);
  }

  #keepPlacement(uuid: string, fields: Readonly<Record<string, Wire>>, kind: ChangeKind): void {
    const known = this.#database.findUuid('placement', uuid);
    if (known === null) this.#database.create('placement', fields, uuid, kind);
    else this.#database.update('placement', known, fields, kind);
  }
}

/** Fields of VM_metrics: a domain's memory, and XenServer's figures of its nodes. */
export function numaFields(doors: HostDoors, domid: number): Readonly<Record<string, Wire>> {
  const pages = pagesByNode(doors, domid);
  const numa = numaMetrics(pages, pages.length);
  return {
    memory_actual: pages.reduce((sum, count) => sum + count, 0) * PAGE_BYTES,
    numa_nodes: numa.numa_nodes,
    numa_optimised: numa.numa_optimised,
    numa_node_memory: Object.freeze(Object.assign(newStruct(), numa.numa_node_memory)),
  };
}
