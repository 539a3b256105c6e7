// The objects of the host itself: pool, host, host_cpu and host_metrics, made at the first start
// and brought up to date at each one.
import { hostname } from 'node:os';
import { PAGE_BYTES } from '../../base/units.js';
import type { Toolstack } from '../../xenopsd/api/toolstack.js';
import { newStruct, type Wire, WireDate, type WireStruct } from '../wire/values.js';
import type { Database } from './database.js';
import { API_VERSION, biosStrings, cpuModel, hostTimes, softwareVersion } from './host-facts.js';

export interface HostObjects {
  readonly pool: string;
  readonly host: string;
  readonly metrics: string;
}

export function makeHostObjects(database: Database, toolstack: Toolstack, version: string, address: string): HostObjects {
  const host = database.refs('host')[0] ?? database.create('host', { name_label: toolstack.doors.name });
  const pool = database.refs('pool')[0] ?? database.create('pool', { name_label: '' });
  const metrics = database.create('host_metrics', {});
  const cpuInfo = cpuInfoOf(toolstack);
  database.update('pool', pool, { master: host, cpu_info: cpuInfo }, 'fact');
  database.update(
    'host',
    host,
    {
      API_version_major: API_VERSION.major,
      API_version_minor: API_VERSION.minor,
      API_version_vendor: 'xennuma',
      software_version: softwareVersion(toolstack, version),
      other_config: struct({ ...(database.get('host', host).other_config as WireStruct), ...hostTimes(toolstack, Date.now()) }),
      bios_strings: biosStrings(toolstack),
      capabilities: ['xen-3.0-x86_64', 'hvm-3.0-x86_64'],
      hostname: hostname(),
      address,
      enabled: true,
      cpu_info: cpuInfo,
      host_CPUs: makeCpus(database, toolstack, host),
      metrics,
      resident_VMs: [],
    },
    'fact',
  );
  const objects = { pool, host, metrics };
  updateMemory(database, toolstack, objects);
  return objects;
}

/** memory_free and the VMs that run here, after domains came or went. */
export function updateMemory(database: Database, toolstack: Toolstack, { host, metrics }: HostObjects): void {
  const { totalPages, freePages } = toolstack.doors.xc.physInfo();
  database.update('host_metrics', metrics, {
    memory_total: totalPages * PAGE_BYTES,
    memory_free: freePages * PAGE_BYTES,
    last_updated: WireDate.at(Date.now()),
  });
  const resident = [...database.published.records('VM')].filter(([, vm]) => vm.resident_on === host).map(([ref]) => ref);
  const before = database.get('host', host).resident_VMs as readonly string[];
  if (before.length !== resident.length || before.some((ref, index) => ref !== resident[index])) {
    database.update('host', host, { resident_VMs: resident }, 'derived');
  }
}

function cpuInfoOf(toolstack: Toolstack): WireStruct {
  const physical = toolstack.doors.xc.physInfo();
  const topology = toolstack.doors.xc.cpuTopology().filter((cpu) => cpu !== null);
  return struct({
    cpu_count: String(physical.onlineCpus),
    socket_count: String(new Set(topology.map(({ socket }) => socket)).size),
    threads_per_core: String(physical.threadsPerCore),
    nr_nodes: String(toolstack.doors.xc.numaInfo().nodes.length),
    ...cpuModel(toolstack),
    features: '',
    features_pv: '',
    features_hvm: '',
  });
}

function makeCpus(database: Database, toolstack: Toolstack, host: string): string[] {
  const { speed, family, model, ...plain } = cpuModel(toolstack);
  // Numbers here, text in Host.cpu_info.
  const shared = { ...plain, speed: Math.round(Number(speed)), family: Number(family), model: Number(model) };
  return toolstack.doors.xc.cpuTopology().flatMap((cpu, number) => {
    if (cpu === null) return [];
    // Where each CPU lies has no field in XAPI; clients that know this key need no topology file.
    const other = struct({ 'xennuma:node': String(cpu.node), 'xennuma:core': String(cpu.core), 'xennuma:socket': String(cpu.socket) });
    return [database.create('host_cpu', { ...shared, host, number, other_config: other })];
  });
}

export function hostPolicy(record: WireStruct): 'any' | 'best_effort' | 'default_policy' {
  return record.numa_affinity_policy as 'any' | 'best_effort' | 'default_policy';
}

export function hostMask(record: WireStruct): string | null {
  const { mask } = record.guest_VCPUs_params as WireStruct;
  return typeof mask === 'string' ? mask : null;
}

function struct(fields: Readonly<Record<string, Wire>>): WireStruct {
  return Object.freeze(Object.assign(newStruct(), fields));
}
