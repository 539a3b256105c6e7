// Disks that move to other storage, with their VM or without it (ocaml/xapi/xapi_vm_migrate.ml of
// xen-api e2ee48d6). As a disk has no contents, its record is what moves: a new disk takes its
// place in the VBDs, and its snapshots move with it.
import { randomUUID } from 'node:crypto';
import type { Database } from '../model/database.js';
import { deviceErrors } from '../wire/device-errors.js';
import { XapiError } from '../wire/errors.js';
import type { WireStruct } from '../wire/values.js';
import { assertAttached, assertSrAllows, isAttached } from './allowed-storage.js';
import { dropDisk, enterDisk } from './disks.js';
import { DRIVERS } from './drivers.js';
import { updateLinked } from './links.js';

/** Where each disk goes: VDI -> SR. */
export type DiskMap = Readonly<Record<string, string>>;

const NEEDED = ['VDI_SNAPSHOT', 'VDI_MIRROR'];
/** Fields that the new disk has of its own. */
const OWN = [
  'uuid',
  'SR',
  'VBDs',
  'snapshots',
  'location',
  'physical_utilisation',
  'allowed_operations',
  'current_operations',
  'sm_config',
];

/** Those that do not stay on their SR. */
export function leaving(database: Database, map: DiskMap): (readonly [vdi: string, sr: string])[] {
  return Object.entries(map).filter(([vdi, sr]) => database.get('VDI', vdi).SR !== sr);
}

/**
 * @throws XapiError VDI_INCOMPATIBLE_TYPE, VDI_CBT_ENABLED, SR_DOES_NOT_SUPPORT_MIGRATION,
 *   SR_HAS_NO_PBDS, SR_OPERATION_NOT_SUPPORTED
 */
export function assertMovable(database: Database, ref: string, sr: string): void {
  const { type, cbt_enabled: tracked, SR: from } = database.get('VDI', ref);
  if (type === 'cbt_metadata') throw deviceErrors.vdiIncompatibleType(ref, 'cbt_metadata');
  if (tracked === true) throw deviceErrors.vdiTracked(ref);
  for (const one of [from as string, sr]) {
    const features = DRIVERS[database.get('SR', one).type as string]?.features ?? [];
    const missing = NEEDED.filter((feature) => !features.includes(feature));
    if (missing.length > 0) throw new XapiError('SR_DOES_NOT_SUPPORT_MIGRATION', one, missing.join(';'));
  }
  assertAttached(database, sr);
  assertSrAllows(database, sr, 'vdi_create');
}

export function isOn(database: Database, sr: string, host: string): boolean {
  return isAttached(database, database.get('SR', sr), host);
}

/** @returns the disk in its place @throws XapiError SR_BACKEND_FAILURE_44 */
export function moveDisk(database: Database, ref: string, sr: string): string {
  const vdi = database.get('VDI', ref);
  const moved = enterMoved(database, vdi, sr, vdi.snapshot_of as string);
  for (const snapshot of vdi.snapshots as readonly string[]) {
    const record = database.get('VDI', snapshot);
    replace(database, snapshot, record, enterMoved(database, record, sr, moved));
  }
  replace(database, ref, vdi, moved);
  return moved;
}

function enterMoved(database: Database, vdi: WireStruct, sr: string, original: string): string {
  const fields = Object.fromEntries(Object.entries(vdi).filter(([name]) => !OWN.includes(name)));
  return enterDisk(database, { ...fields, SR: sr, snapshot_of: original }, randomUUID());
}

function replace(database: Database, ref: string, vdi: WireStruct, by: string): void {
  for (const vbd of vdi.VBDs as readonly string[]) updateLinked(database, 'VBD', vbd, { VDI: by });
  dropDisk(database, ref);
}
