// The objects of the hosts themselves: pool, host, host_cpu and host_metrics, made at the first
// start and brought up to date at each one.
import { hostname } from 'node:os';
import { InputError } from '../../base/errors.js';
import { PAGE_BYTES } from '../../base/units.js';
import type { Toolstack } from '../../xenopsd/api/toolstack.js';
import { newStruct, type Wire, WireDate, type WireStruct } from '../wire/values.js';
import type { Database } from './database.js';
import { API_VERSION, biosStrings, cpuModel, EDITION, hostTimes, LICENSE, RESTRICTIONS, softwareVersion } from './host-facts.js';
import { type PoolHost, PoolHosts } from './pool-hosts.js';
import { EMPTY_MAP } from './schema-types.js';

/** host and metrics are those of the coordinator. */
export interface HostObjects {
  readonly pool: string;
  readonly host: string;
  readonly metrics: string;
}

/** Key of Host.software_version with the name that a host's description has. */
const NAME_KEY = 'xennuma_name';

export interface MadeHosts {
  readonly objects: HostObjects;
  readonly hosts: PoolHosts;
  /** Refs of hosts that are new in the pool. */
  readonly added: readonly string[];
}

/**
 * @param toolstacks the coordinator's first
 * @throws InputError for a host of the state that is not among them
 */
export function makeHostObjects(database: Database, toolstacks: readonly Toolstack[], version: string, address: string): MadeHosts {
  const names = uniqueNames(toolstacks);
  const known = knownHosts(database, names);
  const added: string[] = [];
  const hostRecords = toolstacks.map((toolstack, index) => {
    const name = names[index]!;
    const several = toolstacks.length > 1;
    const ref = known.get(name) ?? database.create('host', { name_label: several ? name : toolstack.doors.name });
    if (!known.has(name)) added.push(ref);
    return makeHost(database, toolstack, ref, { version, address, name, hostname: several ? hostnameOf(name) : hostname() });
  });
  const hosts = new PoolHosts(hostRecords);
  const { ref: host, metrics } = hosts.coordinator;
  const pool = database.refs('pool')[0] ?? database.create('pool', { name_label: '' });
  database.update('pool', pool, { master: host, cpu_info: poolCpuInfo(database, hosts), restrictions: RESTRICTIONS }, 'fact');
  updateMemory(database, hosts);
  return { objects: { pool, host, metrics }, hosts, added };
}

interface HostNames {
  readonly version: string;
  readonly address: string;
  readonly name: string;
  readonly hostname: string;
}

function makeHost(database: Database, toolstack: Toolstack, ref: string, names: HostNames): PoolHost {
  const metrics = database.create('host_metrics', {});
  database.update(
    'host',
    ref,
    {
      API_version_major: API_VERSION.major,
      API_version_minor: API_VERSION.minor,
      API_version_vendor: 'xennuma',
      software_version: struct({
        ...softwareVersion(toolstack, names.version),
        hostname: names.hostname,
        [NAME_KEY]: names.name,
      }),
      other_config: struct({ ...(database.get('host', ref).other_config as WireStruct), ...hostTimes(toolstack, Date.now()) }),
      bios_strings: biosStrings(toolstack),
      edition: EDITION,
      editions: [EDITION],
      license_params: LICENSE,
      capabilities: ['xen-3.0-x86_64', 'hvm-3.0-x86_64'],
      hostname: names.hostname,
      address: names.address,
      enabled: true,
      cpu_info: cpuInfoOf(toolstack),
      host_CPUs: makeCpus(database, toolstack, ref),
      metrics,
      resident_VMs: [],
      // What an earlier process began has ended with it.
      current_operations: EMPTY_MAP,
    },
    'fact',
  );
  return { ref, uuid: String(database.get('host', ref).uuid), metrics, toolstack };
}

/**
 * Two hosts may have the same description: they are "name", "name-2" and so on. A description
 * without a name has the path of its file, of which the last part counts.
 */
function uniqueNames(toolstacks: readonly Toolstack[]): string[] {
  const names: string[] = [];
  for (const { doors } of toolstacks) {
    const plain = doors.name.split('/').at(-1)!;
    let name = plain;
    for (let number = 2; names.includes(name); number++) name = `${plain}-${number}`;
    names.push(name);
  }
  return names;
}

/**
 * The records of hosts that the state has, by name. A pool of one host keeps its host whatever it
 * is called now.
 * @throws InputError for a host that is not among the names
 */
function knownHosts(database: Database, names: readonly string[]): ReadonlyMap<string, string> {
  const records = [...database.records('host')];
  const [only] = records;
  if (only === undefined) return new Map();
  if (records.length === 1 && names.length === 1) return new Map([[names[0]!, only[0]]]);
  const known = new Map<string, string>();
  for (const [ref, record] of records) {
    // A state from before there were pools has one host without this key.
    const name = String((record.software_version as WireStruct)[NAME_KEY] ?? names[0]);
    if (!names.includes(name)) {
      throw new InputError(
        `the state has a host '${name}', which is not given`,
        { path: '--host' },
        'give its description too; a running daemon takes a host out of its pool with xe pool-eject',
      );
    }
    known.set(name, ref);
  }
  return known;
}

/** Letters, digits and dashes. */
function hostnameOf(name: string): string {
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
  return plain === '' ? 'host' : plain.slice(0, 63);
}

/** CPUs of all hosts, and the kind of the coordinator's (create_misc.ml, create_pool_cpuinfo). */
export function poolCpuInfo(database: Database, hosts: PoolHosts): WireStruct {
  const all = hosts.all.map(({ ref }) => database.get('host', ref).cpu_info as Readonly<Record<string, string>>);
  const sum = (key: string) => String(all.reduce((total, info) => total + Number(info[key]), 0));
  return struct({ ...all[0]!, cpu_count: sum('cpu_count'), socket_count: sum('socket_count') });
}

/**
 * memory_free and the VMs that run there, after domains came or went.
 * @param changed VMs that may have come or gone; left out = any
 */
export function updateMemory(database: Database, hosts: PoolHosts, changed: readonly string[] = database.published.refs('VM')): void {
  for (const { ref: host, metrics, toolstack } of hosts.all) {
    // One that is leaving the pool.
    if (!database.has('host', host)) continue;
    const { totalPages, freePages } = toolstack.doors.xc.physInfo();
    const memory = { memory_total: totalPages * PAGE_BYTES, memory_free: freePages * PAGE_BYTES };
    const before = database.get('host_metrics', metrics);
    if (hosts.all.length === 1 || before.memory_free !== memory.memory_free || before.memory_total !== memory.memory_total) {
      database.update('host_metrics', metrics, { ...memory, last_updated: WireDate.at(Date.now()) });
    }
    updateResidents(database, host, changed);
  }
}

function updateResidents(database: Database, host: string, changed: readonly string[]): void {
  const known = new Set(database.get('host', host).resident_VMs as readonly string[]);
  let differs = false;
  for (const ref of changed) {
    const isHere = database.published.object('VM', ref)?.record?.resident_on === host;
    if (isHere === known.has(ref)) continue;
    differs = true;
    if (isHere) known.add(ref);
    else known.delete(ref);
  }
  if (differs) database.update('host', host, { resident_VMs: [...known] }, 'derived');
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

export function hostMask(record: WireStruct): string | null {
  const { mask } = record.guest_VCPUs_params as WireStruct;
  return typeof mask === 'string' ? mask : null;
}

function struct(fields: Readonly<Record<string, Wire>>): WireStruct {
  return Object.freeze(Object.assign(newStruct(), fields));
}
