// The pages besides calls: /metrics, and /events as server-sent events. They need a login like a
// call: a session, or a name and password.
import { createHmac, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PageRights } from '../../page/page-objects.js';
import type { Principal } from '../calls/ledger.js';
import { principalOfUser } from '../calls/sessions.js';
import type { Daemon } from '../daemon.js';
import { XapiError } from '../wire/errors.js';
import { LARGE_BYTES } from './answers.js';
import { streamEvents } from './event-stream.js';
import type { Page } from './http-server.js';
import type { Metrics } from './metrics.js';
import { refuse } from './refuse.js';
import { rrdPages } from './rrd-pages.js';
import { endNamedTask } from './transfers/task-end.js';
import { sendJson, WebSnapshots } from './web/web-pages.js';

/**
 * A password that fitted is believed for so long without another scrypt, unless its user gets
 * another or goes.
 */
const REMEMBER_MS = 60_000;
const REMEMBERED = 1000;
/** A connection ends when nothing of its answer was read for this long. */
const UNREAD_MS = 60_000;

/**
 * Pages that XAPI's own clients request with their session in the URL. On other pages it would end
 * up in logs of proxies and browsers.
 */
const SESSION_IN_URL = new Set(['/rrd_updates', '/host_rrd', '/vm_rrd']);

function bearerOf({ headers }: IncomingMessage): string | null {
  return /^Bearer (\S{1,200})$/.exec(headers.authorization ?? '')?.[1] ?? null;
}

export function pagesOf(daemon: Daemon, metrics: Metrics | null, open: boolean): ReadonlyMap<string, Page> {
  const door = new PageDoor(daemon, open);
  const pages = new Map<string, Page>([
    [
      '/events',
      async (request, response, url, closing) => {
        const admission = await door.admits(request, response, url);
        if (admission === null) return;
        const followed = daemon.sessions.revocations.follow(admission.holds, closing);
        try {
          await streamEvents(daemon, admission.principal, request, response, url, followed.signal);
        } finally {
          followed.end();
        }
      },
    ],
  ]);
  /** Bytes of the last answer of each page. */
  const sizes = new Map<string, number>();
  const answered = (
    path: string,
    answer: (...call: [...Parameters<Page>, Principal]) => unknown,
    before?: (url: URL, principal: Principal) => Promise<void>,
  ): void => {
    pages.set(path, async (request, response, url, closing) => {
      const admission = await door.admits(request, response, url);
      if (admission === null) return;
      const known = sizes.get(path) ?? 0;
      const leastBytes = known < LARGE_BYTES ? 0 : known;
      const { principal } = admission;
      await before?.(url, principal);
      const size = await whileCharged(daemon, principal, response, leastBytes, () => answer(request, response, url, closing, principal));
      if (size > 0) sizes.set(path, size);
    });
  };
  for (const [path, answer] of rrdPages(daemon)) {
    // First, so that a client that has the answer finds its task ended.
    answered(path, answer, (url, principal) => endNamedTask(daemon, url.searchParams, principal));
  }
  const snapshots = new WebSnapshots(daemon);
  answered('/web/snapshot', (_request, response, _url, _closing, principal) => snapshots.answer(response, principal));
  answered('/web/explain', (_request, response, url) => snapshots.explain(response, url));
  answered('/web/workload', (_request, response, url) => snapshots.workload(response, url));
  answered('/web/history', (_request, response, url) => snapshots.history(response, url));
  answered('/web/objects', (_request, response) => snapshots.objects(response));
  answered('/web/rights', (request, response) => sendJson(response, door.rightsOf(request)));
  if (metrics !== null) {
    answered('/metrics', async (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(await metrics.text());
    });
  }
  return pages;
}

interface Admission {
  /** Whether the right still holds. */
  readonly holds: () => boolean;
  /** Who is charged for the page. */
  readonly principal: Principal;
}

class PageDoor {
  readonly #daemon: Daemon;
  readonly #open: boolean;
  readonly #secret = randomBytes(32);
  readonly #known = new Map<string, number>();

  constructor(daemon: Daemon, open: boolean) {
    this.#daemon = daemon;
    this.#open = open;
  }

  /**
   * Whether controls that change things are of use to who asked; the calls check it once more. A
   * name and a password in a header are for reading.
   */
  rightsOf(request: IncomingMessage): PageRights {
    if (this.#open) return { change: true, user: null };
    const ref = bearerOf(request);
    if (ref === null) return { change: false, user: '' };
    const { role, user } = this.#daemon.sessions.get(ref);
    return { change: role === 'admin', user };
  }

  /** @returns null = refused, and answered so */
  async admits(request: IncomingMessage, response: ServerResponse, url: URL): Promise<Admission | null> {
    const { sessions } = this.#daemon;
    const address = request.socket.remoteAddress ?? '';
    if (this.#open) return { holds: () => true, principal: { ...sessions.principalAt(address), rank: 'root' } };
    try {
      const session = bearerOf(request) ?? (SESSION_IN_URL.has(url.pathname) ? url.searchParams.get('session_id') : null);
      if (session !== null) {
        const found = sessions.get(session);
        return { holds: () => sessions.isLive(found), principal: principalOfUser(found) };
      }
      const basic = /^Basic ([A-Za-z0-9+/=]{1,4096})$/.exec(request.headers.authorization ?? '');
      if (basic !== null) {
        const [user, password] = splitOnce(Buffer.from(basic[1]!, 'base64').toString('utf8'));
        const hash = sessions.hashOf(user);
        const admission = () => ({
          holds: () => sessions.hashOf(user) === hash,
          principal: principalOfUser({ user, role: sessions.users()?.get(user)?.role ?? 'read-only' }),
        });
        const sign = createHmac('sha256', this.#secret).update(`${basic[1]!} ${hash}`).digest('hex');
        if ((this.#known.get(sign) ?? 0) > Date.now()) return admission();
        await sessions.roleOf(user, password, address);
        if (this.#known.size >= REMEMBERED) this.#known.clear();
        this.#known.set(sign, Date.now() + REMEMBER_MS);
        return admission();
      }
    } catch (error) {
      if (!(error instanceof XapiError)) throw error;
    }
    // A browser asks for name and password by itself at the word Basic: right when somebody opens
    // the address, wrong when a page of ours fetches it, as it has a login of its own.
    const fetched = !['navigate', undefined].includes(request.headers['sec-fetch-mode'] as string | undefined);
    response.setHeader('www-authenticate', fetched ? 'Bearer realm="xennuma"' : 'Basic realm="xennuma", charset="UTF-8"');
    refuse(response, 401, 'log in: a name and a password, or Authorization: Bearer SESSION');
    return null;
  }
}

function splitOnce(text: string): [string, string] {
  const at = text.indexOf(':');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/**
 * A page counts as a call, and its answer is charged to its reader until all of it is read.
 * @param leastBytes what its answer took the last time; 0 = it is small
 * @returns what it takes now; 0 = nothing is left to be read
 */
async function whileCharged(
  { ledger, answers }: Daemon,
  principal: Principal,
  response: ServerResponse,
  leastBytes: number,
  answer: () => unknown,
): Promise<number> {
  const release = ledger.take('calls', principal);
  if (release === null) {
    refuse(response, 503, 'too many calls under way');
    return 0;
  }
  let charged: (() => void) | null;
  try {
    charged = await answers.page(response, principal, leastBytes, answer);
  } finally {
    release();
  }
  const size = response.writableLength;
  if (charged === null || response.writableFinished || response.destroyed) {
    charged?.();
    if (charged === null) response.destroy();
    return size;
  }
  const most = ledger.most('bytes');
  const more = Math.min(size, most) - Math.min(leastBytes, most);
  const rest = more <= 0 ? () => {} : ledger.take('bytes', principal, more);
  if (rest === null) {
    charged();
    response.destroy();
    return size;
  }
  response.once('close', charged);
  response.once('close', rest);
  response.setTimeout(UNREAD_MS, () => response.destroy());
  return size;
}
