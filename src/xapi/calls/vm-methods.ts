// The messages of class VM, under xapi's names and with its parameters (ocaml/idl/datamodel_vm.ml,
// ocaml/xapi/xapi_vm.ml of xen-api).

import { assertStartable } from '../life/admission.js';
import type { VmLife } from '../life/vm-life.js';
import { checkRecord } from '../life/vm-spec.js';
import type { Database } from '../model/database.js';
import { VM_CLASS, VM_OPERATIONS, type VmOperation } from '../model/schema-vm.js';
import { XapiError, xapiErrors } from '../wire/errors.js';
import { checkValue } from '../wire/types.js';
import { newStruct, type Wire, type WireStruct } from '../wire/values.js';
import { type CallContext, type Method, type Param, selfOf, VOID } from './method.js';
import { copyMethods, dropRelations, makeVm } from './vm/copies.js';
import { message } from './vm/message.js';
import { settingMethods } from './vm/settings.js';
import { protection, startOrderMethods } from './vm/start-order.js';

export interface VmMethodsOptions {
  readonly database: Database;
  readonly life: VmLife;
  readonly host: () => string;
  /**
   * The embedded host has no image to save; what a guest of a real host held in memory would be
   * lost.
   */
  readonly canSuspend: boolean;
}

const vm: Param = { name: 'vm', type: { ref: 'VM' } };
const self = selfOf('VM');
const host: Param = { name: 'host', type: { ref: 'host' } };
const bool = (name: string): Param => ({ name, type: 'bool' });

export function vmMethods(options: VmMethodsOptions): Method[] {
  const { database, life } = options;
  return [
    ...makingMethods(options),
    ...powerMethods(options),
    ...settingMethods(database, life),
    ...startOrderMethods(database),
    ...askingMethods(options),
  ];
}

/** Fields of a new VM that its creator may not choose are left at their defaults. */
function fieldsOf(given: WireStruct): Record<string, Wire> {
  const fields = newStruct();
  for (const [name, field] of Object.entries(VM_CLASS.fields)) {
    const value = given[name];
    if (value === undefined || field.access === 'ro') continue;
    fields[name] = checkValue(field.type, value, name);
  }
  return fields;
}

function makingMethods({ database, life, canSuspend }: VmMethodsOptions): Method[] {
  return [
    message('create', [{ name: 'args', type: 'record' }], ([args]) => {
      const defaults = newStruct();
      for (const [name, { initial }] of Object.entries(VM_CLASS.fields)) defaults[name] = initial;
      const fields = Object.assign(defaults, fieldsOf(args as WireStruct));
      checkRecord(fields);
      return makeVm({ database, life }, fields);
    }),
    ...copyMethods({ database, life, canSuspend }),
    // The disks of a template would be made here; VMs of this server have none.
    message('provision', [vm], ([ref]) => {
      database.get('VM', ref as string);
      return VOID;
    }),
    message('destroy', [self], ([ref], context) =>
      life.operate(ref as string, 'destroy', context, async (record) => {
        await life.forget(String(record.uuid));
        life.records.dropPlacement(String(record.uuid));
        if (database.has('VM_metrics', String(record.metrics))) database.destroy('VM_metrics', String(record.metrics));
        database.destroy('VM', ref as string);
        dropRelations(database, ref as string, record);
        return VOID;
      }),
    ),
  ];
}

function powerMethods({ database, life, host: ownHost, canSuspend }: VmMethodsOptions): Method[] {
  const operation = (name: VmOperation, params: readonly Param[], work: (ref: string, args: readonly Wire[]) => Promise<void>): Method =>
    message(name, params, async (args, context: CallContext) => {
      const ref = args[0] as string;
      if (params[1] === host && args[1] !== ownHost()) throw xapiErrors.handleInvalid('host', args[1] as string);
      await life.operate(ref, name, context, () => work(ref, args));
      return VOID;
    });
  const stop = async (ref: string) => {
    await life.stop(ref, 'Halted');
    database.update('VM', ref, protection('', false));
  };
  const begin = async (ref: string, paused: Wire) => {
    await life.start(ref, paused === true);
    database.update('VM', ref, protection(database.get('VM', ref).ha_restart_priority!, true));
  };
  const start = async (ref: string, paused: Wire, force: Wire) => {
    assertStartable(database.get('VM', ref), force === true);
    await begin(ref, paused);
  };
  return [
    operation('start', [vm, bool('start_paused'), bool('force')], (ref, [, paused, force]) => {
      life.assertHostFor(ref);
      return start(ref, paused!, force!);
    }),
    operation('start_on', [vm, host, bool('start_paused'), bool('force')], (ref, [, on, paused, force]) => {
      life.assertCanBoot(ref, on as string, true);
      return start(ref, paused!, force!);
    }),
    operation('pause', [vm], (ref) => life.pause(ref)),
    operation('unpause', [vm], (ref) => life.unpause(ref)),
    operation('clean_shutdown', [vm], stop),
    operation('hard_shutdown', [vm], stop),
    // Clean where the VM can, hard where it cannot; a VM that is off stays so without an error only
    // for the hard form in xapi.
    message('shutdown', [vm], async ([ref], context) => {
      const running = database.get('VM', ref as string).power_state === 'Running';
      await life.operate(ref as string, running ? 'clean_shutdown' : 'hard_shutdown', context, () => stop(ref as string));
      return VOID;
    }),
    operation('clean_reboot', [vm], (ref) => life.reboot(ref)),
    operation('hard_reboot', [vm], (ref) => life.reboot(ref)),
    operation('suspend', [vm], async (ref) => {
      if (!canSuspend) throw xapiErrors.lacksSuspend(ref);
      await life.stop(ref, 'Suspended');
    }),
    operation('resume', [vm, bool('start_paused'), bool('force')], (ref, [, paused]) => {
      life.assertHostFor(ref);
      return begin(ref, paused!);
    }),
    operation('resume_on', [vm, host, bool('start_paused'), bool('force')], (ref, [, on, paused]) => {
      life.assertCanBoot(ref, on as string, true);
      return begin(ref, paused!);
    }),
    operation('pool_migrate', [vm, host, { name: 'options', type: { map: 'string' } }], (ref, [, to]) => {
      life.assertCanBoot(ref, to as string, false);
      return life.migrate(ref);
    }),
  ];
}

function askingMethods({ database, life, host: ownHost }: VmMethodsOptions): Method[] {
  const operation: Param = { name: 'op', type: { enum: VM_OPERATIONS } };
  return [
    message(
      'assert_operation_valid',
      [self, operation],
      ([ref, op]) => {
        life.assertAllowed(ref as string, op as VmOperation);
        return VOID;
      },
      'read-only',
    ),
    message(
      'update_allowed_operations',
      [self],
      ([ref]) => {
        if (Object.keys(database.get('VM', ref as string).current_operations as WireStruct).length === 0) {
          database.update('VM', ref as string, { allowed_operations: life.allowedNow(ref as string) });
        }
        return VOID;
      },
      'admin',
    ),
    message(
      'get_possible_hosts',
      [vm],
      ([ref]) => {
        database.get('VM', ref as string);
        try {
          life.assertCanBoot(ref as string, ownHost(), true);
          return [ownHost()];
        } catch (error) {
          if (error instanceof XapiError) return [];
          throw error;
        }
      },
      'read-only',
    ),
    message(
      'assert_can_boot_here',
      [self, host],
      ([ref, on]) => {
        life.assertCanBoot(ref as string, on as string, true);
        return VOID;
      },
      'read-only',
    ),
    // The record of a VM whose domain is gone is set right; one that runs is no such VM.
    message('power_state_reset', [vm], ([ref], context) => {
      const { is_control_domain: control, domid } = database.get('VM', ref as string);
      if (control === true) throw xapiErrors.cannotResetControlDomain(ref as string);
      if (domid !== -1) throw xapiErrors.domainExists(ref as string);
      return life.queues.run(ref as string, context.task, context.abort, async () => {
        if (database.get('VM', ref as string).power_state === 'Suspended') await life.halted(ref as string, 'Halted');
        return VOID;
      });
    }),
  ];
}
