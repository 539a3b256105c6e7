// The list of hosts on the page: which are there, in which order, and what is said of them.
import { describe, expect, it } from 'vitest';
import { fleetPageData } from '../src/cli/answers/fleet/fleet-page.js';
import type { ShownHost } from '../src/cli/answers/fleet/shown-hosts.js';
import type { HostMap } from '../src/map/host-map.js';
import { pageData } from '../src/page/page-data.js';
import { PAGE_FLEET_HOSTS } from '../src/page/page-fleet.js';
import { profileOf } from '../src/xenopsd/api/profiles.js';
import { hostRows, shownHosts } from '../web/src/lib/fleet.js';
import { formatRoute, parseRoute, START } from '../web/src/lib/route.js';

const shown = (host: string, more: Partial<ShownHost> = {}): ShownHost => ({
  ...{ host, state: 'up', answers: true, vms: 3, drifted: 0, claims: 0, draining: false, watched: false, runs: 'Xen 4.17', tags: [] },
  ...{ undecided: 0, cpuPercent: null },
  nodes: [
    { memoryMib: 1024, freeMib: 512, cores: 4, vcpus: 2 },
    { memoryMib: 2048, freeMib: 0, cores: 4, vcpus: 2 },
  ],
  ...more,
});
const FLEET = [
  shown('xen-10', { tags: ['nvme', 'Rack-1'] }),
  shown('xen-9', { drifted: 2 }),
  shown('xen-2', { state: 'away', answers: false }),
  shown('xen-1', { state: 'starting', nodes: null }),
  shown('old', { state: 'watched', watched: true, runs: 'Xen 4.13', drifted: 1 }),
];
const rows = hostRows(fleetPageData(FLEET));
const names = (change: Partial<typeof START.hosts>) => shownHosts(rows, { ...START.hosts, ...change }).map(({ name }) => name);

describe('hosts of a fleet', () => {
  it('stand worst first: those that do not answer, then by VMs away from their memory, then by name', () => {
    expect(names({})).toEqual(['xen-2', 'xen-1', 'xen-9', 'old', 'xen-10']);
    expect(names({ order: 'name', down: false })).toEqual(['old', 'xen-1', 'xen-2', 'xen-9', 'xen-10']);
    expect(names({ order: 'drifted' }).slice(0, 2)).toEqual(['xen-9', 'old']);
  });

  it('are found by all words of a search, in names, tags and what they run, and by state', () => {
    expect(names({ search: ' NVME rack-1 ' })).toEqual(['xen-10']);
    expect(names({ search: 'nvme rack-2' })).toEqual([]);
    expect(names({ search: '4.13' })).toEqual(['old']);
    expect(names({ only: 'watched' })).toEqual(['old']);
    expect(names({ only: 'look' })).toEqual(['xen-2', 'xen-1', 'xen-9', 'old']);
    expect(names({ only: 'no state' })).toEqual([]);
  });

  it('have the sums of their nodes, and none where no map is known', () => {
    expect(rows.find(({ name }) => name === 'xen-9')).toMatchObject({ memoryMib: 3072, freeMib: 512 });
    expect(rows.find(({ name }) => name === 'xen-1')).toMatchObject({ memoryMib: 0, nodes: [] });
  });

  it('are as many as a page can show, and more are refused', () => {
    const many = (count: number) => Array.from({ length: count }, (_, at) => shown(`h${at}`));
    expect(fleetPageData(many(PAGE_FLEET_HOSTS)).fleet).toHaveLength(PAGE_FLEET_HOSTS);
    expect(() => fleetPageData(many(PAGE_FLEET_HOSTS + 1))).toThrow(/at most 10000 hosts in a page, found 10001/);
  });
});

it('hosts of a page with several have the figures of their maps, without Domain-0', () => {
  const GIB_PAGES = 2 ** 18;
  const vm = (domid: number, soft: readonly number[], pages: readonly number[]): HostMap['domains'][number] => ({
    ...{ domid, name: `vm-${domid}`, kind: 'pvh', state: 'running', pool: 0, nodeAffinity: [0], autoNodeAffinity: true },
    ...{ vcpus: [{ id: 0, online: true, hard: [0, 1], soft }], pages },
  });
  const map: HostMap = {
    ...{ name: 'two', hypervisor: 'Xen 4.17' },
    cpus: [0, 1].map((id) => ({ id, node: id, core: id, socket: id, online: true, pool: 0 })),
    nodes: [0, 1].map((id) => ({ id, memoryBytes: 8 * 2 ** 30, freePages: 4 * GIB_PAGES, claimedPages: id * GIB_PAGES })),
    distances: [
      [10, 20],
      [20, 10],
    ],
    domains: [vm(0, [0, 1], [GIB_PAGES, 0]), vm(1, [0], [GIB_PAGES, 0]), vm(2, [1], [GIB_PAGES, 0])],
  };
  const input = { map, notes: [], profile: profileOf('xapi-25.6'), policy: 'best_effort' } as const;
  const [, second] = hostRows(pageData('file', '1', null, [input, { ...input, map: { ...map, domains: [] } }]));
  const [first] = hostRows(pageData('file', '1', null, [input]));
  const nodes = [
    [8192, 4096],
    [8192, 3072],
  ];
  expect(first).toMatchObject({ at: 0, name: 'two', vms: 2, drifted: 1, nodes, memoryMib: 16_384, freeMib: 7168, needsLook: true });
  expect(second).toMatchObject({ at: 1, vms: 0, drifted: 0, needsLook: false });
});

it('what is shown of the hosts stands in the address', () => {
  const hosts = { search: 'nvme & co', only: 'away', order: 'free', down: false } as const;
  const route = { ...START, view: 'fleet', hosts } as const;
  expect(parseRoute(formatRoute(route))).toEqual(route);
  expect(formatRoute(START)).toBe('');
  expect(parseRoute('#order=nothing.down').hosts).toEqual(START.hosts);
});
