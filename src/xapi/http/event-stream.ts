// /events: changes as server-sent events. A stream counts among the calls of its user that wait for
// events, and what its client has not read among the user's bytes.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Principal } from '../calls/ledger.js';
import type { Daemon } from '../daemon.js';
import { formatToken } from '../model/events.js';
import { XapiError } from '../wire/errors.js';
import { leastJsonBytes, wireToJson } from '../wire/json-rpc.js';
import type { WireStruct } from '../wire/values.js';
import { refuse } from './refuse.js';

/** A line of nothing, so that proxies and clients see that the stream lives. */
const KEEP_ALIVE_SECONDS = 15;

/**
 * `?classes=VM,host`, all by default; a client that comes back with Last-Event-ID goes on where it
 * was.
 */
export async function streamEvents(
  daemon: Daemon,
  reader: Principal,
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
  const release = daemon.ledger.take('watchers', reader);
  if (release === null) return refuse(response, 503, 'too many calls of this user wait for events');
  response.once('close', release);
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
    const size = leastJsonBytes(events);
    const written = await daemon.answers.write(response, reader, size, () => textOf(token, events));
    if (gone.signal.aborted) written?.release();
    if (gone.signal.aborted) break;
    // Its user has had no room for too long: the client comes back, and goes on where it was.
    if (written === null) return void response.destroy();
    // Nothing accumulates for a client that does not read.
    if (!response.write(written.body)) await drained(response, gone.signal);
    written.release();
  }
  response.end();
}

function textOf(token: string, events: readonly WireStruct[]): string {
  if (events.length === 0) return ': \n\n';
  return events.map((event) => `id: ${token}\nevent: ${String(event.class)}\ndata: ${wireToJson(event)}\n\n`).join('');
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
