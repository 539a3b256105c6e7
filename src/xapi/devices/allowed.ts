// The operations that a VBD or VIF allows, and the errors for the others: the rules of
// ocaml/xapi/xapi_vbd_helpers.ml and xapi_vif_helpers.ml of xen-api e2ee48d6, valid_operations, in
// their order. Guests of an embedded host are treated as if they had drivers for hot-plugging.
import { kindOf } from '../life/vm-spec.js';
import type { Database } from '../model/database.js';
import { deviceErrors } from '../wire/device-errors.js';
import { type XapiError, xapiErrors } from '../wire/errors.js';
import type { WireStruct } from '../wire/values.js';

const VBD_OPERATIONS = ['attach', 'eject', 'insert', 'plug', 'unplug', 'unplug_force', 'pause', 'unpause'] as const;
const VIF_OPERATIONS = ['attach', 'plug', 'unplug'] as const;
export type VbdOperation = (typeof VBD_OPERATIONS)[number];
export type VifOperation = (typeof VIF_OPERATIONS)[number];

/** The operations that a rule forbids, and the error; the first rule with an operation counts. */
type Rule = readonly [operations: readonly string[], error: () => XapiError];

const PLUGS = ['plug', 'unplug', 'unplug_force'];
const ENDING = ['clean_shutdown', 'hard_shutdown', 'suspend', 'pause'];

function firstError(rules: readonly Rule[], operation: string): XapiError | null {
  return rules.find(([operations]) => operations.includes(operation))?.[1]() ?? null;
}

/** Plug and unplug by what the device and its VM are now. */
function powerRules(ref: string, device: WireStruct, vm: WireStruct, also: readonly string[]): Rule[] {
  const owner = device.VM as string;
  if (vm.power_state !== 'Running') {
    return [[[...PLUGS, ...also], () => xapiErrors.badPowerState(owner, 'Running', String(vm.power_state))]];
  }
  return device.currently_attached === true
    ? [[['plug'], () => deviceErrors.alreadyAttached(ref)]]
    : [[['unplug', 'unplug_force'], () => deviceErrors.alreadyDetached(ref)]];
}

function endingRules(owner: string, vm: WireStruct): Rule[] {
  return Object.values(vm.current_operations as Readonly<Record<string, string>>)
    .filter((operation) => ENDING.includes(operation))
    .map((operation) => [['plug', 'unplug'], () => xapiErrors.operationNotAllowed(`Current operation on VM:${owner} is ${operation}`)]);
}

function vbdRules(database: Database, ref: string, vbd: WireStruct): Rule[] {
  const owner = vbd.VM as string;
  const vm = database.get('VM', owner);
  const isCd = vbd.type === 'CD';
  const rules: Rule[] = [];
  if (vbd.unpluggable !== true) rules.push([['unplug', 'unplug_force'], () => deviceErrors.notUnpluggable(ref)]);
  if (!isCd) rules.push([['insert', 'eject'], () => deviceErrors.notRemovable(ref)]);
  rules.push(vbd.empty === true ? [['eject'], () => deviceErrors.isEmpty(ref)] : [['insert'], () => deviceErrors.notEmpty(ref)]);
  rules.push(...powerRules(ref, vbd, vm, vm.power_state === 'Paused' ? [] : ['pause', 'unpause']), ...endingRules(owner, vm));
  if (isCd && vm.power_state === 'Running' && kindOf(vm) === 'hvm') {
    rules.push([PLUGS, () => xapiErrors.operationNotAllowed('HVM CDROMs cannot be hotplugged/unplugged, only inserted or ejected')]);
  }
  if (isCd && vm.power_state === 'Suspended') {
    rules.push([['insert', 'eject'], () => xapiErrors.badPowerState(owner, 'Halted, Running', 'Suspended')]);
  }
  if (vbd.empty !== true && vbd.currently_attached !== true) rules.push(...sharingRules(database, ref, vbd));
  return rules;
}

/** A disk that another VM writes to, or that cannot be written to. */
function sharingRules(database: Database, ref: string, vbd: WireStruct): Rule[] {
  const vdiRef = vbd.VDI as string;
  if (!database.has('VDI', vdiRef)) return [];
  const vdi = database.get('VDI', vdiRef);
  const using = (vdi.VBDs as readonly string[])
    .filter((one) => one !== ref && database.has('VBD', one))
    .map((one) => database.get('VBD', one))
    .filter((one) => one.currently_attached === true && database.get('VM', one.VM as string).power_state !== 'Suspended');
  const writes = vbd.mode === 'RW';
  const attaching = ['attach', 'insert', 'plug'];
  const rules: Rule[] = [];
  if (vdi.sharable !== true && (using.some(({ mode }) => mode === 'RW') || (writes && using.length > 0))) {
    rules.push([attaching, () => deviceErrors.vdiInUse(vdiRef)]);
  }
  if (writes && vdi.read_only === true) rules.push([attaching, () => deviceErrors.vdiReadOnly(vdiRef)]);
  return rules;
}

/** @throws XapiError with the reason why an operation is not allowed now */
export function assertVbdAllows(database: Database, ref: string, operation: VbdOperation): void {
  const error = firstError(vbdRules(database, ref, database.get('VBD', ref)), operation);
  if (error !== null) throw error;
}

export function vbdAllows(database: Database, ref: string): string[] {
  const rules = vbdRules(database, ref, database.get('VBD', ref));
  return VBD_OPERATIONS.filter((operation) => !rules.some(([operations]) => operations.includes(operation)));
}

function vifRules(database: Database, ref: string, vif: WireStruct): Rule[] {
  const owner = vif.VM as string;
  const vm = database.get('VM', owner);
  const control: Rule[] =
    vm.is_control_domain === true ? [[['plug'], () => xapiErrors.operationNotAllowed('Control domain does not support hotplug')]] : [];
  return [...control, ...powerRules(ref, vif, vm, []), ...endingRules(owner, vm)];
}

/** @throws XapiError with the reason why an operation is not allowed now */
export function assertVifAllows(database: Database, ref: string, operation: VifOperation): void {
  const error = firstError(vifRules(database, ref, database.get('VIF', ref)), operation);
  if (error !== null) throw error;
}

export function vifAllows(database: Database, ref: string): string[] {
  const rules = vifRules(database, ref, database.get('VIF', ref));
  return VIF_OPERATIONS.filter((operation) => !rules.some(([operations]) => operations.includes(operation)));
}
