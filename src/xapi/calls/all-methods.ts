// Every message that the dispatcher knows, made from the daemon's parts.
import { profileOf } from '../../xenopsd/api/profiles.js';
import { checkPolicy } from '../life/numa-policy.js';
import type { VmLife } from '../life/vm-life.js';
import type { Database } from '../model/database.js';
import type { EventSource } from '../model/events.js';
import type { HostObjects } from '../model/host-objects.js';
import type { PoolHosts } from '../model/pool-hosts.js';
import { CLASSES } from '../model/schema.js';
import type { Tasks } from '../model/tasks.js';
import type { RrdStore } from '../rrd/store.js';
import { archiveMethods } from './archive/methods.js';
import { dataSourceMethods } from './data-sources.js';
import { deviceMethods } from './devices/all.js';
import { emptyClassMethods } from './empty-classes.js';
import { type GenericHooks, genericMethods } from './generic-methods.js';
import { applianceMethods } from './groups/appliances.js';
import { groupMethods } from './groups/groups.js';
import { agentMethods } from './host/agent.js';
import { hostLifeMethods } from './host/life.js';
import { poolMembershipMethods } from './host/membership.js';
import { hostSettingMethods } from './host/settings.js';
import type { Ledger } from './ledger.js';
import type { Method } from './method.js';
import { otherMethods } from './other-methods.js';
import { refusedMethods, remainingMethods } from './remaining/all.js';
import { asModelled } from './remaining/as-modelled.js';
import { messageMethods } from './remaining/messages.js';
import { vtpmMethods } from './remaining/vtpm.js';
import { roleMethods } from './roles.js';
import type { Sessions } from './sessions.js';
import type { Turns } from './turns.js';
import { secureBootMethods } from './vm/secure-boot.js';
import { vmMethods } from './vm-methods.js';

/** The daemon's parts that the messages use. */
export interface Parts {
  readonly database: Database;
  readonly hosts: PoolHosts;
  readonly life: VmLife;
  readonly objects: HostObjects;
  readonly sessions: Sessions;
  readonly events: EventSource;
  readonly tasks: Tasks;
  readonly ledger: Ledger;
  readonly rrds: RrdStore;
  readonly turns: Turns;
  /** What clients get by TLS, in PEM; null = no TLS. */
  readonly certificate: string | null;
}

export function allMethods(parts: Parts): Method[] {
  const { database, hosts, life, objects, sessions, events, tasks, ledger, rrds, turns, certificate } = parts;
  const host = () => objects.host;
  const { toolstack } = hosts.coordinator;
  const modelled = toolstack.doors.kind === 'embedded';
  const profile = profileOf(toolstack.profile);
  const policies: GenericHooks = { check: (_ref, field, value) => checkPolicy(profile, field, value) };
  const hooks: Readonly<Record<string, GenericHooks>> = { host: policies, VM: policies };
  const vms = vmMethods({ database, life, profile, canSuspend: toolstack.doors.can.suspend });
  const methods = [
    ...[...CLASSES.values()].filter(({ listed }) => listed).flatMap((type) => genericMethods(database, type, turns, hooks[type.name])),
    ...vms,
    ...applianceMethods(database, new Map(vms.map((one) => [one.name, one]))),
    ...groupMethods(database),
    ...secureBootMethods(database),
    ...hostLifeMethods({
      ...{ database, hosts, life, modelled },
      schedGran: () => (modelled ? 'cpu' : null),
    }),
    ...hostSettingMethods({ database, hosts, modelled }),
    ...poolMembershipMethods({ database, hosts, life, pool: () => objects.pool }),
    ...agentMethods({ database, rrds, modelled, certificate }),
    ...dataSourceMethods(database, rrds),
    ...deviceMethods({ database, host, modelled, possibleHosts: (vm) => life.placing.possibleHosts(vm) }),
    ...messageMethods(database),
    ...vtpmMethods(database, modelled),
    ...remainingMethods({ database, hosts, sessions, modelled }),
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
      freeMemoryBytes: (ref) => hosts.get(ref).toolstack.doors.xc.physInfo().freePages * 4096,
    }),
  ];
  const refused = refusedMethods(database, new Set(methods.map(({ name }) => name)));
  const all = [...methods, ...refused].map((one) => asModelled(database, one));
  const byName = new Map(all.map((one) => [one.name, one]));
  return [...all, ...archiveMethods({ database, life, host, find: (name) => byName.get(name)! })];
}
