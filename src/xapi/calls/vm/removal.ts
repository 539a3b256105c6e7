// What goes with a VM that is destroyed (ocaml/xapi/xapi_vm.ml, destroy, of xen-api e2ee48d6).
import { dropDevices } from '../../devices/vm-devices.js';
import { leaveAll } from '../../life/membership.js';
import type { VmLife } from '../../life/vm-life.js';
import type { Database } from '../../model/database.js';
import { dropRelations } from './copies.js';

/** Stages all of it at once; the host must have forgotten the VM before. */
export function dropVm(database: Database, life: VmLife, ref: string): void {
  database.atomically(() => {
    const record = database.get('VM', ref);
    dropDevices(database, ref);
    leaveAll(database, ref);
    life.records.dropPlacement(String(record.uuid));
    if (database.has('VM_metrics', String(record.metrics))) database.destroy('VM_metrics', String(record.metrics));
    database.destroy('VM', ref);
    dropRelations(database, ref, record);
  });
}
