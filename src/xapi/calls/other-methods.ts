// The messages of session, event, task, host, pool and system (ocaml/idl/datamodel.ml and
// ocaml/xapi of xen-api).
import type { Database } from '../model/database.js';
import { DATAMODEL } from '../model/datamodel.js';
import { type EventSource, formatToken, parseToken } from '../model/events.js';
import { CLASSES } from '../model/schema.js';
import { TASK_CLASS } from '../model/schema-host.js';
import { EMPTY_MAP, NULL } from '../model/schema-types.js';
import type { Tasks } from '../model/tasks.js';
import { xapiErrors } from '../wire/errors.js';
import { type Wire, WireDate, type WireFloat, type WireStruct } from '../wire/values.js';
import type { Ledger } from './ledger.js';
import { type CallContext, type Method, type Param, selfOf, VOID } from './method.js';
import { identityOf } from './roles.js';
import { principalOfUser, type Session, type Sessions } from './sessions.js';

export interface OtherMethodsOptions {
  readonly database: Database;
  readonly sessions: Sessions;
  readonly events: EventSource;
  readonly tasks: Tasks;
  readonly ledger: Ledger;
  readonly host: () => string;
  readonly pool: () => string;
  readonly freeMemoryBytes: (host: string) => number;
}

export function otherMethods(options: OtherMethodsOptions): Method[] {
  return [...sessionMethods(options), ...eventMethods(options), ...taskMethods(options), ...hostMethods(options)];
}

function method(name: string, params: readonly Param[], call: Method['call'], role: Method['role'] = 'read-only'): Method {
  return { name, params, role, async: false, call };
}

const text = (name: string): Param => ({ name, type: 'string' });

function sessionMethods({ sessions, host, pool }: OtherMethodsOptions): Method[] {
  const self = selfOf('session');
  // A session may ask about itself; an admin about others.
  const of = (ref: Wire, context: CallContext): Session => {
    if (ref !== context.session.ref && context.session.role !== 'admin') throw xapiErrors.permissionDenied('session.get_record');
    try {
      return sessions.get(ref as string);
    } catch {
      throw xapiErrors.handleInvalid('session', ref as string);
    }
  };
  const record = (session: Session): WireStruct => ({
    uuid: session.uuid,
    this_host: host(),
    this_user: NULL,
    last_active: WireDate.at(session.lastActiveMs),
    pool: pool() === NULL ? false : session.role === 'admin',
    other_config: EMPTY_MAP,
    validation_time: WireDate.at(session.createdMs),
    ...identityOf(session),
    tasks: [],
    parent: NULL,
    originator: session.originator,
    client_certificate: false,
  });
  const fields = Object.keys(DATAMODEL.get('session')!.fields);
  return [
    method('session.logout', [], (_args, { session }) => {
      sessions.logout(session.ref);
      return VOID;
    }),
    method('session.get_by_uuid', [text('uuid')], ([uuid], context) => {
      const found = sessions.live().find((session) => session.uuid === uuid);
      if (found === undefined) throw xapiErrors.uuidInvalid('session', uuid as string);
      return of(found.ref, context).ref;
    }),
    method('session.get_record', [self], ([ref], context) => record(of(ref!, context))),
    ...fields.map((name) => method(`session.get_${name}`, [self], ([ref], context) => record(of(ref!, context))[name]!)),
  ];
}

function eventMethods({ events, database, ledger, sessions }: OtherMethodsOptions): Method[] {
  const classes: Param = { name: 'classes', type: { set: 'string' } };
  // Waits for events for as long as the session lives.
  const wait = async (names: readonly string[], token: string, seconds: number, { session, abort }: CallContext): Promise<WireStruct> => {
    const followed = sessions.revocations.follow(() => sessions.isLive(session), abort);
    try {
      const answer = await events.from(names, token, seconds, followed.signal, () => ledger.take('watchers', principalOfUser(session)));
      if (followed.revoked) throw xapiErrors.sessionInvalid(session.ref);
      return answer as WireStruct;
    } finally {
      followed.end();
    }
  };
  return [
    method('event.from', [classes, text('token'), { name: 'timeout', type: 'float' }], ([names, token, timeout], context) =>
      wait(names as readonly string[], token as string, (timeout as WireFloat).value, context),
    ),
    // A change of nothing: xapi's clients use it to learn a token (xapi_event.ml, inject).
    method('event.inject', [text('class'), text('ref')], ([name, ref]) => {
      const type = [...CLASSES.values()].find((one) => one.listed && one.name.toLowerCase() === (name as string).toLowerCase());
      if (type === undefined) throw xapiErrors.invalidValue('class', (name as string).slice(0, 100));
      database.inject(type.name, ref as string);
      return formatToken(database.published.generation);
    }),
    method('event.get_current_id', [], () => database.published.generation),
    method('event.register', [classes], ([names], { session }) => {
      const known = session.registered;
      const all = new Set([...(known?.names ?? []), ...(names as readonly string[])]);
      if (all.size > 1024) throw xapiErrors.valueNotSupported('classes', `${all.size} names`, 'expected at most 1024');
      session.registered = { names: [...all], since: known?.since ?? database.published.generation };
      return VOID;
    }),
    method('event.unregister', [classes], ([names], { session }) => {
      const left = (session.registered?.names ?? []).filter((name) => !(names as readonly string[]).includes(name));
      session.registered = left.length === 0 ? null : { names: left, since: session.registered!.since };
      return VOID;
    }),
    method('event.next', [], async (_args, context) => {
      const { registered } = context.session;
      if (registered === null) throw xapiErrors.notRegistered('session');
      const answer = await wait(registered.names, formatToken(registered.since), 60, context);
      registered.since = parseToken(answer.token as string);
      return answer.events!;
    }),
  ];
}

function taskMethods({ database, tasks, host }: OtherMethodsOptions): Method[] {
  // For tasks that clients create and work on themselves; xapi stores them unchanged
  // (xapi/xapi_task.ml, set_status).
  const setters = ['status', 'progress', 'result', 'error_info', 'resident_on'].map((name) =>
    method(
      `task.set_${name}`,
      [selfOf('task'), { name: 'value', type: TASK_CLASS.fields[name]!.type }],
      ([ref, value]) => {
        database.update('task', ref as string, { [name]: value! });
        return VOID;
      },
      'admin',
    ),
  );
  const task: Param = { name: 'task', type: { ref: 'task' } };
  return [
    ...setters,
    method(
      'task.create',
      [text('label'), text('description')],
      ([label, about], { session }) => tasks.own(label as string, about as string, host(), principalOfUser(session).name),
      'admin',
    ),
    method(
      'task.destroy',
      [selfOf('task')],
      ([ref]) => {
        tasks.destroy(ref as string);
        return VOID;
      },
      'admin',
    ),
    method(
      'task.cancel',
      [task],
      ([ref]) => {
        tasks.cancel(ref as string);
        return VOID;
      },
      'admin',
    ),
  ];
}

function hostMethods({ database, freeMemoryBytes }: OtherMethodsOptions): Method[] {
  const param: Param = { name: 'host', type: { ref: 'host' } };
  const known = (ref: Wire): void => {
    database.published.get('host', ref as string);
  };
  return [
    method('host.compute_free_memory', [param], ([ref]) => {
      known(ref!);
      return freeMemoryBytes(ref as string);
    }),
    method('host.get_servertime', [param], ([ref]) => {
      known(ref!);
      return WireDate.at(Date.now());
    }),
  ];
}
