// What an embedded host is made of: its options, the keys of a booted host, and what it answers
// with and without its shorter ways.
import { expect, it } from 'vitest';
import { machine, vm } from '../../../test/support/toolstack.js';
import { MIB } from '../../base/units.js';
import { createToolstack } from '../life/toolstack.js';
import { embeddedHost } from './embedded-host.js';

const HOST = machine([2048, 2048, 2048, 2048], 4);

it('has Domain-0 as given, or an assumed one, and says so', async () => {
  const given = await embeddedHost(HOST, { dom0: { vcpus: 3, pages: 1000 } });
  expect(given.xc.domainInfo(0)!.maxVcpuId).toBe(2);
  expect(given.inspect.pagesByNode(0)!.reduce((sum, pages) => sum + pages, 0)).toBe(1000);
  expect(given.domain0Assumed).toBeUndefined();
  const assumed = await embeddedHost(HOST);
  expect(assumed.domain0Assumed).toBe(true);
  expect(assumed.xc.domainInfo(0)!.maxVcpuId).toBe(15);
});

it("has the version of Xen, the scheduler and the profile's parts", async () => {
  const old = await embeddedHost(HOST, { xenVersion: '4.13', scheduler: 'credit2', profile: 'xapi-25.6' });
  expect(old.xc.version.xen).toBe('4.13');
  // XEN_SCHEDULER_CREDIT2 and XEN_SCHEDULER_CREDIT of public/domctl.h.
  expect(old.xc.cpupoolList()[0]!.scheduler).toBe(6);
  const plain = await embeddedHost(HOST);
  expect(plain.xc.version.xen).toBe('4.17');
  expect(plain.xc.cpupoolList()[0]!.scheduler).toBe(5);
  expect((await embeddedHost({ ...HOST, xenVersion: '4.14' })).xc.version.xen).toBe('4.14');
});

it('has the keys of a booted host, for Domain-0 alone', async () => {
  const { store } = await embeddedHost(HOST);
  const keys = new Map(store.list().map(({ path, value }) => [path, value]));
  expect([keys.get('/local/domain/0/domid'), keys.get('/local/domain/0/name')]).toEqual(['0', 'Domain-0']);
  for (const path of ['/vm', '/libxl', '/xenops/domain', '/tool/xenstored']) expect(keys.get(path), path).toBe('');
});

it('counts vCPUs for xl one by one as it does by groups: both place the same guests on the same nodes', async () => {
  const nodesOf = async (byGroups: boolean) => {
    const doors = await embeddedHost(HOST, { profile: 'xl' });
    const { affinityGroups: _, ...without } = doors;
    const toolstack = await createToolstack(byGroups ? doors : without, { profile: 'xl', policy: 'best_effort', seed: 1 });
    const nodes: (readonly number[])[] = [];
    // The first is on node 2 by its pins; those after it prefer nodes with fewer vCPUs.
    const guests = [vm('pinned', 3, 64, { xlHardCpus: [[8, 9]] }), ...[1, 2, 2, 4, 1, 3, 2].map((vcpus, at) => vm(`v${at}`, vcpus, 64))];
    for (const guest of guests) {
      await toolstack.add(guest);
      const { domid, failure } = await toolstack.start(guest.name);
      expect(failure).toBeNull();
      nodes.push(doors.xc.domainNodeGetAffinity(domid!));
    }
    return nodes;
  };
  const [grouped, counted] = [await nodesOf(true), await nodesOf(false)];
  expect(counted).toEqual(grouped);
  expect(new Set(counted.map(String)).size).toBeGreaterThan(2);
});

it('is refused past the limits, by the description', async () => {
  await expect(embeddedHost({ ...HOST, nodes: [] })).rejects.toThrow('a machine has 1 to 64 nodes');
  const small = { ...HOST, nodes: HOST.nodes.map((node) => ({ ...node, memoryBytes: MIB, freeBytes: 0 })) };
  expect((await embeddedHost(small)).inspect.freePages()).toEqual([0, 0, 0, 0]);
});
