// The metadata of a VM as a header: its record and those of its devices, disks, storage, networks
// and hosts. References to all else are none (export.ml of xen-api e2ee48d6).
import { hostname } from 'node:os';
import type { Database } from '../../model/database.js';
import { NULL } from '../../model/schema-types.js';
import { xapiErrors } from '../../wire/errors.js';
import { EPOCH, newStruct, structOf, type Wire, WireDate, WireInt32, type WireStruct } from '../../wire/values.js';
import { type ExportedObject, type Header, MOST_OBJECTS, versionOf } from './header.js';

/** With checksums of disks, which metadata has none of. */
const EXPORT_VERSION = 2;

/** Kinds of devices that a client may leave out. */
export type DeviceKind = 'VIF' | 'VBD' | 'VGPU' | 'VTPM';

type Change = (record: WireStruct) => Readonly<Record<string, Wire>>;
const NO_OPERATIONS = { current_operations: newStruct(), allowed_operations: [] };

/** What of a record is not exported. */
const CHANGES: Readonly<Record<string, Change>> = {
  VM: ({ power_state: power }) => ({
    ...{ ...NO_OPERATIONS, crash_dumps: [], consoles: [], blobs: newStruct(), protection_policy: NULL },
    ...{ is_a_snapshot: false, snapshot_of: NULL, snapshots: [], snapshot_time: EPOCH, transportable_snapshot_id: '', parent: NULL },
    ...(power === 'Suspended' ? {} : { suspend_VDI: NULL }),
  }),
  VBD: () => ({ ...NO_OPERATIONS, metrics: NULL }),
  VIF: () => ({ ...NO_OPERATIONS, metrics: NULL }),
  VDI: () => ({ ...NO_OPERATIONS, crash_dumps: [] }),
  SR: () => ({ ...NO_OPERATIONS, PBDs: [] }),
  network: () => ({ ...NO_OPERATIONS, PIFs: [] }),
};

/** Of a host only what tells which it is. */
const HOST_FIELDS = ['uuid', 'name_label', 'name_description', 'hostname', 'address'];

export function exportHeader(database: Database, vm: string, excluded: ReadonlySet<DeviceKind>): Header {
  const { published } = database;
  /** Ids by reference, in the order in which objects were found. */
  const ids = new Map<string, readonly [type: string, id: string]>();
  const add = (type: string, ref: Wire): WireStruct | null => {
    const known = published.object(type, ref as string);
    if (known === undefined) return null;
    if (!ids.has(ref as string)) ids.set(ref as string, [type, `Ref:${ids.size}`]);
    if (ids.size > MOST_OBJECTS) throw xapiErrors.operationNotAllowed(`the VM has more than ${MOST_OBJECTS} objects`);
    return known.record;
  };
  const addDisk = (ref: Wire): void => {
    const disk = add('VDI', ref);
    if (disk !== null) add('SR', disk.SR!);
  };
  const record = published.get('VM', vm);
  add('VM', vm);
  if (!excluded.has('VIF')) for (const vif of record.VIFs as readonly string[]) add('network', add('VIF', vif)?.network ?? NULL);
  if (!excluded.has('VBD')) for (const vbd of record.VBDs as readonly string[]) addDisk(add('VBD', vbd)?.VDI ?? NULL);
  if (record.power_state === 'Suspended') addDisk(record.suspend_VDI!);
  add('VM_metrics', record.metrics!);
  add('VM_guest_metrics', record.guest_metrics!);
  for (const host of [record.resident_on!, record.affinity!]) add('host', host);

  const idOf = (ref: string): string => ids.get(ref)?.[1] ?? NULL;
  const objects = [...ids].map(
    ([ref, [type, id]]): ExportedObject => ({ type, id, record: exported(type, published.get(type, ref), idOf) }),
  );
  return { version: versionHere(database), objects };
}

function exported(type: string, record: WireStruct, idOf: (ref: string) => string): WireStruct {
  const kept = type === 'host' ? Object.fromEntries(HOST_FIELDS.map((name) => [name, record[name]!])) : record;
  const fields = { ...kept, ...CHANGES[type]?.(record) };
  return structOf(Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, withIds(value, idOf)])));
}

const isRef = (value: Wire): value is string => typeof value === 'string' && value.startsWith('OpaqueRef:');

/** References become ids; in sets those without one are left out. */
function withIds(value: Wire, idOf: (ref: string) => string): Wire {
  if (isRef(value)) return idOf(value);
  if (!Array.isArray(value)) return value;
  return (value as readonly Wire[])
    .map((one) => (isRef(one) ? idOf(one) : one))
    .filter((one, index) => one !== NULL || !isRef(value[index] as Wire));
}

function versionHere(database: Database): WireStruct {
  const [[, host] = [NULL, newStruct()]] = [...database.published.records('host')];
  const software = host.software_version as WireStruct;
  const [major, minor] = versionOf(software);
  const text = (name: string): Wire => software[name] ?? '';
  return structOf({
    hostname: hostname(),
    date: WireDate.at(Date.now()).text,
    ...{ product_version: text('product_version'), product_brand: text('product_brand'), build_number: text('build_number') },
    ...{ xapi_major: new WireInt32(major), xapi_minor: new WireInt32(minor), export_vsn: new WireInt32(EXPORT_VERSION) },
  });
}
