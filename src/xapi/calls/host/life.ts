// The messages that enable, evacuate and power a host (ocaml/xapi/xapi_host.ml and
// xapi_host_helpers.ml of xen-api e2ee48d6).
import { type EvacuationParts, planEvacuation } from '../../life/evacuation.js';
import type { Database } from '../../model/database.js';
import { XapiError, xapiErrors } from '../../wire/errors.js';
import { newStruct, structOf, type Wire, type WireStruct } from '../../wire/values.js';
import { type CallContext, type Method, type Param, selfOf, VOID } from '../method.js';

/** host_sched_gran: how many CPUs Xen schedules together. */
const GRANULARITIES = ['core', 'cpu', 'socket'] as const;

/** evacuation_batch_size of xapi_globs.ml */
const BATCH = 10;

export interface HostLifeOptions extends EvacuationParts {
  /** A host of this process, which boots in no time; a real one is not rebooted from here. */
  readonly modelled: boolean;
  /** The granularity that Xen booted with; null = not known. */
  readonly schedGran: () => (typeof GRANULARITIES)[number] | null;
}

type HostCall = (ref: string, args: readonly Wire[], context: CallContext) => Wire | Promise<Wire>;
type Message = (name: string, params: readonly Param[], role: Method['role'], call: HostCall) => Method;

const host: Param = { name: 'host', type: { ref: 'host' } };
const self = selfOf('host');

export function hostLifeMethods(options: HostLifeOptions): Method[] {
  const { database, schedGran } = options;
  const message: Message = (name, params, role, call) => ({
    name: `host.${name}`,
    params,
    role,
    async: true,
    call: (args, context) => {
      database.get('host', args[0] as string);
      return call(args[0] as string, args, context);
    },
  });
  const enable = (name: string, enabled: boolean): Method =>
    message(name, [host], 'admin', (ref) => {
      database.update('host', ref, { enabled });
      return VOID;
    });
  return [
    enable('enable', true),
    enable('disable', false),
    ...evacuationMethods(options, message),
    ...powerMethods(options, message),
    message('get_sched_gran', [self], 'admin', () => {
      const found = schedGran();
      if (found === null) throw xapiErrors.internal('Failed to get sched-gran');
      return found;
    }),
    // xapi.conf allows it where it is wanted; by default it does not (xapi_globs.ml).
    message('set_sched_gran', [self, { name: 'value', type: { enum: GRANULARITIES } }], 'admin', () => {
      throw xapiErrors.operationNotAllowed('Disabled by xapi.conf');
    }),
  ];
}

function evacuationMethods(parts: EvacuationParts, message: Message): Method[] {
  const params: readonly Param[] = [
    host,
    { name: 'network', type: { ref: 'network' }, initial: 'OpaqueRef:NULL' },
    { name: 'evacuate_batch_size', type: 'int', initial: 0 },
  ];
  return [
    message('get_vms_which_prevent_evacuation', [self], 'read-only', (ref) => {
      const stuck = newStruct();
      for (const [vm, { code, params: words }] of planEvacuation(parts, ref).stuck) stuck[vm] = [code, ...words];
      return stuck;
    }),
    message('assert_can_evacuate', [host], 'read-only', (ref) => {
      const reasons = [...planEvacuation(parts, ref).stuck.values()].map(({ code, params: words }) => [code, ...words].join(','));
      if (reasons.length > 0) throw xapiErrors.cannotEvacuate(reasons.join('|'));
      return VOID;
    }),
    message('evacuate', params, 'admin', async (ref, [, , batch], context) => {
      await evacuate(parts, ref, (batch as number) > 0 ? (batch as number) : BATCH, context);
      return VOID;
    }),
  ];
}

/**
 * All VMs leave, so many at a time. One that went down meanwhile is no failure.
 * @throws XapiError the reason of a VM that cannot leave, before any goes
 */
async function evacuate(parts: EvacuationParts, ref: string, batch: number, context: CallContext): Promise<void> {
  const { database, life } = parts;
  life.placing.assertDeparture(ref);
  const { moves, stuck } = planEvacuation(parts, ref);
  for (const reason of stuck.values()) throw reason;
  const waiting = [...moves];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [vm, to] = next;
      // Each is stored by itself.
      const own = { task: context.task, abort: context.abort, user: context.user, stored: false };
      const moved = life.operate(vm, 'pool_migrate', own, async (record) => {
        // Another evacuation, or its user, may have moved it meanwhile.
        if (record.resident_on !== ref) return;
        life.placing.assertMovesTo(vm, to, true);
        await life.migrate(vm, to);
      });
      await moved.catch((error: unknown) => {
        if (!(error instanceof XapiError) || error.code !== 'VM_BAD_POWER_STATE') throw error;
      });
    }
  };
  // Another evacuation of the host may be under way.
  const operations = (own: WireStruct) => {
    const { [context.task]: _ended, ...others } = database.get('host', ref).current_operations as WireStruct;
    database.update('host', ref, { current_operations: structOf({ ...others, ...own }) }, 'derived');
  };
  operations({ [context.task]: 'evacuate' });
  try {
    const ends = await Promise.allSettled(Array.from({ length: Math.min(batch, waiting.length) }, worker));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  } finally {
    if (database.has('host', ref)) operations(newStruct());
  }
}

function powerMethods({ database, hosts, life, modelled }: HostLifeOptions, message: Message): Method[] {
  const setLive = (ref: string, live: boolean): void => database.update('host_metrics', hosts.get(ref).metrics, { live });
  /** It takes VMs again once it is up. */
  const boot = (ref: string): void => {
    const config = database.get('host', ref).other_config as WireStruct;
    const now = `${Math.floor(Date.now() / 1000)}.`;
    database.update('host', ref, { enabled: true, other_config: structOf({ ...config, boot_time: now, agent_start_time: now }) });
  };
  return [
    message('reboot', [host], 'admin', (ref) => {
      life.placing.assertDeparture(ref);
      assertIdle(database, ref);
      if (!modelled) throw xapiErrors.notImplemented('host.reboot');
      boot(ref);
      return VOID;
    }),
    message('shutdown', [host], 'admin', (ref) => {
      life.placing.assertDeparture(ref);
      assertIdle(database, ref);
      if (!modelled) throw xapiErrors.notImplemented('host.shutdown');
      setLive(ref, false);
      return VOID;
    }),
    message('power_on', [host], 'admin', (ref) => {
      const { metrics } = hosts.get(ref);
      if (database.get('host_metrics', metrics).live === true) throw xapiErrors.hostIsLive(ref);
      if (database.get('host', ref).power_on_mode === '') throw xapiErrors.powerOnDisabled();
      setLive(ref, true);
      boot(ref);
      return VOID;
    }),
    message(
      'set_power_on_mode',
      [self, { name: 'power_on_mode', type: 'string' }, { name: 'power_on_config', type: { map: 'string' } }],
      'admin',
      (ref, [, mode, config]) => {
        database.update('host', ref, { power_on_mode: mode!, power_on_config: config! });
        return VOID;
      },
    ),
  ];
}

/**
 * assert_bacon_mode of xapi_host.ml.
 * @throws XapiError HOST_NOT_DISABLED, HOST_IN_USE
 */
function assertIdle(database: Database, host: string): void {
  if (database.get('host', host).enabled === true) throw xapiErrors.hostNotDisabled();
  for (const [ref, vm] of database.records('VM')) {
    if (vm.resident_on === host && vm.power_state === 'Running' && vm.is_control_domain !== true) {
      throw xapiErrors.hostInUse(host, 'vm', ref);
    }
  }
}
