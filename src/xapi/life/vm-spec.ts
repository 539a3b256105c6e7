// Converts a VM's record in XAPI to the toolstack's description, with xapi's checks of a record.
// Pure.

import { LIMITS } from '../../machine/model.js';
import type { VmKind, VmSpec } from '../../machine/vm.js';
import { xapiErrors } from '../wire/errors.js';
import type { Wire, WireStruct } from '../wire/values.js';
import { ownPolicy } from './numa-policy.js';

/** Memory of one VM at most, in bytes; what a host has is checked at the start. */
export const MAX_MEMORY_BYTES = 2 ** 46;

/** Limit of a domain's name in XenStore, whose values are bounded. */
const MAX_LABEL_CHARS = 256;

const int = (record: WireStruct, field: string): number => record[field] as number;
const text = (record: WireStruct, field: string): string => record[field] as string;

/**
 * `unspecified` is resolved by the boot policy, as in VMs made before domain_type was
 * (xapi/xapi_vm_helpers.ml, derive_domain_type).
 */
export function kindOf(record: WireStruct): VmKind {
  switch (record.domain_type) {
    case 'hvm':
      return 'hvm';
    case 'pv':
      return 'pv';
    case 'pv_in_pvh':
    case 'pvh':
      return 'pvh';
    default:
      return record.HVM_boot_policy === '' ? 'pv' : 'hvm';
  }
}

export function domainTypeOf(record: WireStruct): string {
  if (record.domain_type !== 'unspecified') return text(record, 'domain_type');
  return record.HVM_boot_policy === '' ? 'pv' : 'hvm';
}

/** The toolstack knows VMs by uuid: labels need not be unique. */
export function specOf(record: WireStruct): VmSpec {
  const kernel = text(record, 'PV_kernel');
  const ramdisk = text(record, 'PV_ramdisk');
  const cmdline = text(record, 'PV_args');
  const kind = kindOf(record);
  const policy = ownPolicy(record);
  const { firmware } = record.HVM_boot_params as Readonly<Record<string, string>>;
  return {
    name: text(record, 'uuid'),
    uuid: text(record, 'uuid'),
    label: text(record, 'name_label').slice(0, MAX_LABEL_CHARS),
    kind,
    vcpusMax: int(record, 'VCPUs_max'),
    vcpusAtStartup: int(record, 'VCPUs_at_startup'),
    memoryStaticMaxBytes: int(record, 'memory_static_max'),
    memoryTargetBytes: int(record, 'memory_dynamic_max'),
    vcpusParams: { ...(record.VCPUs_params as Readonly<Record<string, string>>) },
    ...(policy === null ? {} : { policy }),
    ...(kind === 'hvm' && firmware === 'uefi' ? { firmware: 'ovmf' } : {}),
    ...(kernel === '' ? {} : { boot: { kernel, ...(ramdisk === '' ? {} : { ramdisk }), ...(cmdline === '' ? {} : { cmdline }) } }),
  };
}

/** @throws XapiError VALUE_NOT_SUPPORTED */
export function checkVcpus(max: number, atStartup: number): void {
  if (max < 1 || max > LIMITS.vcpusPerVm) {
    throw xapiErrors.valueNotSupported('VCPUs_max', String(max), `value must be between 1 and ${LIMITS.vcpusPerVm}`);
  }
  if (atStartup < 1 || atStartup > max) {
    throw xapiErrors.valueNotSupported('VCPUs_at_startup', String(atStartup), `value must be between 1 and VCPUs_max (${max})`);
  }
}

/** @throws XapiError MEMORY_CONSTRAINT_VIOLATION_ORDER, VALUE_NOT_SUPPORTED */
export function checkMemory(staticMin: number, dynamicMin: number, dynamicMax: number, staticMax: number): void {
  if (!(staticMin >= 0 && staticMin <= dynamicMin && dynamicMin <= dynamicMax && dynamicMax <= staticMax)) throw xapiErrors.memoryOrder();
  if (dynamicMax < 1) throw xapiErrors.valueNotSupported('memory_dynamic_max', String(dynamicMax), 'value must be greater than 0');
  if (staticMax > MAX_MEMORY_BYTES) {
    throw xapiErrors.valueNotSupported('memory_static_max', String(staticMax), `value must be at most ${MAX_MEMORY_BYTES}`);
  }
}

/** @throws XapiError for a record that no VM can have */
export function checkRecord(record: Readonly<Record<string, Wire>>): void {
  const number = (field: string) => record[field] as number;
  checkVcpus(number('VCPUs_max'), number('VCPUs_at_startup'));
  checkMemory(number('memory_static_min'), number('memory_dynamic_min'), number('memory_dynamic_max'), number('memory_static_max'));
}
