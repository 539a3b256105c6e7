// XAPI over HTTP: /jsonrpc and / (also /xmlrpc and /RPC2), with bounds on size, rate and calls in
// progress. Malformed calls get HTTP 500 as xapi answers them; all other failures are answers of
// the protocol.
import { setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { InputError } from '../../base/errors.js';
import { withErrnoName } from '../../base/files/errno-names.js';
import { listenAt } from '../../base/files/own-socket.js';
import { RateLimit } from '../../base/limits/rate-limit.js';
import { networkOf } from '../calls/known-addresses.js';
import type { Principal } from '../calls/ledger.js';
import { UNIX_SOCKET } from '../calls/sessions.js';
import type { Daemon } from '../daemon.js';
import { asXapiError } from '../model/tasks.js';
import { MalformedCall, type Wire } from '../wire/values.js';
import { allowOrigin, answerOptions, isSameOrigin } from './origins.js';
import { openRawDoor, type RawConnection, type RawDoor, type Refusal } from './raw-door.js';
import { refuse } from './refuse.js';
import { inOrder } from './requests/pipelined.js';
import { MOST_PIECES, readBody } from './requests/request-body.js';
import { type DecodedCall, jsonCall, xmlCall } from './requests/rpc-call.js';
import type { StaticFiles } from './static-files.js';
import { transferOf } from './transfers/transfers.js';

export interface HttpLimits {
  readonly requestBytes: number;
  readonly connections: number;
  /** Calls under way, those that wait for events not counted. */
  readonly callsAtOnce: number;
  /** Requests a second from one address, and how many may come at once after a rest. */
  readonly requestsPerSecond: number;
  readonly burst: number;
  /** Time for a TLS handshake, from the connection to its end. */
  readonly handshakeMs: number;
}

export const HTTP_LIMITS: HttpLimits = {
  requestBytes: 2 ** 20,
  connections: 1024,
  callsAtOnce: 1024,
  requestsPerSecond: 10_000,
  burst: 20_000,
  handshakeMs: 20_000,
};

/**
 * What else than calls is served: GET and a path. `closing`: the server ends, and so must a page
 * that would go on for ever.
 */
export type Page = (request: IncomingMessage, response: ServerResponse, url: URL, closing: AbortSignal) => void | Promise<void>;

export interface HttpOptions {
  readonly daemon: Daemon;
  readonly address: string;
  readonly port: number;
  /** A unix socket to listen on instead: who may open it is an administrator. */
  readonly path?: string;
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly limits?: HttpLimits;
  /**
   * With no users kept, only names of this machine may be in the Host header: a page in a browser
   * must not get here by a name of its own.
   */
  readonly loopbackNamesOnly: boolean;
  readonly pages?: ReadonlyMap<string, Page>;
  /** What GET of other paths is answered with; without it there is nothing. */
  readonly files?: StaticFiles;
  /** Whose web pages may call, beside this server's own. */
  readonly origins?: readonly string[];
  /** Serves POST /cli; without it there is no such path. */
  readonly thinCli?: (connection: RawConnection) => Promise<void>;
  readonly failed: (error: unknown) => void;
}

export interface HttpFront {
  readonly port: number;
  /** Takes no more calls, ends those that wait for events, and lets the others end. */
  close(): Promise<void>;
}

/** A connection ends when nothing of its answer was read for this long. */
const UNREAD_MS = 60_000;
/** XML-RPC: /json too, whatever its name says (xapi.ml, post_json). */
const RPC_PATHS = new Set(['/', '/xmlrpc', '/RPC2', '/json']);
const JSON_PATH = '/jsonrpc';
const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i;

export async function openHttp(options: HttpOptions): Promise<HttpFront> {
  const limits = options.limits ?? HTTP_LIMITS;
  const { ledger, sessions } = options.daemon;
  ledger.resize('connections', limits.connections);
  ledger.resize('calls', limits.callsAtOnce);
  const front = new Front(options, limits);
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    void front.handle(request, response).catch((error: unknown) => {
      options.failed(error);
      if (!response.headersSent) refuse(response, 500, 'internal error');
      else response.destroy();
    });
  };
  const handler = inOrder(handle);
  const server: Server =
    options.tls === null ? createServer(handler) : createSecureServer({ ...options.tls, handshakeTimeout: limits.handshakeMs }, handler);
  if (options.thinCli !== undefined) openRawDoor(server, options.tls === null ? 'connection' : 'secureConnection', front.rawDoor());
  server.maxConnections = limits.connections;
  server.headersTimeout = 20_000;
  server.requestTimeout = 60_000;
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket: Socket) => {
    const address = front.addressOf(socket);
    const release = ledger.take('connections', sessions.principalAt(address));
    if (release === null) socket.destroy();
    else socket.once('close', release);
  });
  const remove = options.path === undefined ? null : await listenPrivately(server, options.path);
  if (options.path === undefined) await listen(server, options);
  return {
    port: options.path === undefined ? (server.address() as AddressInfo).port : 0,
    close: async () => {
      front.end();
      const closed = new Promise<void>((done) => server.close(() => done()));
      server.closeIdleConnections();
      const force = setTimeout(() => server.closeAllConnections(), 5000);
      await closed;
      clearTimeout(force);
      remove?.();
    },
  };
}

/** One request after the other, each through the same checks. */
class Front {
  readonly closing = new AbortController();
  /** What ends the calls under way: a set costs less than a listener of `closing` for each. */
  readonly #underWay = new Set<AbortController>();
  readonly #options: HttpOptions;
  readonly #limits: HttpLimits;
  readonly #rate: RateLimit;

  constructor(options: HttpOptions, limits: HttpLimits) {
    // Every call under way listens to it.
    setMaxListeners(0, this.closing.signal);
    this.#options = options;
    this.#limits = limits;
    this.#rate = new RateLimit(limits.requestsPerSecond, limits.burst);
  }

  end(): void {
    this.closing.abort();
    for (const call of this.#underWay) call.abort();
  }

  addressOf(socket: Socket): string {
    return this.#options.path === undefined ? (socket.remoteAddress ?? '') : UNIX_SOCKET;
  }

  /** The thin client's door: the same checks, but it sends no Host, which browsers always do. */
  rawDoor(): RawDoor {
    const { daemon, thinCli, failed } = this.#options;
    const principal = (address: string): Principal => daemon.sessions.principalAt(address);
    return {
      refusal: (headers, address) => this.#refusalOf(headers, headers.host ?? 'localhost', address),
      charge: (address, bytes) => daemon.ledger.take('bytes', principal(address), bytes),
      begin: (address) => daemon.ledger.take('calls', principal(address)),
      serve: thinCli!,
      failed,
      closing: this.closing.signal,
      addressOf: (socket) => this.addressOf(socket),
    };
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = urlOf(request);
    if (url === null) return refuse(response, 400, 'the path is none');
    const address = this.addressOf(request.socket);
    const { origins = [], pages, files } = this.#options;
    const transfer = transferOf(request.method ?? '', url.pathname);
    // The thin client moves files by HTTP/1.0 and names no host, which browsers always do.
    const host = request.headers.host ?? (transfer === null ? '' : 'localhost');
    const refusal = this.#refusalOf(request.headers, host, address, origins);
    if (refusal !== null) return refuse(response, ...refusal);
    const { origin } = request.headers;
    const foreign = origin !== undefined && origins.includes(origin);
    // What a browser or a proxy keeps of an answer depends on who asked.
    if (origins.length > 0) response.setHeader('vary', 'Origin');
    if (foreign) allowOrigin(origin, response);
    const page = pages?.get(url.pathname);
    const json = url.pathname === JSON_PATH;
    const rpc = json || RPC_PATHS.has(url.pathname);
    const readable = files !== undefined && (!rpc || url.pathname === '/');
    if (request.method === 'OPTIONS' && (page !== undefined || rpc || readable)) {
      return answerOptions(request, response, methodsOf(rpc, readable || page !== undefined), foreign);
    }
    const reads = request.method === 'GET' || request.method === 'HEAD';
    if (page !== undefined && (reads || !rpc)) {
      if (!reads) return refuse(response, 405, 'use GET');
      // Node leaves the body out of the answer to HEAD.
      return page(request, response, url, this.closing.signal);
    }
    if (transfer !== null) return transfer(this.#options.daemon, request, response, url, address);
    if (readable && reads) return this.#serveFile(files, request, response, url);
    if (!rpc) return refuse(response, 404, 'there is nothing here');
    if (request.method !== 'POST') return refuse(response, 405, 'use POST');
    return this.#serveCall(request, response, json, address);
  }

  /** A file counts as a call under way until all of it is read. */
  async #serveFile(files: StaticFiles, request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const { ledger, sessions } = this.#options.daemon;
    const address = this.addressOf(request.socket);
    const release = ledger.take('calls', sessions.principalAt(address));
    if (release === null) return refuse(response, 503, 'too many calls under way');
    response.setTimeout(UNREAD_MS, () => response.destroy());
    try {
      await files(request, response, url);
    } finally {
      release();
    }
  }

  async #serveCall(request: IncomingMessage, response: ServerResponse, json: boolean, address: string): Promise<void> {
    const { ledger, sessions } = this.#options.daemon;
    const { requestBytes } = this.#limits;
    const body = await readBody(request, ledger, sessions.principalAt(address), requestBytes);
    if (body === 'gone') return;
    if (body === 'too long') return refuse(response, 413, `a call has at most ${requestBytes} bytes, in at most ${MOST_PIECES} pieces`);
    if (body === 'too many bytes') return refuse(response, 503, 'too many bytes of this address are under way');
    try {
      const text = body.bytes.toString('utf8');
      await this.#answer(json ? jsonCall(text) : xmlCall(text), json, address, response);
    } catch (error) {
      if (!(error instanceof MalformedCall)) throw error;
      refuse(response, 500, error.message);
    } finally {
      body.release();
    }
  }

  /** @returns status and reason; null = the request may go on */
  #refusalOf(
    { origin }: { readonly origin?: string | undefined },
    host: string,
    address: string,
    origins: readonly string[] = [],
  ): Refusal | null {
    if (this.#options.loopbackNamesOnly && !LOOPBACK_HOST.test(host)) return [403, 'name this machine localhost'];
    // Browsers say which page a request comes from; other clients do not. A page of somebody else's
    // has no business here, unless it is allowed.
    if (origin !== undefined && !isSameOrigin(origin, host) && !origins.includes(origin))
      return [403, 'pages of other origins may not call'];
    if (this.closing.signal.aborted) return [503, 'the server is ending'];
    if (!this.#rate.take(networkOf(address))) return [429, 'too many requests'];
    return null;
  }

  async #answer(call: DecodedCall, json: boolean, address: string, response: ServerResponse): Promise<void> {
    const { daemon } = this.#options;
    const principal = daemon.sessions.principalOf(call.call.params[0], address);
    const release = daemon.ledger.take('calls', principal);
    if (release === null) return refuse(response, 503, 'too many calls under way');
    const gone = new AbortController();
    const end = (): void => gone.abort();
    response.once('close', end);
    this.#underWay.add(gone);
    try {
      const work = (): Promise<Wire> => daemon.dispatcher.call(call.call, address, gone);
      const answer = await (daemon.turns.run(principal, work) as Promise<Wire>).then(
        (result): Answer => ({ leastBytes: call.leastBytes(result), encode: () => call.success(result) }),
        (error: unknown): Answer => ({ leastBytes: 0, encode: () => call.failure(asXapiError(error)) }),
      );
      // Nobody listens any more; an abort for nobody costs as much as the rest of a small call.
      response.off('close', end);
      await this.#send(response, json ? 'application/json' : 'text/xml', answer, principal);
    } finally {
      release();
      this.#underWay.delete(gone);
    }
  }

  /** An answer that nobody reads is charged to its caller. */
  async #send(response: ServerResponse, type: string, { leastBytes, encode }: Answer, principal: Principal): Promise<void> {
    const writing = this.#options.daemon.answers.write(response, principal, leastBytes, encode);
    // Nearly all answers are small, and written at once.
    const written = writing instanceof Promise ? await writing : writing;
    if (written === null) return void response.destroy();
    response.once('close', written.release);
    response.once('finish', written.release);
    response.setTimeout(UNREAD_MS, () => response.destroy());
    response.writeHead(200, { 'content-type': type, 'cache-control': 'no-cache, no-store' }).end(written.body);
  }
}

interface Answer {
  readonly leastBytes: number;
  readonly encode: () => string | Buffer;
}

/** Parsed once: nearly every request is for one of them. */
const KNOWN_URLS: ReadonlyMap<string, URL> = new Map([JSON_PATH, ...RPC_PATHS].map((path) => [path, new URL(`http://host${path}`)]));

/** "//name" is a path here, and no host. */
function urlOf({ url = '/' }: IncomingMessage): URL | null {
  const known = KNOWN_URLS.get(url);
  if (known !== undefined) return known;
  const whole = url.startsWith('/') ? `http://host${url}` : url;
  return URL.canParse(whole) ? new URL(whole) : null;
}

function methodsOf(posts: boolean, reads: boolean): string {
  return [...(reads ? ['GET', 'HEAD'] : []), ...(posts ? ['POST'] : []), 'OPTIONS'].join(', ');
}

/** @returns as listenAt. @throws InputError */
async function listenPrivately(server: Server, path: string): Promise<() => void> {
  try {
    return await listenAt(server, path);
  } catch (error) {
    const { message } = withErrnoName(error as Error);
    throw new InputError(`cannot listen at this socket: ${message}`, { file: path }, 'name a socket in a folder that may be written');
  }
}

function listen(server: Server, { address, port, path }: HttpOptions): Promise<void> {
  const where = path ?? `${address}:${port}`;
  return new Promise((done, failed) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const inUse = error.code === 'EADDRINUSE';
      failed(
        new InputError(
          inUse ? `${where} is in use` : `cannot listen on ${where}: ${error.message}`,
          {},
          inUse ? 'choose another port with --listen, or end what uses it' : 'choose an address of this machine',
        ),
      );
    });
    if (path === undefined) server.listen(port, address, done);
    else server.listen(path, done);
  });
}
