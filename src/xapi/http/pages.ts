// The pages besides calls: /metrics, and /events as server-sent events. They need a login like a
// call: a session, or a name and password.
import { createHmac, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Daemon } from '../daemon.js';
import { formatToken } from '../model/events.js';
import { XapiError } from '../wire/errors.js';
import { wireToJson } from '../wire/json-rpc.js';
import type { WireStruct } from '../wire/values.js';
import type { Page } from './http-server.js';
import type { Metrics } from './metrics.js';
import { refuse } from './refuse.js';
import { rrdPages } from './rrd-pages.js';
import { WebSnapshots } from './web-pages.js';

/** A line of nothing, so that proxies and clients see that the stream lives. */
const KEEP_ALIVE_SECONDS = 15;
/**
 * A password that fitted is believed for so long without another scrypt, unless its user gets
 * another or goes.
 */
const REMEMBER_MS = 60_000;
const REMEMBERED = 1000;

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
        const right = await door.admits(request, response, url);
        if (right === null) return;
        const followed = daemon.sessions.revocations.follow(right, closing);
        try {
          await streamEvents(daemon, request, response, url, followed.signal);
        } finally {
          followed.end();
        }
      },
    ],
  ]);
  for (const [path, answer] of rrdPages(daemon)) {
    pages.set(path, async (request, response, url) => {
      if ((await door.admits(request, response, url)) !== null) answer(request, response, url);
    });
  }
  const snapshots = new WebSnapshots(daemon);
  pages.set('/web/snapshot', async (request, response, url) => {
    if ((await door.admits(request, response, url)) !== null) snapshots.answer(response);
  });
  pages.set('/web/explain', async (request, response, url) => {
    if ((await door.admits(request, response, url)) !== null) snapshots.explain(response, url);
  });
  pages.set('/web/workload', async (request, response, url) => {
    if ((await door.admits(request, response, url)) !== null) snapshots.workload(response, url);
  });
  pages.set('/web/history', async (request, response, url) => {
    if ((await door.admits(request, response, url)) !== null) snapshots.history(response, url);
  });
  pages.set('/web/rights', async (request, response, url) => {
    if ((await door.admits(request, response, url)) === null) return;
    const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' };
    response.writeHead(200, headers).end(JSON.stringify({ change: door.mayChange(request) }));
  });
  if (metrics !== null) {
    pages.set('/metrics', async (request, response, url) => {
      if ((await door.admits(request, response, url)) === null) return;
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(await metrics.text());
    });
  }
  return pages;
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
  mayChange(request: IncomingMessage): boolean {
    if (this.#open) return true;
    const session = bearerOf(request);
    return session !== null && this.#daemon.sessions.get(session).role === 'admin';
  }

  /** @returns whether the right still holds, as a question; null = refused, and answered so */
  async admits(request: IncomingMessage, response: ServerResponse, url: URL): Promise<(() => boolean) | null> {
    const { sessions } = this.#daemon;
    if (this.#open) return () => true;
    try {
      const session = bearerOf(request) ?? (SESSION_IN_URL.has(url.pathname) ? url.searchParams.get('session_id') : null);
      if (session !== null) {
        const found = sessions.get(session);
        return () => sessions.isLive(found);
      }
      const basic = /^Basic ([A-Za-z0-9+/=]{1,4096})$/.exec(request.headers.authorization ?? '');
      if (basic !== null) {
        const [user, password] = splitOnce(Buffer.from(basic[1]!, 'base64').toString('utf8'));
        const hash = sessions.hashOf(user);
        const holds = (): boolean => sessions.hashOf(user) === hash;
        const sign = createHmac('sha256', this.#secret).update(`${basic[1]!} ${hash}`).digest('hex');
        if ((this.#known.get(sign) ?? 0) > Date.now()) return holds;
        await sessions.roleOf(user, password, request.socket.remoteAddress ?? '');
        if (this.#known.size >= REMEMBERED) this.#known.clear();
        this.#known.set(sign, Date.now() + REMEMBER_MS);
        return holds;
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
 * `?classes=VM,host`, all by default; a client that comes back with Last-Event-ID goes on where it
 * was.
 */
async function streamEvents(
  daemon: Daemon,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  closing: AbortSignal,
): Promise<void> {
  const classes = (url.searchParams.get('classes') ?? '*').split(',').slice(0, 1024);
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  closing.addEventListener('abort', leave);
  response.once('close', () => {
    closing.removeEventListener('abort', leave);
    leave();
  });
  const last = request.headers['last-event-id'];
  let token = typeof last === 'string' && last !== '' ? last : formatToken(daemon.database.published.generation);
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
  // It would wait for ever for events that HEAD does not show.
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  response.write(': xennuma\n\n');
  while (!gone.signal.aborted) {
    let answer: WireStruct;
    try {
      answer = (await daemon.events.from(classes, token, KEEP_ALIVE_SECONDS, gone.signal)) as WireStruct;
    } catch (error) {
      if (!(error instanceof XapiError)) throw error;
      // The client asks for everything anew: with no token all objects come as added.
      response.end(`event: lost\ndata: ${JSON.stringify([error.code, ...error.params])}\n\n`);
      return;
    }
    token = answer.token as string;
    const events = answer.events as readonly WireStruct[];
    if (gone.signal.aborted) break;
    const text = events.map((event) => `id: ${token}\nevent: ${String(event.class)}\ndata: ${wireToJson(event)}\n\n`).join('');
    // Waits for a client that does not read, so that no data accumulates for it.
    if (!response.write(text === '' ? ': \n\n' : text)) await drained(response, gone.signal);
  }
  response.end();
}

function drained(response: ServerResponse, gone: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const end = (): void => {
      response.off('drain', end);
      gone.removeEventListener('abort', end);
      done();
    };
    response.once('drain', end);
    gone.addEventListener('abort', end);
  });
}
