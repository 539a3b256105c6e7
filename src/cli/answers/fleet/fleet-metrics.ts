// `xennuma fleet metrics`: figures of the whole fleet for Prometheus, once or at an address of
// this machine.
import type { FleetClient } from '../../../fleet/place/fleet-client.js';
import { fleetMetrics } from '../../../fleet/place/fleet-metrics.js';
import { jobCounts } from '../../../fleet/work/jobs.js';
import type { FleetOptions } from '../../input/fleet-options.js';
import { out } from '../../output/terminal.js';
import { type FleetPage, fresh, listenAddress, serveFleet } from './fleet-http.js';
import { withFleet } from './open-fleet.js';

export interface FleetMetricsOptions extends FleetOptions {
  /** Until a signal ends it. */
  readonly listen?: string;
}

/** @throws InputError for an address that is not of this machine */
export async function fleetMetricsOf(options: FleetMetricsOptions): Promise<void> {
  const address = options.listen === undefined ? null : listenAddress(options.listen);
  await withFleet(options, async (client) => {
    if (address === null) out((await measured(client)).trimEnd());
    else await serveFleet(client, address, { '/metrics': metricsPage(client) }, '/metrics');
  });
}

/** The figures at an address. */
export function metricsPage(client: FleetClient): FleetPage {
  const text = fresh(() => measured(client));
  return async () => ({ type: 'text/plain; charset=utf-8', body: await text() });
}

async function measured(client: FleetClient): Promise<string> {
  const [away, jobs] = await Promise.all([client.away(), jobCounts(client.connection)]);
  return fleetMetrics(client.picture, { away, jobs });
}
