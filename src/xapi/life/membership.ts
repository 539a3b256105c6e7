// The VMs of an appliance or a group: VM.appliance and VM.groups, with the sets in the other
// direction.
import type { Database } from '../model/database.js';
import { NULL } from '../model/schema-types.js';
import type { WireStruct } from '../wire/values.js';

type Holder = 'VM_appliance' | 'VM_group';

function withMember(database: Database, type: Holder, holder: string, vm: string, member: boolean): void {
  if (!database.has(type, holder)) return;
  const others = (database.get(type, holder).VMs as readonly string[]).filter((one) => one !== vm);
  database.update(type, holder, { VMs: member ? [...others, vm] : others });
}

/** @param appliance NULL = none */
export function setAppliance(database: Database, vm: string, appliance: string): void {
  const before = database.get('VM', vm).appliance as string;
  if (before === appliance) return;
  withMember(database, 'VM_appliance', before, vm, false);
  withMember(database, 'VM_appliance', appliance, vm, true);
  database.update('VM', vm, { appliance });
}

export function setGroups(database: Database, vm: string, groups: readonly string[]): void {
  const before = database.get('VM', vm).groups as readonly string[];
  for (const group of before) if (!groups.includes(group)) withMember(database, 'VM_group', group, vm, false);
  for (const group of groups) if (!before.includes(group)) withMember(database, 'VM_group', group, vm, true);
  database.update('VM', vm, { groups });
}

/** Removes a destroyed VM from its appliance and groups. */
export function leaveAll(database: Database, vm: string): void {
  setAppliance(database, vm, NULL);
  if ((database.get('VM', vm).groups as readonly string[]).length > 0) setGroups(database, vm, []);
}

/** The VM's group that keeps its VMs on different hosts; null = it is in none. */
export function antiAffinityGroup(database: Database, vm: WireStruct): WireStruct | null {
  const groups = (vm.groups as readonly string[]).filter((one) => database.has('VM_group', one));
  return groups.map((one) => database.get('VM_group', one)).find(({ placement }) => placement === 'anti_affinity') ?? null;
}
