// The messages of the data model that nothing else serves. Each answers as xapi does on a host
// without what it is about, and NOT_IMPLEMENTED where a host of xapi's would do something.
import type { Database } from '../../model/database.js';
import { DATAMODEL } from '../../model/datamodel.js';
import type { PoolHosts } from '../../model/pool-hosts.js';
import { LOGINS, type Method } from '../method.js';
import type { Sessions } from '../sessions.js';
import { hiddenMethods } from './hidden.js';
import { remainingHostMethods } from './host.js';
import { remainingOtherMethods } from './others.js';
import { remainingPoolMethods } from './pool.js';
import { modelMessage, refuses } from './shape.js';
import { unpublishedMethods } from './unpublished.js';

export interface RemainingOptions {
  readonly database: Database;
  readonly hosts: PoolHosts;
  readonly sessions: Sessions;
  readonly modelled: boolean;
}

export function remainingMethods({ database, hosts, sessions, modelled }: RemainingOptions): Method[] {
  return [
    ...remainingPoolMethods(database, hosts),
    ...remainingHostMethods({ database, modelled }),
    ...remainingOtherMethods(database, sessions),
    ...unpublishedMethods(database),
    ...hiddenMethods(database),
  ];
}

/** For each message that is in no list. @param known names of all messages that are */
export function refusedMethods(database: Database, known: ReadonlySet<string>): Method[] {
  return [...DATAMODEL.values()].flatMap(({ name: type, messages }) =>
    [...messages.keys()]
      .map((name) => `${type}.${name}`)
      .filter((full) => !known.has(full) && !LOGINS.includes(full))
      .map((full) => modelMessage(database, full, refuses(full))),
  );
}
