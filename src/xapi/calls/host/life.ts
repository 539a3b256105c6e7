// Whether a host takes VMs, and what keeps its VMs there (ocaml/xapi/xapi_host.ml of xen-api
// e2ee48d6). The pool has one host, so its VMs have nowhere to go.
import type { Database } from '../../model/database.js';
import { xapiErrors } from '../../wire/errors.js';
import { newStruct, type Wire, type WireStruct } from '../../wire/values.js';
import { type Method, type Param, selfOf, VOID } from '../method.js';

/** host_sched_gran: how many CPUs Xen schedules together. */
const GRANULARITIES = ['core', 'cpu', 'socket'] as const;

export interface HostLifeOptions {
  readonly database: Database;
  /** The granularity that Xen booted with; null = not known. */
  readonly schedGran: () => (typeof GRANULARITIES)[number] | null;
}

export function hostLifeMethods({ database, schedGran }: HostLifeOptions): Method[] {
  const host: Param = { name: 'host', type: { ref: 'host' } };
  const self = selfOf('host');
  const message = (
    name: string,
    params: readonly Param[],
    role: Method['role'],
    call: (ref: string, args: readonly Wire[]) => Wire,
  ): Method => ({
    name: `host.${name}`,
    params,
    role,
    async: true,
    call: (args) => {
      database.get('host', args[0] as string);
      return call(args[0] as string, args);
    },
  });
  const enable = (name: string, enabled: boolean): Method =>
    message(name, [host], 'admin', (ref) => {
      database.update('host', ref, { enabled });
      return VOID;
    });
  const evacuation: readonly Param[] = [
    host,
    { name: 'network', type: { ref: 'network' }, initial: 'OpaqueRef:NULL' },
    { name: 'evacuate_batch_size', type: 'int', initial: 0 },
  ];
  return [
    enable('enable', true),
    enable('disable', false),
    message('get_vms_which_prevent_evacuation', [self], 'read-only', (ref) => stuckVms(database, ref)),
    message('assert_can_evacuate', [host], 'read-only', (ref) => {
      const reasons = Object.values(stuckVms(database, ref)).map((words) => (words as readonly string[]).join(','));
      if (reasons.length > 0) throw xapiErrors.cannotEvacuate(reasons.join('|'));
      return VOID;
    }),
    message('evacuate', evacuation, 'admin', (ref) => {
      const [vm] = Object.keys(stuckVms(database, ref));
      if (vm !== undefined) throw xapiErrors.noHostsForVm(vm);
      return VOID;
    }),
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

/** Each VM with the words of its error, as a map of references (compute_evacuation_plan_no_wlb). */
function stuckVms(database: Database, host: string): WireStruct {
  const stuck = newStruct();
  for (const [ref, vm] of database.published.records('VM')) {
    if (vm.resident_on === host && vm.is_control_domain !== true) stuck[ref] = ['NO_HOSTS_AVAILABLE', ref];
  }
  return stuck;
}
