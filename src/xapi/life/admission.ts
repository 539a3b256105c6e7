// Whether a VM can start on a host, before anything is built (ocaml/xapi/xapi_vm_helpers.ml of
// xen-api e2ee48d6, assert_can_boot_here; vm_platform.ml, sanity_check). Pure.
import { ocamlIntOfString } from '../../base/ocaml-int.js';
import { MIB } from '../../base/units.js';
import { memoryConfig } from '../../xenopsd/start/memory-model.js';
import { xapiErrors } from '../wire/errors.js';
import type { WireFloat, WireStruct } from '../wire/values.js';
import { kindOf, specOf } from './vm-spec.js';

export interface AdmittingHost {
  readonly ref: string;
  /** Host.enabled. */
  readonly enabled: boolean;
  /** Host_metrics.live: it is not shut down. */
  readonly live: boolean;
  /** Host.cpu_info["cpu_count"]. */
  readonly pcpus: number;
  /**
   * Free memory that is promised to no other VM. It may be less than that where it is still
   * `enoughBytes`, which needs no look at the domains.
   */
  readonly freeBytes: (enoughBytes: number) => number;
}

/** platform keys are true or false in four spellings; others count as absent (is_true). */
export function platformFlag(record: WireStruct, key: string): boolean {
  const value = (record.platform as Readonly<Record<string, string>>)[key]?.toLowerCase();
  return value === 'true' || value === '1';
}

/**
 * @param memory whether the host's free memory is looked at
 * @param assertSeen throws where the host lacks storage or a network of the VM's
 * @throws XapiError INVALID_VALUE, VALUE_NOT_SUPPORTED, HOST_NOT_LIVE, HOST_DISABLED, those of
 *   assertSeen, HOST_NOT_ENOUGH_FREE_MEMORY, HOST_NOT_ENOUGH_PCPUS, in this order
 */
export function assertCanBootHere(record: WireStruct, host: AdmittingHost, memory: boolean, assertSeen: () => void = () => {}): void {
  checkBasics(record);
  if (!host.live) throw xapiErrors.hostNotLive();
  const migratesHere = record.power_state === 'Running' && record.resident_on === host.ref;
  if (!host.enabled && !migratesHere && record.is_control_domain !== true) throw xapiErrors.hostDisabled(host.ref);
  assertSeen();
  if (memory) {
    const neededBytes = memoryConfig(specOf(record), 'xenopsd').requiredHostFreeMib * MIB;
    const freeBytes = host.freeBytes(neededBytes);
    if (freeBytes < neededBytes) throw xapiErrors.notEnoughFreeMemory(neededBytes, freeBytes);
  }
  const vcpus = record.VCPUs_max as number;
  if (vcpus > host.pcpus && !platformFlag(record, 'vcpu-unrestricted')) throw xapiErrors.notEnoughPcpus(vcpus, host.pcpus);
}

/** validate_basic_parameters: what VM.create lets pass. */
function checkBasics(record: WireStruct): void {
  const { value: multiplier } = record.HVM_shadow_multiplier as WireFloat;
  if (multiplier < 1) throw xapiErrors.invalidValue('HVM_shadow_multiplier', shownFloat(multiplier));
  const action = record.actions_after_crash as string;
  if (action === 'rename_restart') {
    throw xapiErrors.valueNotSupported('VM.actions_after_crash', action, 'the domain would be left behind');
  }
  if (action.startsWith('coredump_') && kindOf(record) !== 'pv') {
    throw xapiErrors.valueNotSupported('VM.actions_after_crash', action, 'only PV domains leave a core dump');
  }
}

/** What a VM takes beside its own memory (memory_check.ml, vm_compute_memory_overhead). */
export function overheadBytes(record: WireStruct): number {
  const spec = specOf(record);
  const full = memoryConfig({ ...spec, memoryTargetBytes: spec.memoryStaticMaxBytes }, 'xenopsd');
  return (full.requiredHostFreeMib - full.staticMaxMib) * MIB;
}

/** As OCaml's string_of_float: a whole number keeps its point. */
function shownFloat(value: number): string {
  return Number.isInteger(value) ? `${value}.` : String(value);
}

/**
 * What VM.start looks at once the host is chosen.
 * @param force memory need not be pinned
 * @throws XapiError INVALID_VALUE, MEMORY_CONSTRAINT_VIOLATION_MAXPIN
 */
export function assertStartable(record: WireStruct, force: boolean): void {
  const nested = (record.platform as Readonly<Record<string, string>>)['nested-virt'];
  const { memory_static_min: least, memory_dynamic_min: low, memory_dynamic_max: high, memory_static_max: most } = record;
  const pinned = (least as number) <= (low as number) && low === high && high === most;
  if (platformFlag(record, 'nested-virt') && !force && !pinned) throw xapiErrors.memoryNotPinned('nested virt');
  if (nested !== undefined && !['true', '1', 'false', '0'].includes(nested.toLowerCase())) {
    throw xapiErrors.invalidValue('platform:nested-virt', nested);
  }
}

/**
 * At each build of a domain that is not PV.
 * @throws XapiError VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE, INVALID_VALUE
 */
export function checkCoresPerSocket(record: WireStruct): void {
  const text = (record.platform as Readonly<Record<string, string>>)['cores-per-socket'];
  if (text === undefined || kindOf(record) === 'pv') return;
  const vcpus = record.VCPUs_max as number;
  const cores = ocamlIntOfString(text);
  if (!cores.ok) throw xapiErrors.invalidValue('platform:cores-per-socket', text);
  if (cores.value < 1n || BigInt(vcpus) % cores.value !== 0n) throw xapiErrors.coresPerSocket(vcpus, text);
}
