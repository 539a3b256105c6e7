// The messages of class VM_appliance: VMs that start and stop together, in the order of VM.order
// (ocaml/xapi/xapi_vm_appliance.ml of xen-api e2ee48d6).
import { type ApplianceOperation, allowAppliance, applianceError } from '../../life/allowed-appliance.js';
import { setAppliance } from '../../life/membership.js';
import type { Database } from '../../model/database.js';
import { APPLIANCE_CLASS } from '../../model/schema-groups.js';
import { NULL } from '../../model/schema-types.js';
import { xapiErrors } from '../../wire/errors.js';
import { checkValue } from '../../wire/types.js';
import { newStruct, structOf, type Wire, type WireStruct } from '../../wire/values.js';
import { type CallContext, type Method, type Param, selfOf, VOID } from '../method.js';
import { assertMember } from './groups.js';

const self = selfOf('VM_appliance');

/** @param power the messages of class VM, by name */
export function applianceMethods(database: Database, power: ReadonlyMap<string, Method>): Method[] {
  const message = (name: string, params: readonly Param[], call: Method['call']): Method => ({
    name: `VM_appliance.${name}`,
    params,
    role: 'admin',
    async: true,
    call,
  });
  const operation = (name: ApplianceOperation, params: readonly Param[], into: (args: readonly Wire[]) => string): Method =>
    message(name, [self, ...params], async (args, context) => {
      const method = power.get(`VM.${name}`)!;
      const more = name === 'start' ? [args[1]!, false] : [];
      await perform(database, { ref: args[0] as string, name, into: into(args) }, context, (vm, own) => method.call([vm, ...more], own));
      return VOID;
    });
  const halted = () => 'Halted';
  return [
    message('create', [{ name: 'args', type: 'record' }], ([args]) => {
      const fields = args as WireStruct;
      const text = (name: string) => checkValue(APPLIANCE_CLASS.fields[name]!.type, fields[name] ?? '', name);
      return database.create('VM_appliance', { name_label: text('name_label'), name_description: text('name_description') });
    }),
    message('destroy', [self], ([ref]) => {
      for (const vm of database.get('VM_appliance', ref as string).VMs as readonly string[]) setAppliance(database, vm, NULL);
      database.destroy('VM_appliance', ref as string);
      return VOID;
    }),
    operation('start', [{ name: 'paused', type: 'bool' }], ([, paused]) => (paused === true ? 'Paused' : 'Running')),
    operation('clean_shutdown', [], halted),
    operation('hard_shutdown', [], halted),
    operation('shutdown', [], halted),
    {
      ...message('set_appliance', [selfOf('VM'), { name: 'value', type: { ref: 'VM_appliance' } }], ([vm, value]) => {
        assertMember(database.get('VM', vm as string), 'Control domains, templates and snapshots cannot be assigned to appliances.');
        if (value !== NULL) database.get('VM_appliance', value as string);
        setAppliance(database, vm as string, value as string);
        return VOID;
      }),
      name: 'VM.set_appliance',
    },
  ];
}

interface Operation {
  readonly ref: string;
  readonly name: ApplianceOperation;
  /** The power state that the VMs are to have. */
  readonly into: string;
}

/**
 * The VMs of one order side by side, and those of the next one when all of them have ended: from
 * the lowest at a start, from the highest at a shutdown.
 * @throws XapiError OPERATION_PARTIALLY_FAILED with the VMs that did not get there
 */
async function perform(
  database: Database,
  { ref, name, into }: Operation,
  context: CallContext,
  call: (vm: string, context: CallContext) => Wire | Promise<Wire>,
): Promise<void> {
  const error = applianceError(database, ref, name);
  if (error !== null) throw error;
  const differs = (vm: string) => database.has('VM', vm) && database.get('VM', vm).power_state !== into;
  const targets = (database.get('VM_appliance', ref).VMs as readonly string[]).filter(differs);
  const groups = new Map<number, string[]>();
  for (const vm of targets) {
    const order = database.get('VM', vm).order as number;
    groups.set(order, [...(groups.get(order) ?? []), vm]);
  }
  const orders = [...groups.keys()].sort((a, b) => (name === 'start' ? a - b : b - a));
  database.update('VM_appliance', ref, { current_operations: structOf({ [context.task]: name }), allowed_operations: [] }, 'derived');
  try {
    for (const order of orders) {
      const { session, task, abort, address, user } = context;
      // Each VM's change is stored by itself, and its failure shows in its power state.
      const one = async (vm: string) => call(vm, { session, task, abort, address, user, stored: false });
      await Promise.allSettled(groups.get(order)!.map(one));
    }
  } finally {
    if (database.has('VM_appliance', ref)) database.update('VM_appliance', ref, { current_operations: newStruct() }, 'derived');
    // The appliance itself changed nothing that a commit would tell of.
    if (database.has('VM_appliance', ref)) allowAppliance(database, ref);
  }
  const failed = targets.filter(differs);
  if (failed.length > 0) throw xapiErrors.partiallyFailed(`VM_appliance.${name}`, failed);
}
