// The operations that an SR or a VDI allows, and the errors for the others: the rules of
// ocaml/xapi/xapi_sr_operations.ml and xapi_vdi.ml of xen-api e2ee48d6, in their order.
import type { Database } from '../model/database.js';
import { deviceErrors } from '../wire/device-errors.js';
import { type XapiError, xapiErrors } from '../wire/errors.js';
import type { WireStruct } from '../wire/values.js';
import { DRIVERS } from './drivers.js';

const SR_OPERATIONS = [
  'scan',
  'destroy',
  'forget',
  'plug',
  'unplug',
  'update',
  'vdi_create',
  'vdi_introduce',
  'vdi_destroy',
  'vdi_resize',
  'vdi_clone',
  'vdi_snapshot',
  'vdi_mirror',
  'vdi_enable_cbt',
  'vdi_disable_cbt',
  'vdi_data_destroy',
  'vdi_list_changed_blocks',
  'vdi_set_on_boot',
  'pbd_create',
  'pbd_destroy',
] as const;
export type SrOperation = (typeof SR_OPERATIONS)[number];

/** sm_cap_table; others need nothing of the driver. */
const SR_FEATURES: Readonly<Partial<Record<SrOperation, string>>> = {
  vdi_create: 'VDI_CREATE',
  vdi_destroy: 'VDI_DELETE',
  vdi_resize: 'VDI_RESIZE',
  vdi_introduce: 'VDI_INTRODUCE',
  vdi_mirror: 'VDI_MIRROR',
  vdi_enable_cbt: 'VDI_CONFIG_CBT',
  vdi_disable_cbt: 'VDI_CONFIG_CBT',
  vdi_data_destroy: 'VDI_CONFIG_CBT',
  vdi_list_changed_blocks: 'VDI_CONFIG_CBT',
  vdi_set_on_boot: 'VDI_RESET_ON_BOOT',
  update: 'SR_UPDATE',
  vdi_snapshot: 'VDI_SNAPSHOT',
};

/** Those that allowed_operations lists: xapi leaves out those of later releases (xapi_globs.ml). */
const LISTED_VDI_OPERATIONS = [
  'clone',
  'copy',
  'resize',
  'resize_online',
  'snapshot',
  'destroy',
  'forget',
  'update',
  'generate_config',
] as const;
const CBT_OPERATIONS = ['enable_cbt', 'disable_cbt', 'data_destroy', 'list_changed_blocks'] as const;
export type VdiOperation = (typeof LISTED_VDI_OPERATIONS)[number] | (typeof CBT_OPERATIONS)[number] | 'set_on_boot';

/** feature_of_op */
const VDI_FEATURES: Readonly<Partial<Record<VdiOperation, string>>> = {
  snapshot: 'VDI_SNAPSHOT',
  destroy: 'VDI_DELETE',
  resize: 'VDI_RESIZE',
  update: 'VDI_UPDATE',
  resize_online: 'VDI_RESIZE_ONLINE',
  generate_config: 'VDI_GENERATE_CONFIG',
  clone: 'VDI_CLONE',
  ...Object.fromEntries(CBT_OPERATIONS.map((operation) => [operation, 'VDI_CONFIG_CBT'])),
  set_on_boot: 'VDI_RESET_ON_BOOT',
};

function features(sr: WireStruct): readonly string[] {
  const all = DRIVERS[sr.type as string]?.features ?? [];
  return sr.is_tools_sr === true ? all.filter((one) => one !== 'VDI_CREATE' && one !== 'VDI_DELETE') : all;
}

/** Whether the SR is plugged into a host; into any, where none is named. */
export function isAttached(database: Database, sr: WireStruct, host: string | null = null): boolean {
  const plugged = (sr.PBDs as readonly string[]).map((pbd) => database.get('PBD', pbd)).filter((pbd) => pbd.currently_attached === true);
  return plugged.some((pbd) => host === null || pbd.host === host);
}

export function srError(database: Database, ref: string, operation: SrOperation): XapiError | null {
  const sr = database.get('SR', ref);
  const feature = SR_FEATURES[operation];
  if (feature !== undefined && !features(sr).includes(feature)) return deviceErrors.srNotSupported(ref);
  if (operation !== 'destroy' && operation !== 'forget') return null;
  if (isAttached(database, sr)) return deviceErrors.srHasPbd(ref);
  if (operation === 'forget') return null;
  if ((sr.PBDs as readonly string[]).length === 0) return deviceErrors.srNoPbds(ref);
  const vdis = (sr.VDIs as readonly string[]).map((vdi) => database.get('VDI', vdi));
  return vdis.some(({ managed, type }) => managed === true && type !== 'rrd') ? deviceErrors.srNotEmpty() : null;
}

export function srAllows(database: Database, ref: string): string[] {
  return SR_OPERATIONS.filter((operation) => srError(database, ref, operation) === null);
}

const LIVE: readonly VdiOperation[] = ['snapshot', 'resize_online', 'clone', 'enable_cbt', 'disable_cbt', 'data_destroy'];
/** Of a disk of which only the list of changed blocks is left. */
const FOR_METADATA: readonly VdiOperation[] = ['data_destroy', 'destroy', 'list_changed_blocks', 'forget', 'generate_config', 'update'];

export function vdiError(database: Database, ref: string, operation: VdiOperation): XapiError | null {
  const vdi = database.get('VDI', ref);
  const srRef = vdi.SR as string;
  const sr = database.get('SR', srRef);
  if (operation === 'resize' && !isAttached(database, sr)) return deviceErrors.srNoPbds(srRef);
  const active = (vdi.VBDs as readonly string[])
    .map((vbd) => database.get('VBD', vbd))
    .filter(({ currently_attached: attached }) => attached === true);
  // VM.checkpoint leaves the VBDs of its snapshot plugged.
  const listing = operation === 'list_changed_blocks';
  const isOfSnapshot = (vbd: WireStruct) => database.get('VM', vbd.VM as string).is_a_snapshot === true;
  const blocking = active.filter((vbd) => (operation === 'copy' ? vbd.mode === 'RW' : !(listing && isOfSnapshot(vbd))));
  if (!LIVE.includes(operation) && blocking.length > 0) return deviceErrors.vdiInUse(ref, operation);
  const feature = VDI_FEATURES[operation];
  const driver = DRIVERS[sr.type as string]?.features ?? [];
  if (feature !== undefined && !driver.includes(feature)) return deviceErrors.srNotSupported(srRef);
  if (vdi.type === 'cbt_metadata' && !FOR_METADATA.includes(operation)) return deviceErrors.vdiIncompatibleType(ref, 'cbt_metadata');
  if (operation === 'set_on_boot' && vdi.cbt_enabled === true) return deviceErrors.vdiTracked(ref);
  const error = trackingError(ref, vdi, operation);
  if (error !== null) return error;
  if ((operation === 'destroy' || operation === 'data_destroy') && sr.is_tools_sr === true) return deviceErrors.srNotSupported(srRef);
  if (operation === 'snapshot' && vdi.sharable === true) return deviceErrors.vdiSharable(ref);
  if ((operation === 'snapshot' || operation === 'copy') && vdi.on_boot === 'reset') return deviceErrors.vdiResets();
  return null;
}

function trackingError(ref: string, vdi: WireStruct, operation: VdiOperation): XapiError | null {
  const isSnapshot = vdi.is_a_snapshot === true;
  if (operation === 'data_destroy') {
    if (!isSnapshot) return xapiErrors.operationNotAllowed(`VDI is not a snapshot: ${ref}`);
    return vdi.cbt_enabled === true ? null : deviceErrors.vdiNotTracked(ref);
  }
  if (operation !== 'enable_cbt' && operation !== 'disable_cbt') return null;
  if (isSnapshot) return xapiErrors.operationNotAllowed(`VDI is a snapshot: ${ref}`);
  if (vdi.type !== 'user' && vdi.type !== 'system') return deviceErrors.vdiIncompatibleType(ref, String(vdi.type));
  return vdi.on_boot === 'reset' ? deviceErrors.vdiResets() : null;
}

/** @throws XapiError with the reason why an operation is not allowed now */
export function assertVdiAllows(database: Database, ref: string, operation: VdiOperation): void {
  const error = vdiError(database, ref, operation);
  if (error !== null) throw error;
}

/** @throws XapiError with the reason why an operation is not allowed now */
export function assertSrAllows(database: Database, ref: string, operation: SrOperation): void {
  const error = srError(database, ref, operation);
  if (error !== null) throw error;
}

/** @throws XapiError SR_HAS_NO_PBDS */
export function assertAttached(database: Database, ref: string): void {
  if (!isAttached(database, database.get('SR', ref))) throw deviceErrors.srNoPbds(ref);
}

export function vdiAllows(database: Database, ref: string): string[] {
  return LISTED_VDI_OPERATIONS.filter((operation) => vdiError(database, ref, operation) === null);
}

/** @throws XapiError OPERATION_NOT_ALLOWED */
export function assertDetached(database: Database, vbd: WireStruct): void {
  if (vbd.currently_attached !== true) return;
  const { uuid } = database.get('VM', vbd.VM as string);
  throw xapiErrors.operationNotAllowed(`VBD '${String(vbd.uuid)}' still attached to '${String(uuid)}'`);
}
