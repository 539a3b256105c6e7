// Evacuations that meet each other.
import { afterEach, describe, expect, it } from 'vitest';
import { failure, smallHost, type TestDaemon, testDaemon, vmRecord } from '../../../test/support/daemon.js';
import { embeddedHost } from '../../xenopsd/hosts/embedded-host.js';
import type { WireStruct } from '../wire/values.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function three(): Promise<TestDaemon> {
  const others = [];
  for (let one = 1; one < 3; one++) others.push(await embeddedHost(smallHost(2, 4, 8), { profile: 'xapi-25.6' }));
  const daemon = await testDaemon({ machine: smallHost(2, 4, 8), others });
  ends.push(() => daemon.close());
  return daemon;
}

const guestsOn = ({ hosts }: TestDaemon, ref: string) =>
  hosts
    .get(ref)
    .toolstack.doors.xc.domainList()
    .filter(({ domid }) => domid !== 0).length;

describe('a host', () => {
  it('that is evacuated twice at once is evacuated until the last of both has ended', async () => {
    const pool = await three();
    const [a, b, c] = pool.hosts.all.map(({ ref }) => ref);
    for (let index = 0; index < 4; index++) {
      const vm = (await pool.call('VM.create', vmRecord(`vm${index}`))) as string;
      await pool.call('VM.start_on', vm, a!, false, false);
    }
    const seen: number[] = [];
    pool.database.published.onChange(() => {
      const count = Object.keys(pool.database.published.get('host', a!).current_operations as WireStruct).length;
      if (seen.at(-1) !== count) seen.push(count);
    });
    const both = [
      failure(pool.call('host.evacuate', a!, 'OpaqueRef:NULL', 1)),
      failure(pool.call('host.evacuate', a!, 'OpaqueRef:NULL', 2)),
    ];
    expect(await Promise.all(both)).toEqual([['success'], ['success']]);
    expect([guestsOn(pool, a!), guestsOn(pool, b!) + guestsOn(pool, c!)]).toEqual([0, 4]);
    expect(seen.filter((count, index) => count !== seen[index - 1])).toEqual(expect.arrayContaining([1, 2, 1, 0]));
    expect(seen.slice(seen.indexOf(2))).toEqual([2, 1, 0]);
  });
});
