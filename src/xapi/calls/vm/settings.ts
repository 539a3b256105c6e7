// The messages that set a VM's vCPUs and memory, under xapi's names and with its parameters and
// errors (ocaml/xapi/xapi_vm.ml of xen-api e2ee48d6).
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
        database.update('VM', ref as string, changes(record, args as readonly number[]));
      });
      return VOID;
    });
  const value = [int('value')];
  const memory = (staticMin: number, dynamicMin: number, dynamicMax: number, staticMax: number) => ({
    memory_static_min: staticMin,
    memory_dynamic_min: dynamicMin,
    memory_dynamic_max: dynamicMax,
    memory_static_max: staticMax,
  });
  return [
    change('VCPUs_max', value, 'changing_VCPUs', (_record, [max]) => ({ VCPUs_max: max! })),
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
