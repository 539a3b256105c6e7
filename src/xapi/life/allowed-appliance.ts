// The operations that an appliance allows, with xapi's errors for the others
// (ocaml/xapi/xapi_vm_appliance_lifecycle.ml of xen-api e2ee48d6).
import type { Database } from '../model/database.js';
import type { StoredObject } from '../model/published.js';
import { EMPTY_MAP } from '../model/schema-types.js';
import { type XapiError, xapiErrors } from '../wire/errors.js';
import type { WireStruct } from '../wire/values.js';

export const APPLIANCE_OPERATIONS = ['start', 'clean_shutdown', 'hard_shutdown', 'shutdown'] as const;
export type ApplianceOperation = (typeof APPLIANCE_OPERATIONS)[number];

/** What one of its VMs must be, and what xapi says where none is. */
const NEEDS: Readonly<Record<ApplianceOperation, readonly [(power: unknown) => boolean, string]>> = {
  start: [(power) => power === 'Halted', 'There are no halted VMs in this appliance.'],
  clean_shutdown: [(power) => power === 'Running', 'There are no running VMs in this appliance.'],
  hard_shutdown: [(power) => power !== 'Halted', 'All VMs in this appliance are halted.'],
  shutdown: [(power) => power !== 'Halted', 'All VMs in this appliance are halted.'],
};

/** null = it allows the operation now. */
export function applianceError(database: Database, ref: string, operation: ApplianceOperation): XapiError | null {
  const { current_operations: current, VMs: vms } = database.get('VM_appliance', ref);
  const [running] = Object.entries(current as WireStruct);
  if (running !== undefined) return xapiErrors.otherOperation('VM_appliance', ref, String(running[1]), running[0]);
  const members = (vms as readonly string[]).filter((vm) => database.has('VM', vm)).map((vm) => database.get('VM', vm));
  if (members.length === 0) return xapiErrors.operationNotAllowed('Appliance has no VMs.');
  const [suits, reason] = NEEDS[operation];
  return members.some(({ power_state: power }) => suits(power)) ? null : xapiErrors.operationNotAllowed(reason);
}

export function allowAppliance(database: Database, ref: string): void {
  const allowed = APPLIANCE_OPERATIONS.filter((operation) => applianceError(database, ref, operation) === null);
  const before = database.get('VM_appliance', ref).allowed_operations as readonly string[];
  if (before.join() !== allowed.join()) database.update('VM_appliance', ref, { allowed_operations: allowed }, 'derived');
}

/** At the daemon's start: what an earlier process began has ended with it. */
export function allowAppliances(database: Database): void {
  for (const ref of database.refs('VM_appliance')) {
    database.update('VM_appliance', ref, { current_operations: EMPTY_MAP }, 'derived');
    allowAppliance(database, ref);
  }
}

/** After a commit: the appliances that it concerns. */
export function followAppliances(database: Database, changed: readonly StoredObject[]): void {
  if (database.count('VM_appliance') === 0) return;
  const concerned = new Set<string>();
  for (const { type, ref, record } of changed) {
    if (record === null) continue;
    if (type === 'VM_appliance') concerned.add(ref);
    if (type === 'VM') concerned.add(record.appliance as string);
  }
  for (const ref of concerned) if (database.has('VM_appliance', ref)) allowAppliance(database, ref);
}
