// The host at one moment, as what is known of it was set by calls.
import { expect, it } from 'vitest';
import { machine, vm } from '../../../test/support/toolstack.js';
import { XenError } from '../../base/errors.js';
import { MIB, PAGE_BYTES } from '../../base/units.js';
import { createToolstack } from '../life/toolstack.js';
import { embeddedHost } from './embedded-host.js';
import { snapshotOf } from './snapshot.js';

const HOST = machine([1024, 512], 2);

async function host() {
  const doors = await embeddedHost(HOST, { profile: 'xapi-25.6', xenVersion: '4.17' });
  const toolstack = await createToolstack(doors, { profile: 'xapi-25.6', policy: 'any', seed: 1 });
  return { doors, toolstack };
}

it('has nodes, distances and CPUs with their pools, those in none and those offline', async () => {
  const { doors } = await host();
  const pool = doors.xc.cpupoolCreate('credit');
  for (const cpu of [1, 2, 3]) doors.xc.cpupoolRemoveCpu(0, cpu);
  doors.xc.cpupoolAddCpu(pool, 3);
  const map = snapshotOf(doors, new Map());
  expect(map.hypervisor).toBe('embedded Xen 4.17');
  expect(map.nodes.map(({ memoryBytes }) => memoryBytes)).toEqual([2048 * MIB, 1536 * MIB]);
  expect(map.nodes.map(({ freePages }) => freePages)).toEqual(doors.inspect.freePages());
  expect(map.distances).toEqual([
    [10, 20],
    [20, 10],
  ]);
  expect(map.cpus.map((cpu) => [cpu!.node, cpu!.pool, cpu!.online])).toEqual([
    [0, 0, true],
    [0, null, true],
    [1, null, true],
    [1, pool, true],
  ]);
  expect(map.domain0Assumed).toBe(true);
  const { domain0Assumed: _, ...given } = doors;
  expect('domain0Assumed' in snapshotOf(given, new Map())).toBe(false);
});

it('has claimed pages of nodes', async () => {
  const doors = await embeddedHost(HOST, { profile: 'xapi-26.2' });
  const domid = doors.xc.domainCreate({ domid: 0, kind: 'pvh', maxVcpus: 1, uuid: Buffer.alloc(16, 1) });
  doors.xc.domainSetMaxmem(domid, 64 * 1024);
  doors.xc.domainClaimPages(domid, 1000, 1);
  expect(snapshotOf(doors, new Map()).nodes.map(({ claimedPages }) => claimedPages)).toEqual([0, 1000]);
});

it('has each domain by what is known of it: the toolstack first, then the host, then Xen alone', async () => {
  const { doors, toolstack } = await host();
  for (const name of ['a', 'b']) {
    await toolstack.add(vm(name, 2, 64, { vcpusParams: { mask: name === 'a' ? '3' : '0' }, vcpusAtStartup: 1 }));
    await toolstack.start(name);
  }
  await toolstack.pause('b');
  const bare = doors.xc.domainCreate({ domid: 0, kind: 'pv', maxVcpus: 1, uuid: Buffer.alloc(16, 9) });
  const others = new Map([
    [1, { name: 'other name', kind: 'pv' as const }],
    [bare, { name: 'of another' }],
  ]);
  const known = new Map([[1, { name: 'a', kind: 'pvh' as const }]]);
  const { domains } = snapshotOf({ ...doors, others }, known);
  expect(domains.map(({ domid, name, kind, state, pool }) => [domid, name, kind, state, pool])).toEqual([
    [0, 'Domain-0', 'pv', 'running', 0],
    // Nothing runs in a guest of an embedded host.
    [1, 'a', 'pvh', 'blocked', 0],
    [2, 'Domain-2', 'hvm', 'paused', 0],
    [bare, 'of another', 'pv', 'paused', 0],
  ]);
  expect(domains[1]!.vcpus.map(({ id, hard, soft }) => [id, hard, soft])).toEqual([
    [0, [3], [0, 1, 2, 3]],
    [1, [3], [0, 1, 2, 3]],
  ]);
  expect(domains.map(({ nodeAffinity }) => nodeAffinity).slice(1, 3)).toEqual([[1], [0]]);
  const pages = (64 * MIB) / PAGE_BYTES;
  const [onZero, onOne] = domains[1]!.pages as [number, number];
  expect(onZero).toBe(0);
  expect(onOne).toBeGreaterThan(pages - 1024);
  expect(domains[1]!.autoNodeAffinity).toBeNull();
  // The same without the shorter way to pages: by debug key 'u'.
  const { pagesByNode: _, ...slow } = doors;
  expect(snapshotOf({ ...slow, others }, known).domains.map((one) => one.pages)).toEqual(domains.map((one) => one.pages));
});

it.each([
  [{ shutdown: 0 }, 'shutdown'],
  [{ dying: true, shutdown: 0 }, 'dying'],
  [{ running: false }, 'blocked'],
  [{ paused: true, running: false }, 'paused'],
  [{}, 'running'],
] as const)('a domain that is %j is shown as %s', async (change, state) => {
  const { doors, toolstack } = await host();
  await toolstack.add(vm('a', 1, 64));
  await toolstack.start('a');
  const domainList = () => doors.xc.domainList().map((info) => (info.domid === 1 ? { ...info, running: true, ...change } : info));
  const xc = Object.assign(Object.create(doors.xc), { domainList });
  expect(snapshotOf({ ...doors, xc }, new Map()).domains[1]!.state).toBe(state);
});

it('leaves out a domain that ends meanwhile; any other answer of Xen is an error', async () => {
  const { doors, toolstack } = await host();
  await toolstack.add(vm('a', 1, 64));
  await toolstack.start('a');
  const gone = { ...doors.xc.domainInfo(1)!, domid: 5 };
  const list = (extra: typeof gone) => ({ domainList: () => [...doors.xc.domainList(), extra] });
  const ended = Object.assign(Object.create(doors.xc), list(gone));
  expect(snapshotOf({ ...doors, xc: ended }, new Map()).domains.map(({ domid }) => domid)).toEqual([0, 1]);
  // ESRCH of a domain that is there: a vCPU that it does not have.
  const lasting = Object.assign(Object.create(doors.xc), {
    vcpuInfo: () => {
      throw new XenError('ESRCH', 'xc_vcpu_getinfo', 'no such vCPU');
    },
  });
  expect(() => snapshotOf({ ...doors, xc: lasting }, new Map())).toThrow('no such vCPU');
  const refused = Object.assign(Object.create(doors.xc), {
    ...list(gone),
    vcpuInfo: () => {
      throw new XenError('EPERM', 'xc_vcpu_getinfo', 'refused');
    },
  });
  expect(() => snapshotOf({ ...doors, xc: refused }, new Map())).toThrow('refused');
});
