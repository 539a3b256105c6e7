// The operations that a VM allows, in the order of xapi's checks and with its errors
// (ocaml/xapi/xapi_vm_lifecycle.ml of xen-api e2ee48d6, check_operation_error). Pure.
import { NULL } from '../model/schema-types.js';
import { type PowerState, VM_OPERATIONS, type VmOperation } from '../model/schema-vm.js';
import { type XapiError, xapiErrors } from '../wire/errors.js';
import type { WireStruct } from '../wire/values.js';

/** allowed_power_states, in the order in which xapi names them in VM_BAD_POWER_STATE. */
const ALLOWED_IN: Readonly<Record<VmOperation, readonly PowerState[]>> = {
  snapshot_with_quiesce: ['Running'],
  snapshot: ['Halted', 'Paused', 'Suspended', 'Running'],
  clone: ['Halted'],
  copy: ['Halted'],
  revert: ['Halted', 'Paused', 'Suspended', 'Running'],
  checkpoint: ['Paused', 'Suspended', 'Running'],
  provision: ['Halted'],
  start: ['Halted'],
  start_on: ['Halted'],
  pause: ['Running'],
  unpause: ['Paused'],
  clean_shutdown: ['Running'],
  clean_reboot: ['Running'],
  hard_shutdown: ['Paused', 'Suspended', 'Running'],
  hard_reboot: ['Paused', 'Running'],
  suspend: ['Running'],
  resume: ['Suspended'],
  resume_on: ['Suspended'],
  pool_migrate: ['Running'],
  get_boot_record: ['Paused', 'Suspended', 'Running'],
  send_sysrq: ['Running'],
  send_trigger: ['Running'],
  call_plugin: ['Running'],
  changing_memory_live: ['Running'],
  awaiting_memory_live: ['Running'],
  changing_shadow_memory: ['Halted'],
  changing_shadow_memory_live: ['Running'],
  changing_dynamic_range: ['Halted', 'Running'],
  changing_static_range: ['Halted'],
  changing_memory_limits: ['Halted'],
  changing_VCPUs: ['Halted'],
  changing_VCPUs_live: ['Running'],
  reverting: ['Halted', 'Paused', 'Suspended', 'Running'],
  destroy: ['Halted', 'Suspended'],
};

/** ignored_ops: never in allowed_operations. */
const UNLISTED: readonly VmOperation[] = [
  ...(['get_boot_record', 'send_sysrq', 'send_trigger', 'call_plugin', 'changing_memory_live', 'awaiting_memory_live'] as const),
  ...(['changing_memory_limits', 'changing_shadow_memory_live', 'changing_VCPUs', 'reverting'] as const),
];
/** check_template */
const OF_TEMPLATES: readonly VmOperation[] = [
  'changing_dynamic_range',
  'changing_static_range',
  'changing_memory_limits',
  'changing_shadow_memory',
  'changing_VCPUs',
  'clone',
  'copy',
  'provision',
];
/** check_snapshot */
const OF_SNAPSHOTS: readonly VmOperation[] = ['revert', 'clone', 'copy', 'destroy', 'hard_shutdown'];
const OF_CONTROL_DOMAINS: readonly VmOperation[] = [
  'changing_memory_live',
  'awaiting_memory_live',
  'changing_dynamic_range',
  'changing_memory_limits',
  'changing_static_range',
  'start',
  'start_on',
  'changing_VCPUs',
  'destroy',
];
const SETTINGS_OF_HALTED: readonly VmOperation[] = ['changing_VCPUs', 'changing_static_range', 'changing_memory_limits'];

function powerStatesOf(record: WireStruct, operation: VmOperation): readonly PowerState[] {
  const states = ALLOWED_IN[operation];
  if (record.is_control_domain === true && SETTINGS_OF_HALTED.includes(operation)) return [...states, 'Running'];
  if (record.is_a_snapshot === true && (operation === 'clone' || operation === 'copy')) return [...states, 'Suspended'];
  return states;
}

/** Of VM_metrics, as they were when the VM started: platform:nomigrate and :nested-virt. */
export interface Mobility {
  readonly nomigrate: boolean;
  readonly nestedVirt: boolean;
}

export const MOBILE: Mobility = { nomigrate: false, nestedVirt: false };
const LEAVING: readonly VmOperation[] = ['suspend', 'checkpoint', 'pool_migrate'];

/** is_mobile, and the ranges of a VM that has virtual machines of its own. */
function mobilityError(ref: string, operation: VmOperation, { nomigrate, nestedVirt }: Mobility): XapiError | null {
  if (LEAVING.includes(operation) && (nomigrate || nestedVirt)) return xapiErrors.immobile(ref);
  return operation === 'changing_dynamic_range' && nestedVirt ? xapiErrors.nestedVirt(ref) : null;
}

/**
 * @param mobility null where the caller forces the operation (strict = false)
 * @returns what xapi answers to an operation that a VM does not allow now; null = it does
 */
export function operationError(ref: string, record: WireStruct, operation: VmOperation, mobility: Mobility | null): XapiError | null {
  const reason = (record.blocked_operations as WireStruct)[operation];
  if (reason !== undefined) return xapiErrors.operationBlocked(ref, String(reason));
  const states = powerStatesOf(record, operation);
  if (!states.includes(record.power_state as PowerState)) {
    return xapiErrors.badPowerState(ref, states.join(', '), String(record.power_state));
  }
  if (record.is_a_snapshot === true) {
    if (!OF_SNAPSHOTS.includes(operation)) return xapiErrors.vmIsSnapshot(ref, operation);
  } else {
    if (record.is_a_template === true && !templateAllows(record, operation)) return xapiErrors.vmIsTemplate(ref, operation);
  }
  if (operation === 'revert' && record.is_a_snapshot !== true) return xapiErrors.onlyRevertSnapshot();
  if (operation === 'provision' && record.is_a_template !== true) return xapiErrors.onlyProvisionTemplate();
  const bound = mobility === null ? null : mobilityError(ref, operation, mobility);
  if (bound !== null) return bound;
  if (record.is_control_domain === true) return controlDomainError(operation);
  return operation === 'snapshot_with_quiesce' ? xapiErrors.noQuiesce(ref) : null;
}

function templateAllows(record: WireStruct, operation: VmOperation): boolean {
  return OF_TEMPLATES.includes(operation) || (operation === 'destroy' && record.is_default_template !== true);
}

/** The only control domain here is Domain-0. */
function controlDomainError(operation: VmOperation): XapiError | null {
  if (operation === 'changing_VCPUs' || operation === 'destroy') {
    return xapiErrors.operationNotAllowed('This operation is not allowed on dom0');
  }
  return OF_CONTROL_DOMAINS.includes(operation)
    ? null
    : xapiErrors.operationNotAllowed('This operation is not allowed on a control domain');
}

/** VM.allowed_operations, the last of the data model's first, as xapi's fold leaves them. */
export function allowedOperations(record: WireStruct, mobility: Mobility): readonly string[] {
  if (Object.keys(record.blocked_operations as WireStruct).length > 0) return operationsOf(record, mobility);
  const { power_state, is_a_template, is_default_template, is_a_snapshot, is_control_domain } = record;
  const { nomigrate, nestedVirt } = mobility;
  const key = [power_state, is_a_template, is_default_template, is_a_snapshot, is_control_domain, nomigrate, nestedVirt].join();
  let operations = known.get(key);
  if (operations === undefined) {
    operations = Object.freeze(operationsOf(record, mobility));
    known.set(key, operations);
  }
  return operations;
}

/** Of VMs without blocked operations, by all that decides. */
const known = new Map<string, readonly string[]>();

function operationsOf(record: WireStruct, mobility: Mobility): string[] {
  // Nobody sees the errors, which name the VM.
  return VM_OPERATIONS.filter(
    (operation) => !UNLISTED.includes(operation) && operationError(NULL, record, operation, mobility) === null,
  ).reverse();
}
