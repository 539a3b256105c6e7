// XAPI over HTTP: /jsonrpc and / (also /xmlrpc and /RPC2), with bounds on size, rate and what is under way. Malformed calls get HTTP 500 as
// xapi answers them; all other failures are answers of the protocol.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { InputError } from '../../base/errors.js';
import type { Daemon } from '../daemon.js';
import { asXapiError } from '../model/tasks.js';
import { decodeJsonRpc, encodeJsonError, encodeJsonResult } from '../wire/json-rpc.js';
import { MalformedCall } from '../wire/values.js';
import { decodeXmlRpc, encodeXmlBare, encodeXmlError, encodeXmlResult } from '../wire/xml-rpc.js';
import { RateLimit } from './rate-limit.js';

export interface HttpLimits {
  readonly requestBytes: number;
  readonly connections: number;
  /** Calls under way, those that wait for events not counted. */
  readonly callsAtOnce: number;
  /** Requests a second from one address, and how many may come at once after a rest. */
  readonly requestsPerSecond: number;
  readonly burst: number;
}

export const HTTP_LIMITS: HttpLimits = {
  requestBytes: 2 ** 20,
  connections: 1024,
  callsAtOnce: 1024,
  requestsPerSecond: 10_000,
  burst: 20_000,
};

/** What else than calls is served: GET and a path. `closing`: the server ends, and so must a page that would go on for ever. */
export type Page = (request: IncomingMessage, response: ServerResponse, url: URL, closing: AbortSignal) => void | Promise<void>;

export interface HttpOptions {
  readonly daemon: Daemon;
  readonly address: string;
  readonly port: number;
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly limits?: HttpLimits;
  /** With no users kept, only names of this machine may be in the Host header: a page in a browser must not get here by a name of its own. */
  readonly loopbackNamesOnly: boolean;
  readonly pages?: ReadonlyMap<string, Page>;
  readonly failed: (error: unknown) => void;
}

export interface HttpFront {
  readonly port: number;
  /** Takes no more calls, ends those that wait for events, and lets the others end. */
  close(): Promise<void>;
}

const RPC_PATHS = new Set(['/', '/xmlrpc', '/RPC2']);
const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i;

export async function openHttp(options: HttpOptions): Promise<HttpFront> {
  const limits = options.limits ?? HTTP_LIMITS;
  const rate = new RateLimit(limits.requestsPerSecond, limits.burst);
  const closing = new AbortController();
  let underWay = 0;
  const handler = (request: IncomingMessage, response: ServerResponse): void => {
    void handle(request, response).catch((error: unknown) => {
      options.failed(error);
      if (!response.headersSent) refuse(response, 500, 'internal error');
      else response.destroy();
    });
  };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://host');
    const address = request.socket.remoteAddress ?? '';
    if (options.loopbackNamesOnly && !LOOPBACK_HOST.test(request.headers.host ?? ''))
      return refuse(response, 403, 'name this machine localhost');
    if (closing.signal.aborted) return refuse(response, 503, 'the server is ending');
    if (!rate.take(address)) return refuse(response, 429, 'too many requests');
    const page = options.pages?.get(url.pathname);
    if (page !== undefined) {
      if (request.method !== 'GET') return refuse(response, 405, 'use GET');
      return page(request, response, url, closing.signal);
    }
    const json = url.pathname === '/jsonrpc';
    if (!json && !RPC_PATHS.has(url.pathname)) return refuse(response, 404, 'there is nothing here');
    if (request.method !== 'POST') return refuse(response, 405, 'use POST');
    if (underWay >= limits.callsAtOnce) return refuse(response, 503, 'too many calls under way');
    const body = await readBody(request, limits.requestBytes);
    if (body === null) return refuse(response, 413, `a call has at most ${limits.requestBytes} bytes`);
    const gone = new AbortController();
    const end = (): void => gone.abort();
    response.once('close', end);
    closing.signal.addEventListener('abort', end);
    underWay++;
    try {
      const text = json
        ? await answerJson(options.daemon, body, address, gone.signal)
        : await answerXml(options.daemon, body, address, gone.signal);
      response.writeHead(200, { 'content-type': json ? 'application/json' : 'text/xml', 'cache-control': 'no-cache, no-store' }).end(text);
    } catch (error) {
      if (!(error instanceof MalformedCall)) throw error;
      refuse(response, 500, error.message);
    } finally {
      underWay--;
      closing.signal.removeEventListener('abort', end);
    }
  };
  const server: Server = options.tls === null ? createServer(handler) : createSecureServer(options.tls, handler);
  server.maxConnections = limits.connections;
  server.headersTimeout = 20_000;
  server.requestTimeout = 60_000;
  server.keepAliveTimeout = 60_000;
  await listen(server, options.address, options.port);
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      closing.abort();
      const closed = new Promise<void>((done) => server.close(() => done()));
      server.closeIdleConnections();
      const force = setTimeout(() => server.closeAllConnections(), 5000);
      await closed;
      clearTimeout(force);
    },
  };
}

async function answerJson(daemon: Daemon, body: string, address: string, gone: AbortSignal): Promise<string> {
  const call = decodeJsonRpc(body);
  try {
    return encodeJsonResult(call, await daemon.dispatcher.call(call, address, gone));
  } catch (error) {
    return encodeJsonError(call, asXapiError(error));
  }
}

async function answerXml(daemon: Daemon, body: string, address: string, gone: AbortSignal): Promise<string> {
  const call = decodeXmlRpc(body);
  try {
    const result = await daemon.dispatcher.call(call, address, gone);
    return call.method === 'system.listMethods' ? encodeXmlBare(result) : encodeXmlResult(result);
  } catch (error) {
    return encodeXmlError(asXapiError(error));
  }
}

/** null = too big. */
async function readBody(request: IncomingMessage, mostBytes: number): Promise<string | null> {
  if (Number(request.headers['content-length'] ?? 0) > mostBytes) return null;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > mostBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The connection is closed: what is left of a refused request is not read. */
export function refuse(response: ServerResponse, status: number, reason: string): void {
  const text = `${reason}\n`;
  response.writeHead(status, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(text), connection: 'close' }).end(text);
}

function listen(server: Server, address: string, port: number): Promise<void> {
  return new Promise((done, failed) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const inUse = error.code === 'EADDRINUSE';
      failed(
        new InputError(
          inUse ? `${address}:${port} is in use` : `cannot listen on ${address}:${port}: ${error.message}`,
          {},
          inUse ? 'choose another port with --listen, or end what uses it' : 'choose an address of this machine',
        ),
      );
    });
    server.listen(port, address, done);
  });
}
