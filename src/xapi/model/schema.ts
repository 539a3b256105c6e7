// XAPI's data model as this server serves it: every class by name. Clients that list classes, such
// as Xen Orchestra, find classes without objects as empty sets.
import { DATAMODEL, emptyClass, withAllFields } from './datamodel.js';
import { DEVICE_CLASSES } from './schema-devices.js';
import { APPLIANCE_CLASS, VM_GROUP_CLASS } from './schema-groups.js';
import { HOST_CLASS, HOST_CPU_CLASS, HOST_METRICS_CLASS, POOL_CLASS, TASK_CLASS } from './schema-host.js';
import { KEPT_CLASSES } from './schema-kept.js';
import type { ClassDef } from './schema-types.js';
import { PLACEMENT_CLASS, VM_CLASS, VM_GUEST_METRICS_CLASS, VM_METRICS_CLASS } from './schema-vm.js';

const SERVED: readonly ClassDef[] = [
  POOL_CLASS,
  HOST_CLASS,
  HOST_CPU_CLASS,
  HOST_METRICS_CLASS,
  VM_CLASS,
  VM_METRICS_CLASS,
  VM_GUEST_METRICS_CLASS,
  TASK_CLASS,
  APPLIANCE_CLASS,
  VM_GROUP_CLASS,
  ...DEVICE_CLASSES,
  ...KEPT_CLASSES,
];

/** Classes whose objects are no records of the database: see calls/roles.ts. */
const STATIC = new Set(['role', 'subject']);

/**
 * Classes of the data model of which there are never objects here.
 * Those without get_all are the shapes of answers, and sessions.
 */
export const EMPTY_CLASSES: readonly string[] = [...DATAMODEL.values()]
  .filter(({ name, messages }) => messages.has('get_all') && !STATIC.has(name) && !SERVED.some((one) => one.name === name))
  .map(({ name }) => name);

export const CLASSES: ReadonlyMap<string, ClassDef> = new Map(
  [...SERVED.map(withAllFields), PLACEMENT_CLASS, ...EMPTY_CLASSES.map((name) => emptyClass(DATAMODEL.get(name)!))].map((one) => [
    one.name,
    one,
  ]),
);

export function classOf(name: string): ClassDef {
  const found = CLASSES.get(name);
  if (found === undefined) throw new Error(`no class ${name}`);
  return found;
}
