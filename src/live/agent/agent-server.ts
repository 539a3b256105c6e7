// The agent's socket for the shim: HTTP on a unix socket, one request for each build.
// GET /place?domid=5&mib=2048    200 with a line: "placed 0-7", or "left REASON"
//                                429 when one domain is asked for again and again
// A request waits for nothing, so it is answered as soon as it is whole. Connections that have not
// sent a whole one are the only ones that stay: past their limit, the oldest one is closed.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { DOMID_FIRST_RESERVED } from '../../base/ids.js';
import { LineBudget } from '../../base/limits/line-budget.js';
import { RateLimit } from '../../base/limits/rate-limit.js';
import type { PlaceAgent } from './place-agent.js';

const MOST_MIB = 2 ** 26;
/** Of all clients, who are all root: a shim for each domain that is built at one moment. */
export const MOST_CONNECTIONS = 256;
/** The shim waits no longer. */
const UNFINISHED_MS = 2000;
const CHECK_MS = 500;
/** A shim's request has about 100 bytes. */
const HEAD_BYTES = 4096;
/** Requests for one domain: one for each start of its builder. */
export const REQUESTS_AT_ONCE = 5;
const REQUESTS_A_SECOND = 1;
/** A host starts fewer domains. */
export const LINES_A_MINUTE = 600;
const LINE_CHARS = 200;

/**
 * @param log a line for each request, up to 600 a minute
 * @param now a clock in milliseconds
 */
export function agentServer(agent: PlaceAgent, log: (line: string) => void, now: () => number = () => performance.now()): Server {
  const rate = new RateLimit(REQUESTS_A_SECOND, REQUESTS_AT_ONCE, now);
  const lines = new LineBudget(LINES_A_MINUTE, now);
  const times = { requestTimeout: UNFINISHED_MS, headersTimeout: UNFINISHED_MS, connectionsCheckingInterval: CHECK_MS };
  const server = createServer({ ...times, maxHeaderSize: HEAD_BYTES }, (request, response) => {
    const [status, line] = answerTo(agent, rate, request);
    end(response, status, line);
    const left = lines.take('request');
    if (left === null) return;
    if (left > 0) log(`${left} requests have no line here: more than ${LINES_A_MINUTE} in a minute`);
    log(`${(request.url ?? '').slice(0, LINE_CHARS)}: ${line}`);
  });
  closeOldest(server);
  return server;
}

/** In the order in which they came. */
function closeOldest(server: Server): void {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    if (open.size <= MOST_CONNECTIONS) return;
    const [oldest] = open;
    open.delete(oldest!);
    oldest!.destroy();
  });
}

function answerTo(agent: PlaceAgent, rate: RateLimit, { method, url }: IncomingMessage): [number, string] {
  const target = url ?? '';
  const requestUrl = URL.canParse(target, 'http://agent') ? new URL(target, 'http://agent') : null;
  if (method !== 'GET' || requestUrl?.pathname !== '/place') return [404, 'expected GET /place?domid=N&mib=N'];
  const { searchParams } = requestUrl;
  const domid = whole(searchParams.get('domid'), DOMID_FIRST_RESERVED - 1);
  const mib = whole(searchParams.get('mib'), MOST_MIB);
  if (domid === null || domid === 0) return [400, `domid: expected a number from 1 to ${DOMID_FIRST_RESERVED - 1}`];
  if (mib === null || mib === 0) return [400, `mib: expected a number from 1 to ${MOST_MIB}`];
  if (!rate.take(String(domid))) return [429, `left domain ${domid} was asked for more than ${REQUESTS_AT_ONCE} times at once`];
  try {
    const answer = agent.place(domid, mib);
    return [200, answer.verdict === 'placed' ? `placed ${answer.cpus}` : `left ${answer.reason}`];
  } catch (error) {
    return [500, `left ${error instanceof Error ? error.message : String(error)}`];
  }
}

function whole(text: string | null, most: number): number | null {
  if (text === null || !/^\d{1,9}$/.test(text)) return null;
  return Number(text) <= most ? Number(text) : null;
}

function end(response: ServerResponse, status: number, line: string): void {
  response.writeHead(status, { 'content-type': 'text/plain', connection: 'close' });
  response.end(`${line.replaceAll('\n', ' ')}\n`);
}
