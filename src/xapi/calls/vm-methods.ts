// The messages of class VM, under xapi's names and with its parameters (ocaml/idl/datamodel_vm.ml,
// ocaml/xapi/xapi_vm.ml of xen-api).

import { randomUUID } from 'node:crypto';
import type { Profile } from '../../xenopsd/api/profiles.js';
import { assertAddressOn } from '../devices/pifs.js';
import { provisionVm } from '../devices/templates.js';
import { freeVbdDevices, freeVifDevices, MAC_SEED } from '../devices/vm-devices.js';
import { assertStartable } from '../life/admission.js';
import { checkPolicy } from '../life/numa-policy.js';
import { isEvacuating } from '../life/placing.js';
import type { VmLife } from '../life/vm-life.js';
import { checkRecord } from '../life/vm-spec.js';
import type { Database } from '../model/database.js';
import { VM_CLASS, VM_OPERATIONS, type VmOperation } from '../model/schema-vm.js';
import { xapiErrors } from '../wire/errors.js';
import { checkValue } from '../wire/types.js';
import { newStruct, structOf, type Wire, type WireStruct } from '../wire/values.js';
import { type CallContext, type Method, type Param, selfOf, VOID } from './method.js';
import { copyMethods, makeVm } from './vm/copies.js';
import { liveMethods } from './vm/live.js';
import { message } from './vm/message.js';
import { dropVm } from './vm/removal.js';
import { sendingMethods } from './vm/sending.js';
import { settingMethods } from './vm/settings.js';
import { protection, startOrderMethods } from './vm/start-order.js';

export interface VmMethodsOptions {
  readonly database: Database;
  readonly life: VmLife;
  readonly profile: Profile;
  /** See HostCapabilities.suspend. */
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
    ...movingMethods(options),
    ...settingMethods(database, life),
    ...liveMethods(database, life),
    ...startOrderMethods(database),
    ...askingMethods(options),
  ];
}

/** Fields of a new VM. Those that its creator may not choose are left at their defaults. */
export function newVmFields(given: WireStruct): Record<string, Wire> {
  const fields = newStruct();
  for (const [name, { type, access, initial }] of Object.entries(VM_CLASS.fields)) {
    const value = access === 'ro' ? undefined : given[name];
    fields[name] = value === undefined ? initial : checkValue(type, value, name);
  }
  return fields;
}

function makingMethods({ database, life, profile, canSuspend }: VmMethodsOptions): Method[] {
  return [
    message('create', [{ name: 'args', type: 'record' }], ([args]) => {
      const fields = newVmFields(args as WireStruct);
      checkRecord(fields);
      checkPolicy(profile, 'other_config', fields.other_config!);
      const config = fields.other_config as WireStruct;
      // The addresses of its network cards follow from it (xapi_vm.ml, create).
      if (config[MAC_SEED] === undefined) fields.other_config = structOf({ [MAC_SEED]: randomUUID(), ...config });
      return makeVm(database, fields);
    }),
    ...copyMethods({ database, life, canSuspend }),
    message('provision', [vm], ([ref], context) =>
      life.operate(ref as string, 'provision', context, async () => {
        database.atomically(() => provisionVm(database, ref as string));
        return VOID;
      }),
    ),
    message('destroy', [self], ([ref], context) =>
      life.operate(ref as string, 'destroy', context, async (record) => {
        await life.forget(String(record.uuid));
        dropVm(database, life, ref as string);
        return VOID;
      }),
    ),
  ];
}

function powerMethods({ database, life, canSuspend }: VmMethodsOptions): Method[] {
  const operation = (
    name: VmOperation,
    params: readonly Param[],
    work: (ref: string, args: readonly Wire[], abort: AbortSignal) => Promise<void>,
  ): Method =>
    message(name, params, async (args, context: CallContext) => {
      const ref = args[0] as string;
      if (params[1] === host) database.get('host', args[1] as string);
      await life.operate(ref, name, context, () => work(ref, args, context.abort));
      return VOID;
    });
  /** xapi answers a start or a shutdown after the VM's delay. */
  const delay = (ref: string, field: 'start_delay' | 'shutdown_delay', abort: AbortSignal) =>
    life.delay(database.get('VM', ref)[field] as number, abort);
  const stop = async (ref: string, abort: AbortSignal) => {
    const wasSuspended = database.get('VM', ref).power_state === 'Suspended';
    await life.stop(ref, 'Halted');
    database.update('VM', ref, protection('', false));
    if (!wasSuspended) await delay(ref, 'shutdown_delay', abort);
  };
  const begin = async (ref: string, on: string, paused: Wire) => {
    await life.start(ref, on, paused === true);
    database.update('VM', ref, protection(database.get('VM', ref).ha_restart_priority!, true));
  };
  const start = async (ref: string, on: string, [, paused, force]: readonly Wire[], abort: AbortSignal) => {
    assertStartable(database.get('VM', ref), force === true);
    await begin(ref, on, paused!);
    await delay(ref, 'start_delay', abort);
  };
  const assertTakes = (ref: string, on: Wire): string => {
    if (isEvacuating(database, on as string)) throw xapiErrors.evacuateInProgress(on as string);
    life.placing.assertCanBoot(ref, on as string, true);
    return on as string;
  };
  return [
    operation('start', [vm, bool('start_paused'), bool('force')], (ref, args, abort) => start(ref, life.placing.choose(ref), args, abort)),
    operation('start_on', [vm, host, bool('start_paused'), bool('force')], (ref, [, on, ...args], abort) =>
      start(ref, assertTakes(ref, on!), [ref, ...args], abort),
    ),
    operation('pause', [vm], (ref) => life.pause(ref)),
    operation('unpause', [vm], (ref) => life.unpause(ref)),
    operation('clean_shutdown', [vm], (ref, _, abort) => stop(ref, abort)),
    operation('hard_shutdown', [vm], (ref, _, abort) => stop(ref, abort)),
    // Clean where the VM can, hard where it cannot; a VM that is off stays so without an error only
    // for the hard form in xapi.
    message('shutdown', [vm], async ([ref], context) => {
      const running = database.get('VM', ref as string).power_state === 'Running';
      await life.operate(ref as string, running ? 'clean_shutdown' : 'hard_shutdown', context, () => stop(ref as string, context.abort));
      return VOID;
    }),
    operation('clean_reboot', [vm], (ref) => life.reboot(ref)),
    operation('hard_reboot', [vm], (ref) => life.reboot(ref)),
    operation('suspend', [vm], async (ref) => {
      if (!canSuspend) throw xapiErrors.lacksSuspend(ref);
      await life.stop(ref, 'Suspended');
    }),
    operation('resume', [vm, bool('start_paused'), bool('force')], (ref, [, paused]) => begin(ref, life.placing.choose(ref), paused!)),
    operation('resume_on', [vm, host, bool('start_paused'), bool('force')], (ref, [, on, paused]) => {
      life.placing.assertMovesTo(ref, on as string, true);
      return begin(ref, on as string, paused!);
    }),
  ];
}

function movingMethods({ database, life, canSuspend }: VmMethodsOptions): Method[] {
  /** @param network whose address on the other host the memory would go to */
  const migrate = (ref: string, to: string, network?: string, storage = true) => {
    if (!canSuspend && !life.movesMemory(ref, to)) throw xapiErrors.lacksSuspend(ref);
    if (network !== undefined) assertAddressOn(database, network, to);
    // The domain that is here already frees no memory for the one beside it.
    life.placing.assertMovesTo(ref, to, to !== database.get('VM', ref).resident_on, storage);
    return life.migrate(ref, to);
  };
  return [
    message('pool_migrate', [vm, host, { name: 'options', type: { map: 'string' } }], async ([ref, to, options], context) => {
      database.get('host', to as string);
      const { force, network } = options as Readonly<Record<string, string>>;
      await life.operate(ref as string, 'pool_migrate', context, () => migrate(ref as string, to as string, network), force !== 'true');
      return VOID;
    }),
    ...sendingMethods({ database, life, migrate: (ref, to) => migrate(ref, to, undefined, false) }),
    message('restart_device_models', [self], async ([ref], context) => {
      const { power_state: power, resident_on: home } = database.get('VM', ref as string);
      if (power !== 'Running') throw xapiErrors.badPowerState(ref as string, 'Running', String(power));
      await life.operate(ref as string, 'pool_migrate', context, () => migrate(ref as string, String(home)));
      return VOID;
    }),
  ];
}

function askingMethods({ database, life }: VmMethodsOptions): Method[] {
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
    ...(
      [
        ['get_allowed_VBD_devices', freeVbdDevices],
        ['get_allowed_VIF_devices', freeVifDevices],
      ] as const
    ).map(([name, free]) => message(name, [vm], ([ref]) => free(database, database.get('VM', ref as string)), 'read-only')),
    message('get_possible_hosts', [vm], ([ref]) => life.placing.possibleHosts(ref as string), 'read-only'),
    message(
      'assert_can_boot_here',
      [self, host],
      ([ref, on]) => {
        life.placing.assertCanBoot(ref as string, on as string, true);
        return VOID;
      },
      'read-only',
    ),
    // The record of a VM whose domain is gone is set right; one that runs is no such VM.
    message('power_state_reset', [vm], ([ref], context) => {
      const { is_control_domain: control, domid } = database.get('VM', ref as string);
      if (control === true) throw xapiErrors.cannotResetControlDomain(ref as string);
      if (domid !== -1) throw xapiErrors.domainExists(ref as string);
      return life.queues.run(ref as string, context.task, context.abort, context.user, async () => {
        if (database.get('VM', ref as string).power_state === 'Suspended') await life.halted(ref as string, 'Halted');
        return VOID;
      });
    }),
  ];
}
