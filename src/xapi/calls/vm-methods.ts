// The messages of class VM, under xapi's names and with its parameters (ocaml/idl/datamodel_vm.ml,
// ocaml/xapi/xapi_vm.ml of xen-api).

import type { VmLife } from '../life/vm-life.js';
import { checkMemory, checkRecord, checkVcpus } from '../life/vm-spec.js';
import type { Database } from '../model/database.js';
import { NULL } from '../model/schema-types.js';
import { VM_CLASS, VM_OPERATIONS, type VmOperation } from '../model/schema-vm.js';
import { xapiErrors } from '../wire/errors.js';
import { checkValue } from '../wire/types.js';
import { newStruct, type Wire, type WireStruct } from '../wire/values.js';
import { type CallContext, type Method, type Param, selfOf, VOID } from './method.js';

export const MAX_VMS = 10_000;

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
const int = (name: string): Param => ({ name, type: 'int' });

export function vmMethods(options: VmMethodsOptions): Method[] {
  return [...makingMethods(options), ...powerMethods(options), ...settingMethods(options), ...askingMethods(options)];
}

function message(name: string, params: readonly Param[], call: Method['call'], role: Method['role'] = 'admin'): Method {
  return { name: `VM.${name}`, params, role, async: true, call };
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

function makingMethods({ database, life }: VmMethodsOptions): Method[] {
  const make = (fields: Readonly<Record<string, Wire>>): string => {
    if (database.count('VM') >= MAX_VMS) throw xapiErrors.operationNotAllowed(`no more than ${MAX_VMS} VMs`);
    const metrics = database.create('VM_metrics', { state: ['halted'] });
    const ref = database.create('VM', { ...fields, metrics });
    database.update('VM', ref, { allowed_operations: life.allowedNow(ref) });
    return ref;
  };
  return [
    message('create', [{ name: 'args', type: 'record' }], ([args]) => {
      const defaults = newStruct();
      for (const [name, { initial }] of Object.entries(VM_CLASS.fields)) defaults[name] = initial;
      const fields = Object.assign(defaults, fieldsOf(args as WireStruct));
      checkRecord(fields);
      return make(fields);
    }),
    message('clone', [vm, { name: 'new_name', type: 'string' }], ([ref, name], context) =>
      life.operate(ref as string, 'clone', context, async (record) => {
        const fields = Object.fromEntries(Object.entries(record).filter(([field]) => VM_CLASS.fields[field]!.access !== 'ro'));
        return make({ ...fields, name_label: name! });
      }),
    ),
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
  const stop = (ref: string) => life.stop(ref, 'Halted');
  const resume = async (ref: string, paused: Wire) => life.start(ref, paused === true);
  return [
    operation('start', [vm, bool('start_paused'), bool('force')], (ref, [, paused]) => life.start(ref, paused === true)),
    operation('start_on', [vm, host, bool('start_paused'), bool('force')], (ref, [, , paused]) => life.start(ref, paused === true)),
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
    operation('resume', [vm, bool('start_paused'), bool('force')], (ref, [, paused]) => resume(ref, paused!)),
    operation('resume_on', [vm, host, bool('start_paused'), bool('force')], (ref, [, , paused]) => resume(ref, paused!)),
    operation('pool_migrate', [vm, host, { name: 'options', type: { map: 'string' } }], (ref) => life.migrate(ref)),
  ];
}

function settingMethods({ database, life }: VmMethodsOptions): Method[] {
  const change = (
    name: string,
    params: readonly Param[],
    operation: VmOperation,
    changes: (record: WireStruct, args: readonly number[]) => Readonly<Record<string, Wire>>,
  ): Method =>
    message(`set_${name}`, [self, ...params], async ([ref, ...args], context) => {
      await life.operate(ref as string, operation, context, async (record) => {
        const fields = { ...record, ...changes(record, args as readonly number[]) };
        checkRecord(fields);
        database.update('VM', ref as string, changes(record, args as readonly number[]));
      });
      return VOID;
    });
  const value = [int('value')];
  const memory = (staticMin: number, dynamicMin: number, dynamicMax: number, staticMax: number) => {
    checkMemory(staticMin, dynamicMin, dynamicMax, staticMax);
    return { memory_static_min: staticMin, memory_dynamic_min: dynamicMin, memory_dynamic_max: dynamicMax, memory_static_max: staticMax };
  };
  return [
    change('VCPUs_max', value, 'changing_VCPUs', (record, [max]) => {
      checkVcpus(max!, record.VCPUs_at_startup as number);
      return { VCPUs_max: max! };
    }),
    change('VCPUs_at_startup', value, 'changing_VCPUs', (_record, [count]) => ({ VCPUs_at_startup: count! })),
    change('memory_static_max', value, 'changing_static_range', (_record, [bytes]) => ({ memory_static_max: bytes! })),
    change('memory_static_min', value, 'changing_static_range', (_record, [bytes]) => ({ memory_static_min: bytes! })),
    change('memory_dynamic_max', value, 'changing_dynamic_range', (_record, [bytes]) => ({ memory_dynamic_max: bytes! })),
    change('memory_dynamic_min', value, 'changing_dynamic_range', (_record, [bytes]) => ({ memory_dynamic_min: bytes! })),
    change('memory_static_range', [int('min'), int('max')], 'changing_static_range', (record, [min, max]) =>
      memory(min!, record.memory_dynamic_min as number, record.memory_dynamic_max as number, max!),
    ),
    change('memory_dynamic_range', [int('min'), int('max')], 'changing_dynamic_range', (record, [min, max]) =>
      memory(record.memory_static_min as number, min!, max!, record.memory_static_max as number),
    ),
    change(
      'memory_limits',
      [int('static_min'), int('static_max'), int('dynamic_min'), int('dynamic_max')],
      'changing_static_range',
      (_record, [staticMin, staticMax, dynamicMin, dynamicMax]) => memory(staticMin!, dynamicMin!, dynamicMax!, staticMax!),
    ),
    // Fixed memory: all limits but the lowest are the value (xapi_vm.ml, set_memory).
    change('memory', value, 'changing_static_range', (record, [bytes]) =>
      memory(Math.min(record.memory_static_min as number, bytes!), bytes!, bytes!, bytes!),
    ),
    // There, but not for anybody: so does xapi answer (xapi/xapi_vm.ml, add_to_VCPUs_params_live).
    message('add_to_VCPUs_params_live', [self, { name: 'key', type: 'string' }, { name: 'value', type: 'string' }], ([ref], context) =>
      life.operate(ref as string, 'changing_VCPUs_live', context, async () => {
        throw xapiErrors.notImplemented('add_to_VCPUs_params_live');
      }),
    ),
    message('set_domain_type', [self, { name: 'value', type: VM_CLASS.fields.domain_type!.type }], async ([ref, type], context) => {
      await life.operate(ref as string, 'changing_VCPUs', context, async () =>
        database.update('VM', ref as string, { domain_type: type! }),
      );
      return VOID;
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
        return ownHost() === NULL ? [] : [ownHost()];
      },
      'read-only',
    ),
  ];
}
