// XAPI's errors about storage and networks, with the parameters that
// ocaml/idl/datamodel_errors.ml of xen-api e2ee48d6 gives them.
import { XapiError } from './errors.js';

/** Errors of SM's backends have three parameters, of which only the second is used. */
export const backend = (code: number, text: string) => new XapiError(`SR_BACKEND_FAILURE_${code}`, '', text, '');

export const deviceErrors = {
  cdMustBeReadOnly: () => new XapiError('VBD_CDS_MUST_BE_READONLY'),
  notRemovable: (vbd: string) => new XapiError('VBD_NOT_REMOVABLE_MEDIA', vbd),
  notUnpluggable: (vbd: string) => new XapiError('VBD_NOT_UNPLUGGABLE', vbd),
  isEmpty: (vbd: string) => new XapiError('VBD_IS_EMPTY', vbd),
  notEmpty: (vbd: string) => new XapiError('VBD_NOT_EMPTY', vbd),
  diskMustBeWritable: (vbd: string) => new XapiError('DISK_VBD_MUST_BE_READWRITE_FOR_HVM', vbd),
  alreadyAttached: (ref: string) => new XapiError('DEVICE_ALREADY_ATTACHED', ref),
  alreadyDetached: (ref: string) => new XapiError('DEVICE_ALREADY_DETACHED', ref),
  deviceExists: (device: string) => new XapiError('DEVICE_ALREADY_EXISTS', device),
  invalidDevice: (device: string) => new XapiError('INVALID_DEVICE', device),
  vdiReadOnly: (vdi: string) => new XapiError('VDI_READONLY', vdi),
  vdiInUse: (...params: readonly string[]) => new XapiError('VDI_IN_USE', ...params),
  vdiIncompatibleType: (vdi: string, type: string) => new XapiError('VDI_INCOMPATIBLE_TYPE', vdi, type),
  vdiSharable: (vdi: string) => new XapiError('VDI_IS_SHARABLE', vdi),
  vdiResets: () => new XapiError('VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION'),
  vdiNotManaged: (ref: string) => new XapiError('VDI_NOT_MANAGED', ref),
  locationNotUnique: (sr: string, location: string) => new XapiError('LOCATION_NOT_UNIQUE', sr, location),
  uuidTaken: (type: string, uuid: string) => new XapiError('DB_UNIQUENESS_CONSTRAINT_VIOLATION', type, 'uuid', uuid),
  srFull: () => backend(44, 'There is insufficient space'),
  vdiSize: (reason: string) => backend(79, `VDI Invalid size [opterr=${reason}]`),
  srUnknownDriver: (type: string) => new XapiError('SR_UNKNOWN_DRIVER', type),
  srNotSupported: (sr: string) => new XapiError('SR_OPERATION_NOT_SUPPORTED', sr),
  srNoPbds: (sr: string) => new XapiError('SR_HAS_NO_PBDS', sr),
  srHasPbd: (sr: string) => new XapiError('SR_HAS_PBD', sr),
  srNotEmpty: () => new XapiError('SR_NOT_EMPTY'),
  srIndestructible: (sr: string) => new XapiError('SR_INDESTRUCTIBLE', sr),
  srUuidExists: (uuid: string) => new XapiError('SR_UUID_EXISTS', uuid),
  pbdExists: (sr: string, host: string, pbd: string) => new XapiError('PBD_EXISTS', sr, host, pbd),
  vmRequiresSr: (vm: string, sr: string) => new XapiError('VM_REQUIRES_SR', vm, sr),
  vmRequiresNetwork: (vm: string, network: string) => new XapiError('VM_REQUIRES_NETWORK', vm, network),
  macInvalid: (mac: string) => new XapiError('MAC_INVALID', mac),
  networkContainsVif: (vifs: readonly string[]) => new XapiError('NETWORK_CONTAINS_VIF', ...vifs),
  networkContainsPif: (pifs: readonly string[]) => new XapiError('NETWORK_CONTAINS_PIF', ...pifs),
  systemNetwork: (network: string) => new XapiError('CANNOT_DESTROY_SYSTEM_NETWORK', network),
  bridgeExists: (bridge: string) => new XapiError('BRIDGE_NAME_EXISTS', bridge),
  pifIsManagement: (pif: string) => new XapiError('PIF_IS_MANAGEMENT_INTERFACE', pif),
  defaultTemplate: () => new XapiError('VM_CANNOT_DELETE_DEFAULT_TEMPLATE'),
} as const;
