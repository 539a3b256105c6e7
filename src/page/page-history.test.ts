import { describe, expect, it } from 'vitest';
import type { HostMap, MapDomain } from '../map/host-map.js';
import { eventsBetween, History, MOMENTS_MOST } from './page-history.js';
import { decodeMap } from './page-map.js';

const GIB_PAGES = 262_144;

function host(...domains: MapDomain[]): HostMap {
  return {
    name: 'two',
    hypervisor: 'embedded Xen 4.17',
    nodes: [0, 1].map((id) => ({ id, memoryBytes: 8 * 2 ** 30, freePages: 4 * GIB_PAGES, claimedPages: 0 })),
    cpus: [0, 1, 2, 3].map((id) => ({ id, node: id >> 1, core: id, socket: id >> 1, online: true, pool: 0 })),
    distances: [
      [10, 20],
      [20, 10],
    ],
    domains,
  };
}

function vm(domid: number, change: Partial<MapDomain> = {}): MapDomain {
  return {
    ...{
      domid,
      name: `vm${domid}`,
      kind: 'pvh',
      state: 'running',
      pool: 0,
      nodeAffinity: [0],
      autoNodeAffinity: true,
      pages: [GIB_PAGES, 0],
    },
    vcpus: [{ id: 0, online: true, hard: [0, 1, 2, 3], soft: [0, 1] }],
    ...change,
  };
}

const kinds = (before: HostMap, now: HostMap) => eventsBetween(before, now).map(({ kind, vm: name }) => `${kind} ${name}`);

describe('what happened between two looks at a host', () => {
  it('is that VMs came and went; one that dies is gone, and Domain-0 is no VM', () => {
    expect(kinds(host(vm(1)), host(vm(0), vm(1, { state: 'dying' }), vm(2)))).toEqual(['stop vm1', 'start vm2']);
  });

  it('is a spill when a VM starts with memory outside of its node affinity', () => {
    expect(kinds(host(), host(vm(1, { pages: [GIB_PAGES, 1] })))).toEqual(['start vm1', 'spill vm1']);
  });

  it('is drift when masks, nodes or much memory change while it runs', () => {
    const before = host(vm(1));
    expect(kinds(before, host(vm(1)))).toEqual([]);
    expect(kinds(before, host(vm(1, { nodeAffinity: [0, 1] })))).toEqual(['drift vm1']);
    expect(kinds(before, host(vm(1, { vcpus: [{ id: 0, online: true, hard: [2], soft: [0, 1] }] })))).toEqual(['drift vm1']);
    // 16 MiB and no more counts for nothing.
    expect(kinds(before, host(vm(1, { pages: [GIB_PAGES, 4096] })))).toEqual([]);
    expect(kinds(before, host(vm(1, { pages: [GIB_PAGES, 4097] })))).toEqual(['drift vm1']);
  });

  it('is nothing at the first look', () => {
    expect(eventsBetween(null, host(vm(1)))).toEqual([]);
  });
});

describe('a history', () => {
  it('has a moment for each change, with the map of it and its figures', () => {
    const history = new History();
    const maps = [host(), host(vm(1)), host(vm(1)), host(vm(1), vm(2, { pages: [0, GIB_PAGES] }))];
    maps.forEach((map, at) => {
      history.add(map, at);
    });
    expect(history.moments.map(({ id, at, vms, onOneNode, acrossPages }) => ({ id, at, vms, onOneNode, acrossPages }))).toEqual([
      { id: 0, at: 0, vms: 0, onOneNode: 0, acrossPages: 0 },
      { id: 1, at: 1, vms: 1, onOneNode: 1, acrossPages: 0 },
      { id: 2, at: 3, vms: 2, onOneNode: 1, acrossPages: GIB_PAGES },
    ]);
    expect(decodeMap(history.map(2)!)).toEqual(maps[3]);
    expect(history.map(3)).toBe(null);
  });

  it('is bounded: the oldest moments go first', () => {
    const history = new History();
    for (let at = 0; at < MOMENTS_MOST + 5; at++) history.add(host(...(at % 2 === 0 ? [] : [vm(1)])), at);
    expect(history.moments).toHaveLength(MOMENTS_MOST);
    expect(history.moments[0]!.id).toBe(5);
    expect(history.map(4)).toBe(null);
    expect(history.map(5)).not.toBe(null);
  });
});
