// The messages that set a VM's vCPUs and memory, under xapi's names and with its parameters and
// errors (ocaml/xapi/xapi_vm.ml of xen-api e2ee48d6).

import { overheadBytes } from '../../life/admission.js';
import type { VmLife } from '../../life/vm-life.js';
import { checkRecord } from '../../life/vm-spec.js';
import type { Database } from '../../model/database.js';
import { VM_CLASS, type VmOperation } from '../../model/schema-vm.js';
import { xapiErrors } from '../../wire/errors.js';
import type { Wire, WireStruct } from '../../wire/values.js';
import { type Method, type Param, selfOf, VOID } from '../method.js';
import { message } from './message.js';

const self = selfOf('VM');
const int = (name: string): Param => ({ name, type: 'int' });

export function settingMethods(database: Database, life: VmLife): Method[] {
  const change = (
    name: string,
    params: readonly Param[],
    operation: VmOperation,
    changes: (record: WireStruct, args: readonly number[]) => Readonly<Record<string, Wire>>,
  ): Method =>
    message(`set_${name}`, [self, ...params], async ([ref, ...args], context) => {
      await life.operate(ref as string, operation, context, async (record) => {
        const fields = { ...record, ...changes(record, args as readonly number[]) };
        if (record.is_control_domain === true) checkControlDomain(fields, operation);
        else checkRecord(fields);
        if (operation === 'changing_dynamic_range') await setRange(ref as string, fields);
        else database.update('VM', ref as string, changes(record, args as readonly number[]));
      });
      return VOID;
    });
  const setRange = async (ref: string, { memory_dynamic_min: low, memory_dynamic_max: high, ...record }: WireStruct): Promise<void> => {
    if (record.power_state !== 'Running') {
      // The target is not used then, and as xapi sets it.
      database.update('VM', ref, { memory_dynamic_min: low!, memory_dynamic_max: high!, memory_target: low! });
    } else if (record.is_control_domain !== true) await life.setMemoryRange(ref, low as number, high as number);
  };
  const value = [int('value')];
  const memory = (staticMin: number, dynamicMin: number, dynamicMax: number, staticMax: number) => ({
    memory_static_min: staticMin,
    memory_dynamic_min: dynamicMin,
    memory_dynamic_max: dynamicMax,
    memory_static_max: staticMax,
  });
  return [
    ...vcpuMethods(database, life),
    overheadMethod(database),
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
      'changing_memory_limits',
      (_record, [staticMin, staticMax, dynamicMin, dynamicMax]) => memory(staticMin!, dynamicMin!, dynamicMax!, staticMax!),
    ),
    // Fixed memory: all limits but the lowest are the value (xapi_vm.ml, set_memory).
    change('memory', value, 'changing_memory_limits', (record, [bytes]) =>
      memory(record.memory_static_min as number, bytes!, bytes!, bytes!),
    ),
    message('set_domain_type', [self, { name: 'value', type: VM_CLASS.fields.domain_type!.type }], async ([ref, type], context) => {
      await life.operate(ref as string, 'changing_VCPUs', context, async () =>
        database.update('VM', ref as string, { domain_type: type! }),
      );
      return VOID;
    }),
  ];
}

function overheadMethod(database: Database): Method {
  return message(
    'compute_memory_overhead',
    [{ name: 'vm', type: { ref: 'VM' } }],
    ([ref]) => overheadBytes(database.get('VM', ref as string)),
    'read-only',
  );
}

/** @throws XapiError INVALID_VALUE, with xapi's rule in place of a field */
function vcpuMethods(database: Database, life: VmLife): Method[] {
  const bounded = (value: number, low: number, high: number): void => {
    if (value < low || value > high)
      throw xapiErrors.invalidValue('VCPU values must satisfy: 0 < VCPUs_at_startup \u2264 VCPUs_max', String(value));
  };
  return [
    message('set_VCPUs_max', [self, int('value')], async ([ref, value], context) => {
      await life.operate(ref as string, 'changing_VCPUs', context, async (record) => {
        bounded(value as number, record.VCPUs_at_startup as number, Number.POSITIVE_INFINITY);
        checkRecord({ ...record, VCPUs_max: value! });
        database.update('VM', ref as string, { VCPUs_max: value! });
      });
      return VOID;
    }),
    // In any power state: it is for the next start.
    message('set_VCPUs_at_startup', [self, int('value')], ([ref, value]) => {
      const { is_control_domain: control, VCPUs_max: most } = database.get('VM', ref as string);
      if (control === true) throw xapiErrors.operationNotAllowed('set_VCPUs_at_startup is not allowed on dom0');
      bounded(value as number, 1, most as number);
      database.update('VM', ref as string, { VCPUs_at_startup: value! });
      return VOID;
    }),
    message('set_VCPUs_number_live', [self, int('nvcpu')], async ([ref, count], context) => {
      await life.operate(ref as string, 'changing_VCPUs_live', context, async ({ VCPUs_max: most }) => {
        if ((count as number) < 1 || (count as number) > (most as number)) {
          throw xapiErrors.invalidValue('VCPU values must satisfy: 0 < VCPUs \u2264 VCPUs_max', String(count));
        }
        await life.setVcpus(ref as string, count as number);
      });
      return VOID;
    }),
    // There, but not for anybody: so does xapi answer (xapi/xapi_vm.ml, add_to_VCPUs_params_live).
    message('add_to_VCPUs_params_live', [self, { name: 'key', type: 'string' }, { name: 'value', type: 'string' }], ([ref], context) =>
      life.operate(ref as string, 'changing_VCPUs_live', context, async () => {
        throw xapiErrors.notImplemented('add_to_VCPUs_params_live');
      }),
    ),
  ];
}

/**
 * Domain-0's memory is on Xen's command line, which this daemon does not change; xapi answers so
 * when its script fails (xapi_vm.ml, set_dom0_memory).
 * @throws XapiError MEMORY_CONSTRAINT_VIOLATION_MAXPIN, INTERNAL_ERROR
 */
function checkControlDomain(fields: WireStruct, operation: VmOperation): void {
  const { memory_static_min: least, memory_dynamic_min: low, memory_dynamic_max: high, memory_static_max: most } = fields;
  if ((least as number) > (low as number) || low !== most || high !== most) throw xapiErrors.memoryNotPinned('control domain');
  if (operation !== 'changing_dynamic_range') throw xapiErrors.internal('Failed to update dom0 memory');
}
