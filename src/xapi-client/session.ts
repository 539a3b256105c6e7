// A session on a XAPI host: login, calls, tasks that are waited for, events.
import type { Endpoint } from './endpoint.js';
import { XapiError } from './errors.js';
import { type CallOptions, JsonRpc } from './json-rpc.js';
import { asList, asRecord, asText, isNull, type Json } from './values.js';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export interface ApiEvent {
  /** In lower case: vm, host, task. */
  readonly class: string;
  readonly operation: 'add' | 'mod' | 'del';
  readonly ref: string;
  /** Absent when the object is gone. */
  readonly snapshot?: Json;
}

/**
 * How long one event.from waits for an event before its answer is empty. The API's own clients use
 * 30 s.
 */
const EVENT_WAIT_S = 30;
const API_VERSION = '2.21';
const ORIGINATOR = 'xennuma';

/** Transport of the calls: HTTP to a host, or the daemon of this process. */
export interface Rpc {
  /** @throws XapiError for what the API refuses, XapiUnreachable when the API does not answer */
  call(method: string, params: readonly unknown[], options?: CallOptions): Promise<unknown>;
  close(): void;
}

export class XapiSession {
  readonly #rpc: Rpc;
  /** null: the session is somebody else's, who alone renews and ends it. */
  readonly #credentials: (() => Credentials) | null;
  #ref: string;

  private constructor(rpc: Rpc, credentials: (() => Credentials) | null, ref: string) {
    this.#rpc = rpc;
    this.#credentials = credentials;
    this.#ref = ref;
  }

  /**
   * @param credentials a function is called again when the session is renewed
   * @throws XapiError (SESSION_AUTHENTICATION_FAILED, HOST_IS_SLAVE ...), XapiUnreachable
   */
  static login(endpoint: Endpoint, credentials: Credentials | (() => Credentials)): Promise<XapiSession> {
    return XapiSession.over(new JsonRpc(endpoint), credentials);
  }

  /** A session that is there already: close() leaves it as it is. */
  static known(rpc: Rpc, ref: string): XapiSession {
    return new XapiSession(rpc, null, ref);
  }

  /** @throws as login() */
  static async over(rpc: Rpc, credentials: Credentials | (() => Credentials)): Promise<XapiSession> {
    const current = typeof credentials === 'function' ? credentials : () => credentials;
    try {
      return new XapiSession(rpc, current, await login(rpc, current()));
    } catch (error) {
      rpc.close();
      throw error;
    }
  }

  /**
   * A call of the API; the session's own reference is added. A session that the host has forgotten
   * is renewed once.
   */
  async call(method: string, params: readonly unknown[] = [], options: CallOptions = {}): Promise<unknown> {
    const used = this.#ref;
    try {
      return await this.#rpc.call(method, [used, ...params], options);
    } catch (error) {
      if (this.#credentials === null || !(error instanceof XapiError) || error.code !== 'SESSION_INVALID') throw error;
      if (this.#ref === used) this.#ref = await login(this.#rpc, this.#credentials());
      return this.#rpc.call(method, [this.#ref, ...params], options);
    }
  }

  /** Its reference, for what is fetched over HTTP with a session in the URL. */
  get ref(): string {
    return this.#ref;
  }

  /** Another session on the same connection, which is somebody else's to end. */
  as(ref: string): XapiSession {
    return XapiSession.known(this.#rpc, ref);
  }

  async records(apiClass: string): Promise<ReadonlyMap<string, Json>> {
    const all = asRecord(await this.call(`${apiClass}.get_all_records`));
    return new Map(Object.entries(all).map(([ref, record]) => [ref, asRecord(record)]));
  }

  /**
   * Runs a call as a task and waits for its end; the task is destroyed then, however it ended.
   * @param onProgress told 0 to 1 each time the host tells it
   * @returns the task's result, as the host words it
   * @throws XapiError with the task's error_info; TASK_CANCELLED when someone cancelled it
   */
  async run(method: string, params: readonly unknown[], onProgress?: (progress: number) => void): Promise<string> {
    const task = asText(await this.call(`Async.${method}`, params));
    try {
      return await this.outcome(task, { ...(onProgress === undefined ? {} : { onProgress }) });
    } finally {
      // The host also forgets finished tasks by itself, so that a second failure here would only
      // hide the first.
      await this.call('task.destroy', [task]).catch(() => {});
    }
  }

  /**
   * Events from now on, as event.from gives them: the first batch has all current objects.
   * @param classes such as vm, host, task/OpaqueRef:...; * for all
   */
  async *events(classes: readonly string[], options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<readonly ApiEvent[]> {
    let token = '';
    for (;;) {
      let answer: Json;
      try {
        // The host holds the call open; 30 s more than it does are enough for a busy one.
        answer = asRecord(
          await this.call('event.from', [classes, token, EVENT_WAIT_S], { ...options, timeoutMs: (EVENT_WAIT_S + 30) * 1000 }),
        );
      } catch (error) {
        if (!(error instanceof XapiError) || error.code !== 'EVENTS_LOST') throw error;
        token = '';
        continue;
      }
      // A host of this process answers a call whose signal is aborted.
      options.signal?.throwIfAborted();
      token = asText(answer.token);
      yield (Array.isArray(answer.events) ? answer.events : []).map(asEvent);
    }
  }

  /** Ends the session; a host that is gone needs no logout. */
  async close(): Promise<void> {
    if (this.#credentials !== null) await this.#rpc.call('session.logout', [this.#ref], { timeoutMs: 5000 }).catch(() => {});
    this.#rpc.close();
  }

  /** Waits for the end of a task. @throws as run(); the reason of an abort */
  async outcome(
    task: string,
    { onProgress, signal }: { readonly onProgress?: (progress: number) => void; readonly signal?: AbortSignal } = {},
  ): Promise<string> {
    for await (const events of this.events([`task/${task}`], signal === undefined ? {} : { signal })) {
      for (const event of events) {
        if (event.class !== 'task' || event.ref !== task) continue;
        if (event.operation === 'del') throw new XapiError('HANDLE_INVALID', ['task', task]);
        const { status, progress, result, error_info } = event.snapshot ?? {};
        onProgress?.(Number(progress));
        if (status === 'success') return asText(result);
        if (status === 'cancelled' || status === 'cancelling') throw new XapiError('TASK_CANCELLED', [task]);
        if (status === 'failure') {
          const [code = 'INTERNAL_ERROR', ...params] = asList(error_info);
          throw new XapiError(code, params);
        }
      }
    }
    throw new XapiError('INTERNAL_ERROR', ['events ended before the task did']);
  }
}

async function login(rpc: Rpc, { user, password }: Credentials): Promise<string> {
  const ref = asText(await rpc.call('session.login_with_password', [user, password, API_VERSION, ORIGINATOR]));
  if (isNull(ref)) throw new XapiError('SESSION_AUTHENTICATION_FAILED', [user, 'no session was given']);
  return ref;
}

function asEvent(value: unknown): ApiEvent {
  const event = asRecord(value);
  const operation = asText(event.operation);
  return {
    class: asText(event.class).toLowerCase(),
    operation: operation === 'add' || operation === 'del' ? operation : 'mod',
    ref: asText(event.ref),
    ...(event.snapshot === undefined || event.snapshot === null ? {} : { snapshot: asRecord(event.snapshot) }),
  };
}
