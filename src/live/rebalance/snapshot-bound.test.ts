// The bound of a running host: what it counts, and that no plan of rebalancing exceeds it.
import { describe, expect, it } from 'vitest';
import { domain, GIB_PAGES, idleHost, range } from '../../../test/support/host-maps.js';
import type { HostMap, MapDomain } from '../../map/host-map.js';
import { snapshotBound } from './snapshot-bound.js';

const all = range(0, 16);

/** Two nodes of eight CPUs, with so much free beside the domains. */
function hostWith(freeGib: readonly number[], ...domains: MapDomain[]): HostMap {
  const idle = idleHost({ nodes: 2, cpusPerNode: 8, nodeGib: 64 });
  return {
    ...idle,
    nodes: idle.nodes.map((node) => ({ ...node, freePages: freeGib[node.id]! * GIB_PAGES })),
    domains: [...idle.domains, ...domains],
  };
}

const vm = (domid: number, gib: Readonly<Record<number, number>>, hard = all) => domain(domid, `vm-${domid}`, 2, hard, all, gib, 2);

describe('the bound of a snapshot', () => {
  it('packs all VMs anew into what they have and what is free', () => {
    // 8 GiB a node: of three VMs of 5 GiB one is on each node, and the third fits only divided.
    const host = hostWith([0, 1], vm(1, { 0: 5 }), vm(2, { 1: 5 }), vm(3, { 0: 3, 1: 2 }));
    expect(snapshotBound(host)).toEqual({ onOneNode: 2, pagesOnOneNode: 10 * GIB_PAGES });
    expect(snapshotBound(hostWith([0, 8], ...host.domains.slice(1)))).toMatchObject({ onOneNode: 3 });
  });

  it('leaves out Domain-0, dying domains and those without vCPUs, and does not give their memory away', () => {
    const host = hostWith([0, 0], vm(1, { 0: 2, 1: 2 }), { ...vm(2, { 0: 4 }), state: 'dying' }, { ...vm(3, { 0: 4 }), vcpus: [] });
    expect(snapshotBound(host)).toEqual({ onOneNode: 0, pagesOnOneNode: 0 });
  });

  it('respects hard affinity', () => {
    const pinned = [1, 2].map((domid) => vm(domid, { 0: 1, 1: 1 }, range(0, 8)));
    expect(snapshotBound(hostWith([0, 32], ...pinned))).toMatchObject({ onOneNode: 1 });
    const across = { ...vm(1, { 0: 1, 1: 1 }), vcpus: [0, 15].map((cpu, id) => ({ id, online: true, hard: [cpu], soft: all })) };
    expect(snapshotBound(hostWith([32, 32], across))).toMatchObject({ onOneNode: 0 });
  });

  it('counts a VM with stray pages as it stands', () => {
    const stray = { ...vm(1, { 0: 4 }), pages: [4 * GIB_PAGES, 4096] };
    expect(snapshotBound(hostWith([0, 0], stray))).toEqual({ onOneNode: 1, pagesOnOneNode: 4 * GIB_PAGES + 4096 });
    expect(snapshotBound(hostWith([0, 0], { ...stray, pages: [4 * GIB_PAGES, 4097] }))).toMatchObject({ onOneNode: 0 });
  });

  it('answers for a host without VMs', () => {
    expect(snapshotBound(hostWith([1, 1]))).toEqual({ onOneNode: 0, pagesOnOneNode: 0 });
  });
});
