// A message of XAPI for the dispatcher: its parameters with their types, the least role that may
// send it, and its action.
import type { Maker } from '../model/record-bounds.js';
import type { ClassDef } from '../model/schema-types.js';
import type { FieldType } from '../wire/types.js';
import type { Wire } from '../wire/values.js';
import type { Session } from './sessions.js';
import type { Role } from './users.js';

export interface CallContext {
  readonly session: Session;
  /** The task of an Async call; else a ref that stands for the call in current_operations. */
  readonly task: string;
  /** The caller has gone (synchronous calls), or cancelled the task. */
  readonly abort: AbortSignal;
  readonly address: string;
  /** Whom the call's changes are charged to. */
  readonly user: Maker;
  /** Whether all that the call changed is stored already. */
  stored: boolean;
}

export interface Param {
  readonly name: string;
  readonly type: FieldType;
  /** Given when the caller leaves it out; only the last ones may have one. */
  readonly initial?: Wire;
}

export interface Method {
  readonly name: string;
  readonly params: readonly Param[];
  readonly role: Role;
  /** Has an Async form: all messages but getters, setters and those of session, task and event. */
  readonly async: boolean;
  /** From host to host only: every client's session is refused. */
  readonly betweenHosts?: boolean;
  /** Arguments are of the parameters' types. */
  readonly call: (args: readonly Wire[], context: CallContext) => Wire | Promise<Wire>;
}

/** Messages without a session: the dispatcher itself serves them. */
export const LOCAL_LOGIN = 'session.slave_local_login_with_password';
export const LOGINS: readonly string[] = ['session.login_with_password', LOCAL_LOGIN];

/** Of hosts that join their pool's coordinator, by the pool's secret. */
export const HOST_LOGINS: readonly string[] = ['session.slave_login', 'session.slave_local_login'];

export const VOID = '';

export function selfOf(type: ClassDef | string): Param {
  return { name: 'self', type: { ref: typeof type === 'string' ? type : type.name } };
}
