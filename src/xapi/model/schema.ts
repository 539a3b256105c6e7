// XAPI's data model as far as this server has it: every class by name. Clients that list classes
// (Xen Orchestra's does) find those that it has no objects of as empty sets.
import { HOST_CLASS, HOST_CPU_CLASS, HOST_METRICS_CLASS, POOL_CLASS, TASK_CLASS } from './schema-host.js';
import { type ClassDef, map, ro, rw } from './schema-types.js';
import { PLACEMENT_CLASS, VM_CLASS, VM_GUEST_METRICS_CLASS, VM_METRICS_CLASS } from './schema-vm.js';

/** Classes of which there are never objects here: storage, networks, devices. */
const EMPTY_CLASSES = ['SR', 'VDI', 'VBD', 'PBD', 'network', 'VIF', 'PIF', 'console', 'message'];

function emptyClass(name: string): ClassDef {
  const fields = { uuid: ro('string'), name_label: rw('string'), name_description: rw('string'), other_config: rw(map()) };
  return { name, fields, kept: false, listed: true };
}

export const CLASSES: ReadonlyMap<string, ClassDef> = new Map(
  [
    POOL_CLASS,
    HOST_CLASS,
    HOST_CPU_CLASS,
    HOST_METRICS_CLASS,
    VM_CLASS,
    VM_METRICS_CLASS,
    VM_GUEST_METRICS_CLASS,
    TASK_CLASS,
    PLACEMENT_CLASS,
    ...EMPTY_CLASSES.map(emptyClass),
  ].map((one) => [one.name, one]),
);

export function classOf(name: string): ClassDef {
  const found = CLASSES.get(name);
  if (found === undefined) throw new Error(`no class ${name}`);
  return found;
}
