// Messages that xapi has and leaves out of its published data model; xe and hosts of a pool send
// them (datamodel_host.ml and others of xen-api e2ee48d6, hide_from_docs).
import type { Database } from '../../model/database.js';
import { structOf, type Wire } from '../../wire/values.js';
import { type Method, type Param, VOID } from '../method.js';

const of = (type: string): Param => ({ name: type.toLowerCase(), type: { ref: type } });

/** @param database must have what a message is about */
export function unpublishedMethods(database: Database): Method[] {
  const one = (name: string, params: readonly Param[], role: Method['role'], answer: () => Wire = () => VOID): Method => ({
    ...{ name, params, role, async: false },
    call: (args) => {
      for (const [index, { type }] of params.entries()) {
        if (typeof type === 'object' && 'ref' in type) database.get(type.ref, args[index] as string);
      }
      return answer();
    },
  });
  return [
    // This process is the coordinator of its pool, and it answers.
    one('host.is_in_emergency_mode', [], 'read-only', () => false),
    one('host.ha_xapi_healthcheck', [], 'admin', () => true),
    // Functions are not timed.
    one('host.get_diagnostic_timing_stats', [of('host'), { name: 'counts', type: 'bool', initial: false }], 'read-only', () =>
      structOf({}),
    ),
    // There are no updates, of which a host could have some.
    one('pool_update.resync_host', [of('host')], 'admin'),
    // Objects have no blobs.
    one('pool.disable_binary_storage', [], 'admin'),
  ];
}
