// A client that is opened while two of three servers are dead: it waits for them, and not forever.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UnreachableError } from '../../src/base/errors.js';
import { FleetClient } from '../../src/fleet/place/fleet-client.js';
import { NatsCluster, natsMissing, portOf } from '../support/nats-cluster.js';

const missing = natsMissing();
const cluster = new NatsCluster({ servers: 3, port: portOf('leaderless') });

beforeAll(async () => {
  if (missing === null) await cluster.start();
}, 120_000);

afterAll(() => cluster.close());

const open = (openMs?: number) =>
  FleetClient.open({ access: { url: cluster.url }, name: 'late', replicas: 3, ...(openMs === undefined ? {} : { openMs }) });

/** What the client is, or why there is none. */
const outcome = async (opening: Promise<FleetClient>): Promise<FleetClient | Error> => opening.catch((error: Error) => error);

describe.skipIf(missing !== null)('a log without a leader', () => {
  it('is said to have none, with what to do, when its servers stay away', async () => {
    await cluster.kill(1);
    await cluster.kill(2);
    const error = await outcome(open(4000));
    expect(error).toBeInstanceOf(UnreachableError);
    expect((error as UnreachableError).message).toMatch(/^the fleet's servers have had no leader for [1-4] s$/);
    expect((error as UnreachableError).mend).toContain('of three, two must run');
  }, 60_000);

  it('is waited for while they come back', async () => {
    const opening = outcome(open());
    let ended = false;
    void opening.then(() => {
      ended = true;
    });
    await new Promise((done) => setTimeout(done, 2000));
    expect(ended).toBe(false);
    cluster.startServer(1);
    cluster.startServer(2);
    const client = await opening;
    expect(client).toBeInstanceOf(FleetClient);
    expect((client as FleetClient).picture.whole).toBe(true);
    await (client as FleetClient).close();
  }, 90_000);
});
