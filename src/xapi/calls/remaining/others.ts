// Messages of other classes about what the daemon does not have: recovery from other pools'
// storage, workload balancing, external authentication (xen-api e2ee48d6).
import type { Database } from '../../model/database.js';
import { XapiError, xapiErrors } from '../../wire/errors.js';
import type { Method } from '../method.js';
import { assertSubject, identityOf } from '../roles.js';
import { LOCAL_SUPERUSER, type Sessions } from '../sessions.js';
import { fails, modelMessage, nothing } from './shape.js';

/** The file of users decides, which clients do not change. */
const FILE_OF_USERS = 'passwords and roles are those of the file of users: change it with xennuma serve passwd';

const SETTERS = ['set_other_config', 'add_to_other_config', 'remove_from_other_config'];

export function remainingOtherMethods(database: Database, sessions: Sessions): Method[] {
  const one = (full: string, action: Parameters<typeof modelMessage>[2]): Method => modelMessage(database, full, action);
  return [
    one('VM.query_services', fails('NOT_IMPLEMENTED', 'query_services')),
    one('VM.import_convert', fails('XENAPI_MISSING_PLUGIN', 'conversion')),
    one('VM.retrieve_wlb_recommendations', fails('WLB_NOT_INITIALIZED')),
    one('VM.set_suspend_VDI', ([vm, vdi]) => {
      const { power_state: power } = database.get('VM', vm as string);
      if (power !== 'Suspended') throw xapiErrors.badPowerState(vm as string, 'Suspended', String(power));
      database.update('VM', vm as string, { suspend_VDI: vdi! });
    }),
    // No external authentication is set up (ocaml/xapi/extauth.ml).
    ...['get_subject_identifier', 'get_group_membership', 'get_subject_information_from_identifier'].map((name) =>
      one(`auth.${name}`, fails('AUTH_IS_DISABLED')),
    ),
    one('subject.create', fails('OPERATION_NOT_ALLOWED', FILE_OF_USERS)),
    ...['destroy', 'add_to_roles', 'remove_from_roles'].map((name) =>
      one(`subject.${name}`, ([subject]) => {
        assertSubject(sessions, subject as string);
        throw xapiErrors.operationNotAllowed(FILE_OF_USERS);
      }),
    ),
    ...SETTERS.map((name) =>
      one(`session.${name}`, ([ref]) => {
        if (!sessions.live().some((live) => live.ref === ref)) throw xapiErrors.handleInvalid('session', ref as string);
        throw xapiErrors.notImplemented(`session.${name}`);
      }),
    ),
    // Users of before there were subjects: no host has any.
    ...['set_fullname', 'destroy', ...SETTERS].map((name) =>
      one(`user.${name}`, ([ref]) => {
        throw xapiErrors.handleInvalid('user', ref as string);
      }),
    ),
    one('session.change_password', fails('CHANGE_PASSWORD_REJECTED', FILE_OF_USERS)),
    one('session.local_logout', nothing),
    one('session.logout_subject_identifier', ([subject], { session }) => {
      for (const live of sessions.live()) {
        const isSuperuser = live.user === LOCAL_SUPERUSER || identityOf(live).is_local_superuser === true;
        if (live !== session && !isSuperuser && live.user === subject) sessions.logout(live.ref);
      }
    }),
    one('PUSB.scan', nothing),
    one('Cluster.create', ([, stack]) => refuseCluster(stack as string)),
    one('Cluster.pool_create', ([, stack]) => refuseCluster(stack as string)),
  ];
}

/** @throws XapiError INVALID_CLUSTER_STACK; NOT_IMPLEMENTED for the only one that xapi knows */
function refuseCluster(stack: string): never {
  if (stack !== 'corosync') throw new XapiError('INVALID_CLUSTER_STACK', stack);
  throw xapiErrors.notImplemented('Cluster.create');
}
