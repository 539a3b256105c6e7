// The agent's socket for the shim: HTTP on a unix socket, one request for each build.
// GET /place?domid=5&mib=2048    200 with a line: "placed 0-7", or "left REASON"

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { DOMID_FIRST_RESERVED } from '../../base/ids.js';
import type { PlaceAgent } from './place-agent.js';

const MOST_MIB = 2 ** 26;

/** @param log a line for each request */
export function agentServer(agent: PlaceAgent, log: (line: string) => void): Server {
  return createServer({ requestTimeout: 5000, headersTimeout: 5000 }, (request, response) => {
    const [status, line] = answerTo(agent, request);
    log(`${request.url ?? ''}: ${line}`);
    end(response, status, line);
  });
}

function answerTo(agent: PlaceAgent, { method, url }: IncomingMessage): [number, string] {
  const target = url ?? '';
  const requestUrl = URL.canParse(target, 'http://agent') ? new URL(target, 'http://agent') : null;
  if (method !== 'GET' || requestUrl?.pathname !== '/place') return [404, 'expected GET /place?domid=N&mib=N'];
  const { searchParams } = requestUrl;
  const domid = whole(searchParams.get('domid'), DOMID_FIRST_RESERVED - 1);
  const mib = whole(searchParams.get('mib'), MOST_MIB);
  if (domid === null || domid === 0) return [400, `domid: expected a number from 1 to ${DOMID_FIRST_RESERVED - 1}`];
  if (mib === null || mib === 0) return [400, `mib: expected a number from 1 to ${MOST_MIB}`];
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
