// The messages about the order in which VMs start, and about their restart after a failure
// (ocaml/xapi/xapi_vm.ml of xen-api e2ee48d6). Appliances and delays use the order; without high
// availability nothing restarts VMs.
import type { Database } from '../../model/database.js';
import { xapiErrors } from '../../wire/errors.js';
import type { Wire } from '../../wire/values.js';
import { type Method, selfOf, VOID } from '../method.js';
import { message } from './message.js';

const RESTART = 'restart';
/** ha_valid_restart_priorities of constants.ml */
const PRIORITIES = [RESTART, 'best-effort', ''];
const self = selfOf('VM');

export function startOrderMethods(database: Database): Method[] {
  const count = (field: string): Method =>
    message(`set_${field}`, [self, { name: 'value', type: 'int' }], ([ref, value]) => {
      if ((value as number) < 0) throw xapiErrors.invalidValue(`${field} must be non-negative`, String(value));
      database.update('VM', ref as string, { [field]: value! });
      return VOID;
    });
  const setPriority = (ref: string, priority: string): Wire => {
    if (!PRIORITIES.includes(priority)) throw xapiErrors.invalidValue('ha_restart_priority', priority.slice(0, 100));
    const running = database.get('VM', ref).power_state === 'Running';
    database.update('VM', ref, { ha_restart_priority: priority, ...(running ? { ha_always_run: priority === RESTART } : {}) });
    return VOID;
  };
  return [
    ...['order', 'start_delay', 'shutdown_delay'].map(count),
    message('set_ha_restart_priority', [self, { name: 'value', type: 'string' }], ([ref, value]) =>
      setPriority(ref as string, value as string),
    ),
    // Of old clients.
    message('set_ha_always_run', [self, { name: 'value', type: 'bool' }], ([ref, value]) =>
      setPriority(ref as string, value === true ? RESTART : ''),
    ),
  ];
}

/** VM.ha_always_run after its owner starts or stops the VM. */
export function protection(priority: Wire, starts: boolean): Readonly<Record<string, Wire>> {
  if (!starts) return { ha_always_run: false };
  return priority === RESTART ? { ha_always_run: true } : {};
}
