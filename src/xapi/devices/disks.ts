// VDIs: their creation, copies and destruction, and the sizes of their SR. A VDI has no contents:
// writes of a guest are not stored.
import { randomUUID } from 'node:crypto';
import type { Database } from '../model/database.js';
import { NULL } from '../model/schema-types.js';
import { deviceErrors } from '../wire/device-errors.js';
import { type Wire, WireDate, type WireStruct } from '../wire/values.js';
import { assertAttached, assertSrAllows, assertVdiAllows } from './allowed-storage.js';
import { trackSnapshot } from './changed-blocks.js';
import { DRIVERS, roundedSize } from './drivers.js';
import { createLinked, destroyLinked, updateLinked } from './links.js';

type Fields = Readonly<Record<string, Wire>>;

/**
 * @param fields of VDI.create: its SR, virtual_size and so on
 * @throws XapiError SR_HAS_NO_PBDS, SR_OPERATION_NOT_SUPPORTED, VDI_INCOMPATIBLE_TYPE,
 *   SR_BACKEND_FAILURE_44 and _79
 */
export function createDisk(database: Database, fields: Fields): string {
  const sr = fields.SR as string;
  if (fields.type === 'cbt_metadata') throw deviceErrors.vdiIncompatibleType('', 'cbt_metadata');
  assertSrAllows(database, sr, 'vdi_create');
  assertAttached(database, sr);
  return enterDisk(database, { ...fields, virtual_size: roundedSize(fields.virtual_size as number) }, randomUUID());
}

/** A disk whose image is there already, or that was just made. */
export function enterDisk(database: Database, fields: Fields, uuid: string): string {
  const size = fields.virtual_size as number;
  charge(database, fields.SR as string, size);
  const { thick } = DRIVERS[database.get('SR', fields.SR as string).type as string]!;
  const own = { managed: true, location: uuid, ...fields, physical_utilisation: thick ? size : 0 };
  return createLinked(database, 'VDI', own, uuid);
}

/** Fields that a copy shares with its original (snapshot_and_clone of xapi_vdi.ml). */
const COPIED = [
  'name_label',
  'name_description',
  'type',
  'sharable',
  'other_config',
  'xenstore_data',
  'on_boot',
  'allow_caching',
  'tags',
  'virtual_size',
];

/**
 * @param sr where a full copy is made; the others stay on the SR of their original
 * @throws XapiError with the reason why it is not allowed now
 */
export function copyDisk(database: Database, ref: string, how: 'clone' | 'copy' | 'snapshot', sr: string = NULL): string {
  assertVdiAllows(database, ref, how);
  const vdi = database.get('VDI', ref);
  const target = sr === NULL ? (vdi.SR as string) : sr;
  if (how !== 'snapshot') assertSrAllows(database, target, 'vdi_create');
  assertAttached(database, target);
  const fields = Object.fromEntries(COPIED.map((name) => [name, vdi[name]!]));
  const snapshot = how === 'snapshot' ? { is_a_snapshot: true, snapshot_of: ref, snapshot_time: WireDate.at(Date.now()) } : {};
  const copy = enterDisk(database, { ...fields, SR: target, ...snapshot }, randomUUID());
  if (how === 'snapshot') trackSnapshot(database, ref, copy);
  return copy;
}

/** @throws XapiError with the reason why it is not allowed now */
export function resizeDisk(database: Database, ref: string, bytes: number): void {
  assertVdiAllows(database, ref, 'resize');
  const vdi = database.get('VDI', ref);
  const size = roundedSize(bytes);
  const more = size - (vdi.virtual_size as number);
  if (more < 0) throw deviceErrors.vdiSize('shrinking not allowed');
  charge(database, vdi.SR as string, more);
  const { thick } = DRIVERS[database.get('SR', vdi.SR as string).type as string]!;
  updateLinked(database, 'VDI', ref, { virtual_size: size, ...(thick ? { physical_utilisation: size } : {}) });
}

/** @throws XapiError with the reason why it is not allowed now */
export function destroyDisk(database: Database, ref: string): void {
  assertVdiAllows(database, ref, 'destroy');
  assertAttached(database, database.get('VDI', ref).SR as string);
  dropDisk(database, ref);
}

/** The record and its VBDs: a drive stays and is empty, a disk goes (db_gc_util.ml). */
export function dropDisk(database: Database, ref: string): void {
  const vdi = database.get('VDI', ref);
  for (const vbd of vdi.VBDs as readonly string[]) {
    if (database.get('VBD', vbd).type === 'CD') updateLinked(database, 'VBD', vbd, { VDI: NULL, empty: true });
    else dropVbd(database, vbd);
  }
  for (const snapshot of vdi.snapshots as readonly string[]) database.update('VDI', snapshot, { snapshot_of: NULL });
  destroyLinked(database, 'VDI', ref);
  charge(database, vdi.SR as string, -(vdi.virtual_size as number));
}

export function dropVbd(database: Database, ref: string): void {
  const { metrics } = database.get('VBD', ref);
  destroyLinked(database, 'VBD', ref);
  if (database.has('VBD_metrics', metrics as string)) database.destroy('VBD_metrics', metrics as string);
}

export function dropVif(database: Database, ref: string): void {
  const { metrics } = database.get('VIF', ref);
  destroyLinked(database, 'VIF', ref);
  if (database.has('VIF_metrics', metrics as string)) database.destroy('VIF_metrics', metrics as string);
}

/** @throws XapiError SR_BACKEND_FAILURE_44 */
function charge(database: Database, ref: string, bytes: number): void {
  const sr: WireStruct = database.get('SR', ref);
  const used = sr.physical_utilisation as number;
  const { thick } = DRIVERS[sr.type as string]!;
  if (thick && bytes > (sr.physical_size as number) - used) throw deviceErrors.srFull();
  database.update('SR', ref, {
    virtual_allocation: (sr.virtual_allocation as number) + bytes,
    ...(thick ? { physical_utilisation: used + bytes } : {}),
  });
}
