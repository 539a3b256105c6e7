// Every message that the dispatcher knows, made from the daemon's parts.
import { effectivePolicy, profileOf } from '../../xenopsd/api/profiles.js';
import type { Toolstack } from '../../xenopsd/api/toolstack.js';
import type { VmLife } from '../life/vm-life.js';
import type { Database } from '../model/database.js';
import type { EventSource } from '../model/events.js';
import type { HostObjects } from '../model/host-objects.js';
import { CLASSES } from '../model/schema.js';
import type { Tasks } from '../model/tasks.js';
import type { RrdStore } from '../rrd/store.js';
import { xapiErrors } from '../wire/errors.js';
import { dataSourceMethods } from './data-sources.js';
import { emptyClassMethods } from './empty-classes.js';
import { genericMethods } from './generic-methods.js';
import { hostLifeMethods } from './host/life.js';
import type { Ledger } from './ledger.js';
import type { Method } from './method.js';
import { otherMethods } from './other-methods.js';
import { roleMethods } from './roles.js';
import type { Sessions } from './sessions.js';
import { vmMethods } from './vm-methods.js';

/** The daemon's parts that the messages use. */
export interface Parts {
  readonly database: Database;
  readonly toolstack: Toolstack;
  readonly life: VmLife;
  readonly objects: HostObjects;
  readonly sessions: Sessions;
  readonly events: EventSource;
  readonly tasks: Tasks;
  readonly ledger: Ledger;
  readonly rrds: RrdStore;
}

export function allMethods({ database, toolstack, life, objects, sessions, events, tasks, ledger, rrds }: Parts): Method[] {
  const host = () => objects.host;
  const hooks: Readonly<Record<string, Parameters<typeof genericMethods>[2]>> = {
    host: {
      check: (_ref, field, value) => {
        if (field !== 'numa_affinity_policy') return;
        try {
          effectivePolicy(profileOf(toolstack.profile), value as Toolstack['policy']);
        } catch (error) {
          throw xapiErrors.valueNotSupported('numa_affinity_policy', String(value), error instanceof Error ? error.message : String(error));
        }
      },
    },
  };
  return [
    ...[...CLASSES.values()].filter(({ listed }) => listed).flatMap((type) => genericMethods(database, type, hooks[type.name])),
    ...vmMethods({ database, life, host, canSuspend: toolstack.doors.can.suspend }),
    ...hostLifeMethods({ database, schedGran: () => (toolstack.doors.kind === 'embedded' ? 'cpu' : null) }),
    ...dataSourceMethods(database, rrds),
    ...emptyClassMethods(),
    ...roleMethods(sessions),
    ...otherMethods({
      database,
      sessions,
      events,
      tasks,
      ledger,
      host,
      pool: () => objects.pool,
      freeMemoryBytes: () => toolstack.doors.xc.physInfo().freePages * 4096,
    }),
  ];
}
