// A running host is read without changing it, and its copy is the same host.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { machine, toolstackOn, vm, vmWithMask } from '../../test/support/toolstack.js';
import type { EmbeddedHost } from '../xenopsd/hosts/embedded-host.js';
import type { XenstoreConnection } from '../xenstore/connection.js';
import { copyOfLive } from './live-copy.js';
import { liveMap } from './live-map.js';

const FREE_MIB = [4096, 3072, 5120, 4096];

/** Everything below `path`; it would differ after any write. */
async function listing(xs: XenstoreConnection, path = '/'): Promise<string[]> {
  const names = await xs.directory(path);
  const below = await Promise.all(names.map((name) => listing(xs, path === '/' ? `/${name}` : `${path}/${name}`)));
  return [`${path}=${await xs.read(path)}`, ...below.flat()];
}

async function busyHost(): Promise<EmbeddedHost> {
  const toolstack = await toolstackOn(machine(FREE_MIB, 4));
  for (const spec of [vm('wide', 6, 4000), vmWithMask('pinned', 2, 500, '4,5'), vm('small', 2, 700, { kind: 'pv' }), vm('still', 1, 300)]) {
    await toolstack.add(spec);
    expect((await toolstack.start(spec.name)).failure).toBeNull();
  }
  await toolstack.pause('still');
  await toolstack.setNodeAffinity('small', [3]);
  const { xc } = toolstack.doors;
  xc.cpuOffline(14);
  for (const cpu of [12, 13]) xc.cpupoolRemoveCpu(0, cpu);
  xc.cpupoolCreate('credit', 3);
  for (const cpu of [12, 13]) xc.cpupoolAddCpu(3, cpu);
  await toolstack.moveToPool('small', 3);
  await toolstack.pin('small', 0, { soft: [12] });
  return toolstack.doors;
}

test('domains of other toolstacks have the names and kinds in XenStore', async () => {
  const { map, uuids, notes } = await liveMap(await busyHost(), { memory: true });
  expect(map.domains.map(({ name, state, pool }) => `${name} ${state} ${pool}`)).toEqual([
    'Domain-0 running 0',
    'wide blocked 0',
    'pinned blocked 0',
    'small blocked 3',
    'still paused 0',
  ]);
  expect(map.domains.map(({ kind }) => kind)).toEqual(['pv', 'hvm', 'hvm', 'pv', 'hvm']);
  expect(map.domains[3]!.nodeAffinity).toEqual([3]);
  expect(map.domains[2]!.pages.reduce((sum, pages) => sum + pages, 0)).toBeGreaterThan(499 * 256);
  expect(uuids.get(1)).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(notes).toEqual([]);
});

test('a domain without a name in XenStore is named by its number, and a note says so', async () => {
  const host = await busyHost();
  await host.xs.rm('/local/domain/2/name');
  await host.xs.rm('/local/domain/2/vm');
  const { map, notes } = await liveMap(host, { memory: true });
  expect(map.domains[2]!.name).toBe('Domain-2');
  expect(notes).toEqual(['XenStore has no name for domain 2.']);
});

test('reading changes neither masks nor memory nor XenStore', async () => {
  const host = await busyHost();
  const state = async () => ({
    map: (await liveMap(host, { memory: false })).map,
    store: await listing(host.xs),
    free: host.inspect.freePages(),
  });
  const before = await state();
  await liveMap(host, { memory: true });
  expect(await state()).toEqual(before);
  expect(before.map.domains.every(({ pages }) => pages.every((count) => count === 0))).toBe(true);
});

test('the copy has the same nodes, CPUs, pools and domains, and as much free memory', async () => {
  const live = await liveMap(await busyHost(), { memory: true });
  const copy = await copyOfLive(live, 'xapi-25.6');
  const { map } = await liveMap({ ...copy, xs: copy.xs }, { memory: true });
  expect(map.nodes).toEqual(live.map.nodes);
  expect(map.cpus).toEqual(live.map.cpus);
  expect(map.distances).toEqual(live.map.distances);
  // The copy's XenStore has no names; they come with its doors.
  expect(copy.others!.get(1)).toEqual({ name: 'wide', kind: 'hvm' });
  const placed = map.domains.filter(({ domid }) => domid !== 0).map(({ name: _, kind: _kind, ...rest }) => rest);
  expect(placed).toEqual(live.map.domains.filter(({ domid }) => domid !== 0).map(({ name: _, kind: _kind, ...rest }) => rest));
});

test('property: any set of VMs is copied page for page and mask for mask', async () => {
  const spec = fc.record({
    vcpus: fc.integer({ min: 1, max: 8 }),
    mib: fc.integer({ min: 64, max: 600 }),
    pv: fc.boolean(),
    mask: fc.option(fc.constantFrom('1,2', '4,5;8', '0,15')),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(spec, { maxLength: 4 }), async (specs) => {
      const toolstack = await toolstackOn(machine(FREE_MIB, 4));
      for (const [index, { vcpus, mib, pv, mask }] of specs.entries()) {
        await toolstack.add(vm(`vm${index}`, vcpus, mib, { kind: pv ? 'pv' : 'hvm', vcpusParams: mask === null ? {} : { mask } }));
        await toolstack.start(`vm${index}`);
      }
      const live = await liveMap(toolstack.doors, { memory: true });
      const copy = await copyOfLive(live, 'xl');
      const again = await liveMap(copy, { memory: true });
      expect(again.map.nodes).toEqual(live.map.nodes);
      expect(again.map.domains.slice(1).map(({ domid, pages, vcpus, nodeAffinity }) => ({ domid, pages, vcpus, nodeAffinity }))).toEqual(
        live.map.domains.slice(1).map(({ domid, pages, vcpus, nodeAffinity }) => ({ domid, pages, vcpus, nodeAffinity })),
      );
    }),
    { seed: 20261125, numRuns: 25 },
  );
});
