// From a decoded call to its answer: session, number of parameters, role, types, then the method;
// Async forms run as tasks. The order of the checks is that of xapi's generated dispatcher.
import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { ChangeKind, Database } from '../model/database.js';
import type { Maker } from '../model/record-bounds.js';
import type { StorageError } from '../model/storage.js';
import { asXapiError, type Tasks } from '../model/tasks.js';
import { type XapiError, xapiErrors } from '../wire/errors.js';
import { checkValue } from '../wire/types.js';
import type { RpcCall, Wire } from '../wire/values.js';
import type { Ledger } from './ledger.js';
import { type CallContext, HOST_LOGINS, LOCAL_LOGIN, LOGINS, type Method } from './method.js';
import { LOCAL_SUPERUSER, makerOf, principalOfUser, type Session, type Sessions } from './sessions.js';

export interface CallEnd {
  readonly method: string;
  /** A change, or an attempt at one. */
  readonly changes: boolean;
  readonly session: Session | null;
  readonly address: string;
  readonly args: readonly Wire[];
  readonly error: XapiError | null;
  readonly durationMs: number;
}

export interface DispatcherOptions {
  readonly database: Database;
  readonly sessions: Sessions;
  readonly tasks: Tasks;
  readonly ledger: Ledger;
  readonly host: () => string;
  readonly methods: readonly Method[];
  /** The reason why no changes are accepted now; null = they are. */
  readonly writable: () => StorageError | null;
  /** Receives every call before it is answered, and the end of every Async call. */
  readonly ended: (end: CallEnd) => void;
}

/** Ends what waits when the caller goes. Node makes a controller's signal when it is first read. */
export type Gone = AbortSignal | AbortController;

/** Messages that do not count as changes: a client's own session, waiting, and questions. */
const NO_AUDIT = /^(session|event)\.|[./]get_(?!sched_gran$)|^(host|pool)\.(has_extension|assert_can_evacuate)$/;

const ASYNC = 'Async.';
/** Messages that are sent as a request for a path of their own. */
const OVER_HTTP = 'http/';

/**
 * A message with parameters that may be left out ignores what is beyond them, and its error counts
 * those that may not (ocaml/idl/ocaml_backend/gen_server.ml, operation).
 * @throws XapiError MESSAGE_PARAMETER_COUNT_MISMATCH
 */
function assertCount(name: string, { params }: Method, received: number): void {
  const least = params.filter(({ initial }) => initial === undefined).length;
  if (received < least || (received > least && least === params.length)) throw xapiErrors.parameterCount(name, least, received);
}

/**
 * No host but this process is in the pool, which has no secret.
 * @throws XapiError SESSION_AUTHENTICATION_FAILED
 */
function refuseHost(method: string, params: readonly Wire[]): never {
  const named = method === HOST_LOGINS[0];
  const count = named ? 2 : 1;
  if (params.length !== count) throw xapiErrors.parameterCount(method, count, params.length);
  const host = named ? String(params[0]).slice(0, 100) : 'localhost';
  throw xapiErrors.authenticationFailed(host, 'Pool credentials invalid');
}

function isChange({ name, role }: Method): boolean {
  return role === 'admin' && !NO_AUDIT.test(name);
}

/** Of a call that is no task; few methods need the last two, and each costs some to make. */
class OwnContext implements CallContext {
  readonly session: Session;
  readonly address: string;
  readonly user: Maker;
  stored = false;
  readonly #gone: Gone;
  #task: string | null = null;

  constructor(session: Session, address: string, gone: Gone) {
    this.session = session;
    this.address = address;
    this.user = makerOf(session);
    this.#gone = gone;
  }

  get task(): string {
    this.#task ??= `OpaqueRef:${randomUUID()}`;
    return this.#task;
  }

  get abort(): AbortSignal {
    return this.#gone instanceof AbortSignal ? this.#gone : this.#gone.signal;
  }
}

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #methods: ReadonlyMap<string, Method>;
  /** Created at a client's first use. */
  #secondNames: ReadonlyMap<string, Method> | null = null;
  readonly #background = new Set<Promise<void>>();

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#methods = new Map(options.methods.map((method) => [method.name, method]));
  }

  /** @throws XapiError, which is the call's answer */
  async call({ method, params }: RpcCall, address: string, gone: Gone): Promise<Wire> {
    if (method === 'system.listMethods') return this.#names();
    const login = LOGINS.find((one) => method === one || method === one.replace('.', '_'));
    if (login !== undefined) return this.#login(login, params, address);
    const hostLogin = HOST_LOGINS.find((one) => method === one || method === one.replace('.', '_'));
    if (hostLogin !== undefined) refuseHost(hostLogin, params);
    const isAsync = method.startsWith(ASYNC);
    const name = isAsync ? method.slice(ASYNC.length) : method;
    const found = this.#method(name);
    if (found === undefined) throw xapiErrors.methodUnknown(name.slice(0, 100));
    const startedMs = performance.now();
    let session: Session | null = null;
    try {
      assertCount(name, found, params.length - 1);
      session = this.#session(params[0]!);
      if (found.betweenHosts === true) throw xapiErrors.betweenHosts(name);
      if (isAsync && !found.async) throw xapiErrors.noAsync(name);
      if (found.role === 'admin' && session.role !== 'admin') throw xapiErrors.permissionDenied(name);
      const args = found.params.map(({ name, type, initial }, index) => checkValue(type, params[index + 1] ?? initial ?? null, name));
      if (isChange(found)) this.#assertWritable();
      const answer = isAsync ? await this.#begin(found, args, session, address) : await this.#run(found, args, session, address, gone);
      if (!isAsync) this.#ended(found, session, address, args, null, startedMs);
      return answer;
    } catch (error) {
      const failure = asXapiError(error);
      this.#ended(found, session, address, params.slice(1), failure, startedMs);
      throw failure;
    }
  }

  /** Resolves when no Async call is in progress. */
  async idle(): Promise<void> {
    while (this.#background.size > 0) await Promise.all(this.#background);
  }

  #names(): string[] {
    return [...this.#methods.values()]
      .filter(({ name }) => !name.startsWith(OVER_HTTP))
      .flatMap(({ name, async }) => (async ? [name, `Async.${name}`] : [name]))
      .concat(LOGINS, 'system.listMethods')
      .sort();
  }

  /** Each message has a second name, with _ for the dot (ocaml/idl/ocaml_backend/gen_server.ml). */
  #method(name: string): Method | undefined {
    const method = this.#methods.get(name);
    if (method !== undefined || name.includes('.')) return method;
    this.#secondNames ??= new Map(this.#options.methods.map((one) => [one.name.replace('.', '_'), one]));
    return this.#secondNames.get(name);
  }

  async #login(method: string, params: readonly Wire[], address: string): Promise<Wire> {
    const startedMs = performance.now();
    const [user, password, , originator] = params;
    if (params.length < 2) throw xapiErrors.parameterCount(method, 2, params.length);
    if (typeof user !== 'string') throw xapiErrors.fieldType('uname');
    if (typeof password !== 'string') throw xapiErrors.fieldType('pwd');
    // For a host that has lost its pool: by its own superuser alone (xapi_session.ml).
    if (method === LOCAL_LOGIN && user !== LOCAL_SUPERUSER)
      throw xapiErrors.authenticationFailed(user.slice(0, 100), 'Authentication failure');
    const end = { method, changes: true, address, args: [user.slice(0, 100)] };
    try {
      const name = typeof originator === 'string' ? originator.slice(0, 200) : '';
      const session = await this.#options.sessions.login(user, password, name, address);
      this.#options.ended({ ...end, session, error: null, durationMs: performance.now() - startedMs });
      return session.ref;
    } catch (error) {
      const failure = asXapiError(error);
      this.#options.ended({ ...end, session: null, error: failure, durationMs: performance.now() - startedMs });
      throw failure;
    }
  }

  #session(ref: Wire): Session {
    if (typeof ref !== 'string') throw xapiErrors.fieldType('session_id');
    return this.#options.sessions.get(ref);
  }

  #assertWritable(): void {
    const fault = this.#options.writable();
    if (fault !== null) throw fault;
  }

  async #run(method: Method, args: readonly Wire[], session: Session, address: string, gone: Gone): Promise<Wire> {
    return this.#stored(method, args, new OwnContext(session, address, gone));
  }

  /** The answer, after all changes of the method are stored. */
  async #stored(method: Method, args: readonly Wire[], context: CallContext): Promise<Wire> {
    const { database } = this.#options;
    try {
      const answer = await database.as(context.user, () => method.call(args, context));
      // A commit of others that is refused must not make a refusal of what is stored already.
      if (isChange(method) && !context.stored) await database.flushed();
      return answer;
    } catch (error) {
      // Changes made before a method failed stay, such as the first half of a reboot. Its own error
      // is the answer.
      await database.flushed().catch(() => {});
      throw error;
    }
  }

  async #begin(method: Method, args: readonly Wire[], session: Session, address: string): Promise<string> {
    const { tasks, database, ledger } = this.#options;
    const principal = principalOfUser(session);
    const { ref, abort } = tasks.begin(`Async.${method.name}`, '', this.#options.host(), principal.name, ledger.take('tasks', principal));
    try {
      await database.flushed();
    } catch (error) {
      tasks.forget(ref);
      throw error;
    }
    const startedMs = performance.now();
    const work = async (): Promise<void> => {
      let end: (kind: ChangeKind) => void;
      let failure: XapiError | null = null;
      try {
        const result = await this.#stored(method, args, { session, address, abort, user: makerOf(session), task: ref, stored: false });
        end = (kind) => tasks.succeeded(ref, result, kind);
      } catch (error) {
        const reason = asXapiError(error);
        failure = reason;
        end = (kind) => tasks.failed(ref, reason, kind);
      }
      end('stored');
      // The work has ended, even if storage refuses the record of it.
      await database.flushed().catch(() => end('fact'));
      this.#ended(method, session, address, args, failure, startedMs);
    };
    const running = work().finally(() => this.#background.delete(running));
    this.#background.add(running);
    return ref;
  }

  #ended(
    method: Method,
    session: Session | null,
    address: string,
    args: readonly Wire[],
    error: XapiError | null,
    startedMs: number,
  ): void {
    this.#options.ended({
      method: method.name,
      changes: isChange(method),
      session,
      address,
      args,
      error,
      durationMs: performance.now() - startedMs,
    });
  }
}
