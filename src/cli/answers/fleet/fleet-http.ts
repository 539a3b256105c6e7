// A small HTTP server of the fleet's commands, for this machine only: everybody may read, and
// nothing can be changed.
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { InputError } from '../../../base/errors.js';
import type { FleetClient } from '../../../fleet/place/fleet-client.js';
import { out } from '../../output/terminal.js';
import { isLoopback, parseListen } from '../serve-run.js';
import { untilSignals } from './open-fleet.js';

/** Members are asked no more often than this, however often a client asks. */
const FRESH_MS = 1000;
const CONNECTIONS_MOST = 64;
const LOOPBACK_NAME = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/;

export interface FleetAnswer {
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** @throws Error when there is no answer now */
export type FleetPage = () => Promise<FleetAnswer>;

type Address = ReturnType<typeof parseListen>;

/** @throws InputError for an address that is not of this machine */
export function listenAddress(text: string): Address {
  const address = parseListen(text);
  if (isLoopback(address.address)) return address;
  throw new InputError(
    `${address.address} is not an address of this machine only`,
    { path: '--listen' },
    'the figures are told to everybody: listen on 127.0.0.1, and let a proxy ask for passwords',
  );
}

/** The same answer for all who ask within a second. */
export function fresh<T>(read: () => Promise<T>): () => Promise<T> {
  let last: { readonly atMs: number; readonly value: Promise<T> } | null = null;
  return () => {
    const nowMs = performance.now();
    if (last === null || nowMs - last.atMs > FRESH_MS) last = { atMs: nowMs, value: read() };
    return last.value;
  };
}

/**
 * Serves pages by their paths until a signal.
 * @param named the path that the first line names
 * @param stream an answer that stays open; its end is the client's or the server's
 */
export async function serveFleet(
  client: FleetClient,
  { address, port }: Address,
  pages: Readonly<Record<string, FleetPage>>,
  named: string,
  streams: Readonly<Record<string, (response: ServerResponse) => void>> = {},
): Promise<void> {
  const stop = await untilSignals();
  let connected = true;
  void (async () => {
    for await (const { type } of client.connection.status()) {
      if (type === 'disconnect') connected = false;
      if (type === 'reconnect') connected = true;
    }
  })();
  const server = createServer(async ({ method, url, headers }, response) => {
    const plain = (status: number, body: string) => response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(body);
    // A page in a browser must not get here by a name of its own.
    if (!LOOPBACK_NAME.test(headers.host ?? '')) return plain(403, 'name this machine localhost\n');
    const path = (url ?? '').split('?')[0]!;
    const [page, stream] = [pages, streams].map((all) => (Object.hasOwn(all, path) ? all[path] : undefined));
    if (method !== 'GET' || (page ?? stream) === undefined) return plain(404, `GET ${named}\n`);
    // An earlier reading may be out of date.
    if (!connected && path !== '/' && !path.startsWith('/page/')) return plain(503, "no server of the fleet's NATS answers\n");
    if (stream !== undefined) return void (stream as (response: ServerResponse) => void)(response);
    try {
      const { type, body, headers: more } = await (page as FleetPage)();
      return response.writeHead(200, { ...more, 'content-type': type }).end(body);
    } catch (error) {
      return plain(503, `${error instanceof Error ? error.message : String(error)}\n`);
    }
  });
  server.maxConnections = CONNECTIONS_MOST;
  await new Promise<void>((done, failed) => {
    server.once('error', (error) => failed(new InputError(error.message, { path: '--listen' }, 'choose another port')));
    server.listen(port, address, done);
  });
  const { port: its } = server.address() as AddressInfo;
  out(`listening at http://${address.includes(':') ? `[${address}]` : address}:${its}${named}`);
  await new Promise<void>((done) => {
    if (stop.aborted) done();
    stop.addEventListener('abort', () => done(), { once: true });
  });
  await new Promise<void>((done) => {
    server.close(() => done());
    server.closeAllConnections();
  });
}
