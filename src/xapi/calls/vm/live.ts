// Messages on what a VM has now: its memory's target, its firmware's strings, whether it could run
// on each host, and those that xapi only has an error for (ocaml/xapi/xapi_vm.ml and agility.ml of
// xen-api e2ee48d6).
import { MIB } from '../../../base/units.js';
import { memoryConfig } from '../../../xenopsd/start/memory-model.js';
import { assertAgile } from '../../life/agility.js';
import type { VmLife } from '../../life/vm-life.js';
import { specOf } from '../../life/vm-spec.js';
import type { Database } from '../../model/database.js';
import { NULL } from '../../model/schema-types.js';
import type { PowerState, VmOperation } from '../../model/schema-vm.js';
import { XapiError, xapiErrors } from '../../wire/errors.js';
import { structOf, type Wire, type WireFloat, type WireStruct } from '../../wire/values.js';
import { type CallContext, type Method, type Param, selfOf, VOID } from '../method.js';
import { message } from './message.js';

const self = selfOf('VM');
const vm: Param = { name: 'vm', type: { ref: 'VM' } };
const param = (name: string, type: Param['type']): Param => ({ name, type });

/** wait_memory_target_tolerance_bytes of xapi_vm.ml, and how long it waits (xapi_globs.ml). */
const TOLERANCE_BYTES = MIB;
const WAIT_SECONDS = 256;
/** maximise_memory counts on so many vCPUs where the answer is to be approximate. */
const APPROXIMATE_VCPUS = 64;

export function liveMethods(database: Database, life: VmLife): Method[] {
  return [...memoryMethods(database, life), ...firmwareMethods(database), ...answers(database, life)];
}

function memoryMethods(database: Database, life: VmLife): Method[] {
  const during = (operation: VmOperation, work: (ref: string, value: Wire | undefined) => void) => {
    return async ([ref, value]: readonly Wire[], context: CallContext) => {
      await life.operate(ref as string, operation, context, async () => work(ref as string, value));
      return VOID;
    };
  };
  return [
    // It has no effect in xapi either: the range decides.
    message(
      'set_memory_target_live',
      [self, param('target', 'int')],
      during('changing_memory_live', () => {}),
    ),
    // Not in the VM's turn: other operations would wait for it.
    message(
      'wait_memory_target_live',
      [self],
      async ([ref], context) => {
        await awaitTarget(database, life, ref as string, context);
        return VOID;
      },
      'read-only',
    ),
    message(
      'set_HVM_shadow_multiplier',
      [self, param('value', 'float')],
      during('changing_shadow_memory', (ref, value) => {
        if ((value as WireFloat).value < 1) throw xapiErrors.invalidValue('multiplier', String((value as WireFloat).value));
        database.update('VM', ref, { HVM_shadow_multiplier: value! });
      }),
    ),
    message(
      'set_shadow_multiplier_live',
      [self, param('multiplier', 'float')],
      during('changing_shadow_memory_live', () => {
        throw xapiErrors.notImplemented('VM.set_shadow_multiplier_live');
      }),
    ),
    message(
      'maximise_memory',
      [self, param('total', 'int'), param('approximate', 'bool')],
      ([ref, total, approximate]) => largestMemory(database.get('VM', ref as string), total as number, approximate === true),
      'read-only',
    ),
    message('get_cooperative', [self], ([ref]) => database.get('VM', ref as string) !== null, 'read-only'),
  ];
}

/**
 * Looks once a second.
 * @throws XapiError VM_BAD_POWER_STATE, TASK_CANCELLED, VM_MEMORY_TARGET_WAIT_TIMEOUT
 */
async function awaitTarget(database: Database, life: VmLife, ref: string, { task, abort }: CallContext): Promise<void> {
  const reached = (): boolean => {
    life.assertAllowed(ref, 'awaiting_memory_live');
    const { metrics, memory_target: target } = database.get('VM', ref);
    return Math.abs(Number(database.get('VM_metrics', String(metrics)).memory_actual) - Number(target)) <= TOLERANCE_BYTES;
  };
  for (let seconds = 0; !reached(); seconds++) {
    if (abort.aborted) throw xapiErrors.taskCancelled(task);
    if (seconds > WAIT_SECONDS) throw new XapiError('VM_MEMORY_TARGET_WAIT_TIMEOUT', task);
    await new Promise<void>((done) => {
      const end = () => {
        clearTimeout(timer);
        abort.removeEventListener('abort', end);
        done();
      };
      const timer = setTimeout(end, 1000);
      abort.addEventListener('abort', end, { once: true });
    });
  }
}

/** In bytes, of whole MiB: the largest memory_static_max with which the VM fits into `total`. */
function largestMemory(record: WireStruct, total: number, approximate: boolean): number {
  const vcpus = approximate ? { VCPUs_max: APPROXIMATE_VCPUS } : {};
  const fits = (mib: number): boolean => {
    const bytes = mib * MIB;
    const spec = specOf(structOf({ ...record, ...vcpus, memory_static_max: bytes, memory_dynamic_max: bytes }));
    return memoryConfig(spec, 'xenopsd').requiredHostFreeMib * MIB <= total;
  };
  let [low, high] = [0, Math.max(0, Math.floor(total / MIB)) + 1];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low * MIB;
}

const BOARD = ['manufacturer', 'product-name', 'version', 'serial-number', 'asset-tag', 'location-in-chassis'];
/** settable_vm_bios_string_keys of constants.ml. */
const BIOS_KEYS: readonly string[] = [
  ...['bios-vendor', 'bios-version', 'system-manufacturer', 'system-product-name', 'system-version', 'system-serial-number'],
  ...BOARD.map((key) => `baseboard-${key}`),
  'enclosure-asset-tag',
];
const MOST_BIOS_CHARS = 512;
/** generic_bios_strings: what a VM has beside those that were set. */
const GENERIC: Readonly<Record<string, string>> = {
  ...Object.fromEntries([...BIOS_KEYS, 'hp-rombios'].map((key) => [key, ''])),
  'bios-vendor': 'Xen',
  'system-manufacturer': 'Xen',
  'system-product-name': 'HVM domU',
  'oem-1': 'Xen',
  'oem-2': 'MS_VM_CERT/SHA1/bdbeb6e0a816d43fa6d3fe8aaef04c2bad9d3e3d',
};

/** @throws XapiError INVALID_VALUE */
function checkBiosString(key: string, value: string): void {
  if (!BIOS_KEYS.includes(key)) throw xapiErrors.invalidValue(key, 'Unknown key');
  if (value === '') throw xapiErrors.invalidValue(key, 'Value provided is empty');
  if (value.length > MOST_BIOS_CHARS)
    throw xapiErrors.invalidValue(key, `${value.slice(0, 40)}... has more than ${MOST_BIOS_CHARS} characters`);
  if (!/^[ -~]*$/.test(value)) throw xapiErrors.invalidValue(key, 'the value has characters other than printable ASCII');
}

function firmwareMethods(database: Database): Method[] {
  const set = (ref: string, fields: WireStruct): Wire => {
    const known = database.get('VM', ref).bios_strings as WireStruct;
    if (Object.keys(known).length > 0) throw new XapiError('VM_BIOS_STRINGS_ALREADY_SET');
    database.update('VM', ref, fields);
    return VOID;
  };
  return [
    message('set_bios_strings', [self, param('value', { map: 'string' })], ([ref, value]) => {
      const given = value as Readonly<Record<string, string>>;
      for (const [key, text] of Object.entries(given)) checkBiosString(key, text);
      return set(ref as string, structOf({ bios_strings: structOf({ ...GENERIC, ...given }) }));
    }),
    // The VM is to start on this host.
    message('copy_bios_strings', [vm, param('host', { ref: 'host' })], ([ref, host]) =>
      set(ref as string, structOf({ bios_strings: database.get('host', host as string).bios_strings!, affinity: host! })),
    ),
    message('set_has_vendor_device', [self, param('value', 'bool')], ([ref, value]) => {
      assertPower(database, ref as string, 'Halted');
      database.update('VM', ref as string, { has_vendor_device: value! });
      return VOID;
    }),
  ];
}

/** @throws XapiError VM_BAD_POWER_STATE */
function assertPower(database: Database, ref: string, expected: PowerState): void {
  const actual = String(database.get('VM', ref).power_state);
  if (actual !== expected) throw xapiErrors.badPowerState(ref, expected, actual);
}

function answers(database: Database, life: VmLife): Method[] {
  const refusing = (name: string, params: readonly Param[], operation: VmOperation, error: (args: readonly Wire[]) => XapiError): Method =>
    message(name, [vm, ...params], (args, context) =>
      life.operate(args[0] as string, operation, context, async () => {
        throw error(args);
      }),
    );
  const text = (name: string) => param(name, 'string');
  return [
    message(
      'get_boot_record',
      [self],
      ([ref]) => {
        life.assertAllowed(ref as string, 'get_boot_record');
        return database.published.get('VM', ref as string);
      },
      'read-only',
    ),
    message(
      'assert_agile',
      [self],
      ([ref]) => {
        assertAgile(database, ref as string);
        return VOID;
      },
      'read-only',
    ),
    // There are no schedules, so it can only be none.
    message('set_snapshot_schedule', [self, param('value', { ref: 'VMSS' })], ([ref, value]) => {
      database.get('VM', ref as string);
      if (value !== NULL) throw new XapiError('INVALID_VALUE', value as string);
      return VOID;
    }),
    refusing('send_sysrq', [text('key')], 'send_sysrq', () => xapiErrors.notImplemented('send_sysrq')),
    refusing('send_trigger', [text('trigger')], 'send_trigger', () => xapiErrors.notImplemented('send_trigger')),
    // No guest here has an agent.
    refusing('call_plugin', [text('plugin'), text('fn'), param('args', { map: 'string' })], 'call_plugin', ([, plugin, fn]) => {
      if (plugin !== 'guest-agent-operation') return new XapiError('XENAPI_MISSING_PLUGIN', plugin as string);
      const reason = `the guest has no agent for ${String(fn)}`;
      return new XapiError('XENAPI_PLUGIN_FAILURE', 'failed to execute fn', reason, reason);
    }),
  ];
}
