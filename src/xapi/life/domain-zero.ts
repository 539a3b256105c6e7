// Domain-0's record, created at the first start and updated at each start, with the names, fields
// and values of ocaml/xapi/create_misc.ml of xen-api e2ee48d6 (ensure_domain_zero_records).
import { randomUUID } from 'node:crypto';
import { PAGE_BYTES } from '../../base/units.js';
import type { Database } from '../model/database.js';
import type { PoolHost } from '../model/pool-hosts.js';
import { NULL } from '../model/schema-types.js';
import { newStruct, type Wire, WireFloat, type WireStruct } from '../wire/values.js';
import { numaFields } from './vm-records.js';

const NAME_STEM = 'Control domain on host: ';
const DESCRIPTION = 'The domain which manages physical devices and manages other domains';
/** domain_zero_domain_type of xapi_globs.ml */
const DOMAIN_TYPE = 'pv';

/** Every change is a fact: Xen has started Domain-0, whatever storage says. */
export function ensureDomainZero(database: Database, { ref: host, toolstack }: PoolHost): void {
  const info = toolstack.doors.xc.domainInfo(0);
  if (info === null) return;
  const vcpus = info.maxVcpuId + 1;
  const bytes = info.totPages * PAGE_BYTES;
  const metricsFields = {
    VCPUs_number: vcpus,
    VCPUs_utilisation: struct(Array.from({ length: vcpus }, (_, index) => [String(index + 1), new WireFloat(0)])),
    current_domain_type: DOMAIN_TYPE,
    ...numaFields(toolstack.doors, 0),
  };
  const hostRecord = database.get('host', host);
  const name = `${NAME_STEM}${String(hostRecord.hostname)}`;
  const changing = { power_state: 'Running', domid: 0, VCPUs_max: vcpus, VCPUs_at_startup: vcpus, ...pinnedMemory(bytes) };
  const known = [...database.records('VM')].find(([, vm]) => vm.is_control_domain === true && vm.resident_on === host);
  if (known === undefined) {
    const metrics = database.create('VM_metrics', metricsFields, randomUUID(), 'fact');
    const created = { ...FIELDS, ...changing, name_label: name, resident_on: host, affinity: host, metrics, memory_static_min: bytes };
    const control = database.create('VM', created, uuidOf(info.uuid), 'fact');
    database.update('host', host, { control_domain: control }, 'fact');
    return;
  }
  const [control, record] = known;
  // A name that somebody has chosen stays (helpers.ml, update_domain_zero_name).
  const named = String(record.name_label).startsWith(NAME_STEM) ? { name_label: name } : {};
  const staticMin = Math.min(record.memory_static_min as number, bytes);
  database.update('VM', control, { ...changing, ...named, memory_static_min: staticMin, requires_reboot: false }, 'fact');
  database.update('VM_metrics', String(record.metrics), metricsFields, 'fact');
  if (hostRecord.control_domain === NULL) database.update('host', host, { control_domain: control }, 'fact');
}

const FIELDS: Readonly<Record<string, Wire>> = {
  name_description: DESCRIPTION,
  is_control_domain: true,
  domain_type: DOMAIN_TYPE,
  domarch: 'x64',
  user_version: 1,
  actions_after_crash: 'destroy',
  actions_after_reboot: 'destroy',
  actions_after_shutdown: 'destroy',
};

/** Domain-0 has what it was booted with. */
function pinnedMemory(bytes: number): Readonly<Record<string, Wire>> {
  return { memory_dynamic_min: bytes, memory_target: bytes, memory_dynamic_max: bytes, memory_static_max: bytes };
}

/** The one that Xen was told of, as xapi's own host does; another where it was told of none. */
function uuidOf(handle: Uint8Array): string {
  if (handle.every((byte) => byte === 0)) return randomUUID();
  const hex = Buffer.from(handle).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function struct(entries: readonly (readonly [string, Wire])[]): WireStruct {
  return Object.freeze(Object.assign(newStruct(), Object.fromEntries(entries)));
}
