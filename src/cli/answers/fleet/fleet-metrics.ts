// `xennuma fleet metrics`: figures of the whole fleet for Prometheus, once or at an address of
// this machine.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { InputError } from '../../../base/errors.js';
import type { FleetClient } from '../../../fleet/place/fleet-client.js';
import { fleetMetrics } from '../../../fleet/place/fleet-metrics.js';
import { jobCounts } from '../../../fleet/work/jobs.js';
import type { FleetOptions } from '../../input/fleet-options.js';
import { out } from '../../output/terminal.js';
import { isLoopback, parseListen } from '../serve-run.js';
import { stopOfSignals, withFleet } from './open-fleet.js';

/** Members are asked no more often than this, however often a client asks. */
const FRESH_MS = 1000;
const LOOPBACK_NAME = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/;

export interface FleetMetricsOptions extends FleetOptions {
  /** Until a signal ends it. */
  readonly listen?: string;
}

/** @throws InputError for an address that is not of this machine */
export async function fleetMetricsOf(options: FleetMetricsOptions): Promise<void> {
  const address = options.listen === undefined ? null : parseListen(options.listen);
  if (address !== null && !isLoopback(address.address)) {
    throw new InputError(
      `${address.address} is not an address of this machine only`,
      { path: '--listen' },
      'the figures are told to everybody: listen on 127.0.0.1, and let a proxy ask for passwords',
    );
  }
  await withFleet(options, async (client) => {
    if (address === null) out((await measured(client)).trimEnd());
    else await serve(client, address);
  });
}

async function measured(client: FleetClient): Promise<string> {
  const [away, jobs] = await Promise.all([client.away(), jobCounts(client.connection)]);
  return fleetMetrics(client.picture, { away, jobs });
}

async function serve(client: FleetClient, { address, port }: ReturnType<typeof parseListen>): Promise<void> {
  const stop = stopOfSignals();
  let connected = true;
  void (async () => {
    for await (const { type } of client.connection.status()) {
      if (type === 'disconnect') connected = false;
      if (type === 'reconnect') connected = true;
    }
  })();
  let last: { readonly atMs: number; readonly text: Promise<string> } | null = null;
  const text = () => {
    const nowMs = performance.now();
    if (last === null || nowMs - last.atMs > FRESH_MS) last = { atMs: nowMs, text: measured(client) };
    return last.text;
  };
  const server = createServer(async ({ method, url, headers }, response) => {
    const answer = (status: number, body: string) => response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(body);
    // A page in a browser must not get here by a name of its own.
    if (!LOOPBACK_NAME.test(headers.host ?? '')) return answer(403, 'name this machine localhost\n');
    if (method !== 'GET' || url !== '/metrics') return answer(404, 'GET /metrics\n');
    // An earlier reading may be out of date.
    if (!connected) return answer(503, "no server of the fleet's NATS answers\n");
    return text().then(
      (body) => answer(200, body),
      (error: unknown) => answer(503, `${error instanceof Error ? error.message : String(error)}\n`),
    );
  });
  server.maxConnections = 64;
  await new Promise<void>((done, failed) => {
    server.once('error', (error) => failed(new InputError(error.message, { path: '--listen' }, 'choose another port')));
    server.listen(port, address, done);
  });
  const { port: its } = server.address() as AddressInfo;
  out(`listening at http://${address.includes(':') ? `[${address}]` : address}:${its}/metrics`);
  await new Promise<void>((done) => {
    if (stop.aborted) done();
    stop.addEventListener('abort', () => done(), { once: true });
  });
  await new Promise<void>((done) => {
    server.close(() => done());
    server.closeAllConnections();
  });
}
