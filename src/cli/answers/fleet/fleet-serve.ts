// `xennuma fleet serve`: the page of all hosts, live, and /metrics.
import type { ServerResponse } from 'node:http';
import type { FleetClient } from '../../../fleet/place/fleet-client.js';
import { DAEMON_POLICY, daemonPage, pageAssets } from '../../../page/page-file.js';
import type { FleetOptions } from '../../input/fleet-options.js';
import { type FleetPage, fresh, listenAddress, serveFleet } from './fleet-http.js';
import { metricsPage } from './fleet-metrics.js';
import { fleetPageData } from './fleet-page.js';
import { withFleet } from './open-fleet.js';
import { shownHosts } from './shown-hosts.js';

export interface FleetServeOptions extends FleetOptions {
  readonly listen: string;
}

/** Changes come in bursts; a page reads at most so often. */
const SETTLE_MS = 1000;
/** That a host has stopped answering is no entry of the log. */
const NOW_AND_THEN_MS = 15_000;

/** @throws InputError for an address that is not of this machine */
export async function fleetServe(options: FleetServeOptions): Promise<void> {
  const address = listenAddress(options.listen);
  await withFleet(options, async (client) => {
    const changes = new Changes(client);
    try {
      await serveFleet(client, address, { ...livePages(client), '/metrics': metricsPage(client) }, '/', {
        '/events': (response) => changes.follow(response),
      });
    } finally {
      changes.end();
    }
  });
}

const SECURE = {
  'content-security-policy': DAEMON_POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const;

function livePages(client: FleetClient): Record<string, FleetPage> {
  const text =
    (type: string, body: () => string): FleetPage =>
    async () => ({ type: `${type}; charset=utf-8`, body: body(), headers: SECURE });
  const json = (value: () => unknown): FleetPage => {
    const headers = { ...SECURE, 'cache-control': 'no-store' };
    return async () => ({ type: 'application/json', body: JSON.stringify(await value()), headers });
  };
  return {
    '/': text('text/html', daemonPage),
    '/page/app.js': text('text/javascript', () => pageAssets().script),
    '/page/app.css': text('text/css', () => pageAssets().style),
    '/page/worker.js': text('text/javascript', () => pageAssets().worker),
    '/page/reader.js': text('text/javascript', () => pageAssets().reader),
    '/web/snapshot': json(fresh(async () => fleetPageData(await shownHosts(client, [])))),
    // A fleet has no history here, and nobody changes it by the page.
    '/web/history': json(() => ({ moments: [] })),
    '/web/rights': json(() => ({ change: false, user: null })),
  };
}

/** Tells open pages that there is something new. */
class Changes {
  readonly #followers = new Set<ServerResponse>();
  readonly #client: FleetClient;
  readonly #often: NodeJS.Timeout;
  #timer: NodeJS.Timeout | null = null;

  constructor(client: FleetClient) {
    this.#client = client;
    client.changed = () => {
      this.#timer ??= setTimeout(() => this.#tell(), SETTLE_MS);
    };
    this.#often = setInterval(() => this.#tell(), NOW_AND_THEN_MS);
  }

  follow(response: ServerResponse): void {
    response.writeHead(200, { ...SECURE, 'content-type': 'text/event-stream', 'cache-control': 'no-store' }).write(': xennuma\n\n');
    this.#followers.add(response);
    response.once('close', () => this.#followers.delete(response));
  }

  #tell(): void {
    this.#timer = null;
    for (const response of this.#followers) {
      // Who does not read gets no more.
      if (response.writableNeedDrain) response.destroy();
      else response.write('event: fleet\ndata: {}\n\n');
    }
  }

  end(): void {
    this.#client.changed = () => {};
    clearInterval(this.#often);
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const response of this.#followers) response.destroy();
  }
}
