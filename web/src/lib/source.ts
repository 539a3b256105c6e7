// The source of the page's data. All of the page uses this interface only, and offers only what its
// source can do.
import type { PageData } from '../../../src/page/page-data.js';
import type { HistoryMoment } from '../../../src/page/page-history.js';
import type { PageObjects, PageRights } from '../../../src/page/page-objects.js';
import type { PageRun } from '../../../src/page/page-run.js';
import type { PageWorkload } from '../../../src/page/page-workload.js';
import { XapiError } from '../../../src/xapi-client/errors.js';
import { FileReader } from './file-reader.js';
import { Planner } from './planner.js';
import { unpack } from './unpack.js';

type SettingsLibrary = typeof import('./settings.js');

export interface Source {
  snapshot(): Promise<PageData>;
  /** Why a VM is where it is; [] = not known. */
  explain(host: number, vm: number): Promise<readonly PageRun[]>;
  /** What a plan starts from; null = nothing to plan with. */
  workload(host: number): Promise<PageWorkload | null>;
  readonly planner: Planner;
  /** Opens files in place of this source. Absent: the page has no reader. */
  readonly files?: FileReader;
  /** What happened so far, oldest first. Absent: nothing is known. */
  history?(): Promise<readonly HistoryMoment[]>;
  /** The host at one of these moments. @throws Error when it is kept no more */
  past?(id: number): Promise<PageData>;
  /** One call of XAPI, without the session. @throws XapiError as the daemon refuses. Absent: no calls. */
  call?(method: string, params: readonly unknown[]): Promise<unknown>;
  /** Hosts and VMs with settings. Absent: there are no settings. */
  objects?(): Promise<PageObjects>;
  /** The fields of these objects: loaded when they are shown first. */
  settings?(): Promise<SettingsLibrary>;
  /** Absent: nobody can change anything. */
  rights?(): Promise<PageRights>;
  /** Calls `changed` when the host may have changed, until the signal. Absent: it never does. */
  follow?(changed: () => void, gone: AbortSignal): void;
  /** @throws Error with a sentence when the daemon refuses. Absent: nothing needs a login. */
  login?(user: string, password: string): Promise<void>;
}

/** Data that stands in the page itself. */
export function embeddedSource(document: Document): Source | null {
  const text = document.getElementById('xennuma-data')?.textContent ?? '';
  if (text === '' && document.getElementById('xennuma-packed') === null) return null;
  let runs: Promise<readonly Readonly<Record<string, readonly PageRun[]>>[]> | undefined;
  let workloads: Promise<readonly (PageWorkload | null)[]> | undefined;
  const script = (id: string) => async (): Promise<string> =>
    URL.createObjectURL(new Blob([(await unpack(document, id)) ?? ''], { type: 'text/javascript' }));
  const planner = new Planner(script('xennuma-worker'));
  const reads = document.getElementById('xennuma-reader') !== null;
  return {
    snapshot: async () => JSON.parse(text === '' ? ((await unpack(document, 'xennuma-packed')) ?? '') : text) as PageData,
    async workload(host) {
      workloads ??= unpack(document, 'xennuma-workloads').then((json) => (json === null ? [] : JSON.parse(json)));
      return (await workloads)[host] ?? null;
    },
    planner,
    ...(reads ? { files: new FileReader(script('xennuma-reader'), planner) } : {}),
    async explain(host, vm) {
      runs ??= unpack(document, 'xennuma-runs').then((json) => (json === null ? [] : JSON.parse(json)));
      return (await runs)[host]?.[vm] ?? [];
    },
  };
}

export class LoginNeeded extends Error {
  constructor() {
    super('Log in to go on.');
  }
}

const RETRY_MS = 2000;

const SESSION_KEY = 'xennuma-session';

/** The daemon that served this page. Paths are relative, so that a proxy may add a prefix. */
export function daemonSource(): Source {
  const headers = (): Record<string, string> => {
    const session = sessionStorage.getItem(SESSION_KEY);
    return session === null ? {} : { authorization: `Bearer ${session}` };
  };
  const get = async <T>(path: string): Promise<T> => {
    const response = await fetch(path, { headers: headers(), cache: 'no-store' });
    if (response.status === 401) throw new LoginNeeded();
    if (!response.ok) throw new Error(`The daemon answered ${response.status}: ${(await response.text()).slice(0, 200)}`);
    return (await response.json()) as T;
  };
  const script = (name: string) => async (): Promise<string> => new URL(`page/${name}.js`, document.baseURI).href;
  const planner = new Planner(script('worker'));
  return {
    snapshot: () => get<PageData>('web/snapshot'),
    explain: async (host, vm) => (await get<{ runs: readonly PageRun[] }>(`web/explain?host=${host}&vm=${vm}`)).runs,
    follow(changed, gone) {
      void followEvents(headers, changed, gone);
    },
    workload: (host) => get<PageWorkload>(`web/workload?host=${host}`),
    history: async () => (await get<{ moments: readonly HistoryMoment[] }>('web/history')).moments,
    past: (id) => get<PageData>(`web/history?at=${id}`),
    planner,
    files: new FileReader(script('reader'), planner),
    async call(method, params) {
      const session = sessionStorage.getItem(SESSION_KEY);
      try {
        if (session !== null) return await xapi(method, [session, ...params]);
      } catch (error) {
        if (!(error instanceof LoginNeeded)) throw error;
      }
      // A daemon without users takes anybody; one with users answers 401. No password is tried.
      await get<PageRights>('web/rights');
      return xapi(method, [await login('root', ''), ...params]);
    },
    objects: () => get<PageObjects>('web/objects'),
    settings: async () => (await import(await script('settings')())) as SettingsLibrary,
    rights: () => get<PageRights>('web/rights'),
    async login(user, password) {
      await login(user, password);
    },
  };
}

async function login(user: string, password: string): Promise<string> {
  const before = sessionStorage.getItem(SESSION_KEY);
  const session = String(await xapi('session.login_with_password', [user, password, '1.0', 'xennuma page']));
  sessionStorage.setItem(SESSION_KEY, session);
  // Another user has taken over; the session may have ended by itself.
  if (before !== null) await xapi('session.logout', [before]).catch(() => {});
  sessionStorage.setItem(SESSION_KEY, session);
  return session;
}

/** Errors of XAPI that need other words here. */
const REFUSALS: Readonly<Record<string, string>> = {
  SESSION_AUTHENTICATION_FAILED: 'The name or the password is wrong.',
  RBAC_PERMISSION_DENIED: 'Refused: this user may only read.',
};

async function xapi(method: string, params: readonly unknown[]): Promise<unknown> {
  const response = await fetch('jsonrpc', { method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) });
  if (!response.ok) throw new Error(`The daemon answered ${response.status}: ${(await response.text()).slice(0, 200)}`);
  const { result, error } = (await response.json()) as { result?: unknown; error?: { message: string; data?: readonly string[] } };
  if (error === undefined) return result;
  if (error.message === 'SESSION_INVALID') {
    sessionStorage.removeItem(SESSION_KEY);
    throw new LoginNeeded();
  }
  const { message: code, data = [] } = error;
  throw Object.assign(new XapiError(code, data), { message: REFUSALS[code] ?? `Refused: ${[code, ...data].join(' ')}` });
}

/** Server-sent events by fetch, since EventSource takes no headers. Ends with the signal. */
async function followEvents(headers: () => Record<string, string>, changed: () => void, gone: AbortSignal): Promise<void> {
  for (let first = true; !gone.aborted; first = false) {
    try {
      const response = await fetch('events?classes=VM,host', { headers: headers(), signal: gone });
      if (response.status === 401) return changed();
      if (!response.ok || response.body === null) throw new Error(`events: ${response.status}`);
      // Something may have happened while no stream was open.
      if (!first) changed();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        if (value.includes('event:')) changed();
      }
    } catch {
      if (gone.aborted) return;
    }
    await new Promise((done) => setTimeout(done, RETRY_MS));
  }
}
