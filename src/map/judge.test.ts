// Each drift by name, on hand-made hosts, and none on a host without drift.
import { describe, expect, test } from 'vitest';
import type { DriftCode, Expected } from './drift.js';
import type { HostMap, MapDomain } from './host-map.js';
import { judge, judgeDomains } from './judge.js';

const MIB_PAGES = 256;
const range = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index);
const NODE = [range(0, 4), range(4, 4), range(8, 4)] as const;
const ALL = range(0, 12);

/** Three nodes of four CPUs; CPUs of `offline` are offline, those of `otherPool` in pool 1. */
function host(domain: Partial<MapDomain>, change: { offline?: number[]; otherPool?: number[]; memoryOnly?: boolean } = {}): HostMap {
  const { offline = [], otherPool = [], memoryOnly = false } = change;
  return {
    name: 'test',
    hypervisor: 'Xen 4.17',
    nodes: range(0, memoryOnly ? 4 : 3).map((id) => ({ id, memoryBytes: 2 ** 32, freePages: 0, claimedPages: 0 })),
    cpus: ALL.map((id) => ({
      id,
      node: Math.floor(id / 4),
      core: id,
      socket: 0,
      online: !offline.includes(id),
      pool: offline.includes(id) ? null : Number(otherPool.includes(id)),
    })),
    distances: range(0, 4).map((i) => range(0, 4).map((j) => (i === j ? 10 : 20))),
    domains: [
      {
        domid: 3,
        name: 'web',
        kind: 'pvh',
        state: 'running',
        pool: 0,
        vcpus: [vcpu(0), vcpu(1)],
        nodeAffinity: [0, 1, 2],
        autoNodeAffinity: null,
        pages: [0, 256 * MIB_PAGES, 0],
        ...domain,
      },
    ],
  };
}

function vcpu(id: number, hard: readonly number[] = ALL, soft: readonly number[] = ALL) {
  return { id, online: true, hard, soft };
}

function expected(more: Partial<Expected>): Expected {
  return { source: 'test', hard: 'all', soft: null, ...more };
}

function drifts(map: HostMap, of: Expected | null = null): string[] {
  const [verdict] = judgeDomains(map, of === null ? new Map() : new Map([[3, of]]), new Set([3]));
  return verdict!.drifts.map(({ text }) => text);
}

function codes(map: HostMap, of: Expected | null = null): DriftCode[] {
  const [verdict] = judgeDomains(map, of === null ? new Map() : new Map([[3, of]]), new Set([3]));
  return verdict!.drifts.map(({ code }) => code);
}

test('a domain without any pinning, wherever its memory lies: nothing', () => {
  expect(codes(host({}), expected({}))).toEqual([]);
  expect(codes(host({ pages: [100_000, 100_000, 5000] }), null)).toEqual([]);
});

test('a node affinity and masks that name what the host does not have', () => {
  expect(codes(host({ nodeAffinity: [0, 1, 2, 3, 9] }), expected({}))).toEqual([]);
  expect(drifts(host({ vcpus: [vcpu(0, [4, 4095], NODE[1])], nodeAffinity: [1] }))).toEqual([expect.stringContaining('CPU 4095 (vCPU 0)')]);
});

test('no vCPU can run beside memory on a node whose CPUs are all offline: the pinning is not to blame', () => {
  const vcpus = [vcpu(0, NODE[1], NODE[1])];
  const there = { vcpus, nodeAffinity: [1], pages: [0, 0, 65_536] };
  expect(codes(host(there))).toContain('memory-unreachable');
  expect(codes(host(there, { offline: [...NODE[2]] }))).not.toContain('memory-unreachable');
});

test('a domain without vCPUs, placed on whole nodes by policy: nothing', () => {
  expect(codes(host({ vcpus: [], nodeAffinity: [1] }), expected({ hard: 'placed' }))).toEqual([]);
});

test('a node affinity says nothing where the host does not say the masks', () => {
  const actual = { pool: 0, vcpus: null, nodeAffinity: [1], pages: null };
  expect(judge(host({}), null, actual)).toEqual({ drifts: [], unknown: false });
});

test('placed on a node by soft affinity, memory there: nothing', () => {
  const vcpus = [vcpu(0, ALL, NODE[1]), vcpu(1, ALL, NODE[1])];
  expect(codes(host({ vcpus, nodeAffinity: [1] }), expected({}))).toEqual([]);
});

test('hard affinity that was requested, given in another order and with CPUs that the host has not: nothing', () => {
  const vcpus = [vcpu(0, [4, 5]), vcpu(1, [6])];
  expect(codes(host({ vcpus, nodeAffinity: [1] }), expected({ hard: [[5, 4, 99], [6]] }))).toEqual([]);
});

test('hard affinity differs, by vCPU', () => {
  const vcpus = [vcpu(0, [4, 5]), vcpu(1, [6])];
  expect(drifts(host({ vcpus, nodeAffinity: [1] }), expected({ hard: [[4], [6]] }))).toEqual([
    'hard affinity differs from what was requested: vCPU 0 has 4-5 instead of 4',
  ]);
  expect(drifts(host({ vcpus: [vcpu(0, [4]), vcpu(1, [4])], nodeAffinity: [1] }), expected({}))).toEqual([
    'hard affinity differs from what was requested: vCPUs 0-1 have 4 instead of all',
  ]);
  expect(codes(host({}), expected({ hard: [[4], null] }))).toEqual(['hard-differs']);
});

test('a placement may pin to whole nodes, and to nothing else', () => {
  const pinned = (hard: readonly number[]) => host({ vcpus: [vcpu(0, hard), vcpu(1, hard)], nodeAffinity: [1] });
  expect(codes(pinned(NODE[1]), expected({ hard: 'placed' }))).toEqual([]);
  expect(codes(pinned([4, 5]), expected({ hard: 'placed' }))).toEqual(['hard-differs']);
  expect(codes(pinned(NODE[1]), expected({ hard: 'all' }))).toEqual(['hard-differs']);
  expect(codes(pinned([4, 5]), expected({ hard: null }))).toEqual([]);
});

test('soft affinity differs', () => {
  const vcpus = [vcpu(0, ALL, NODE[1]), vcpu(1, ALL, NODE[1])];
  expect(drifts(host({ vcpus, nodeAffinity: [1] }), expected({ soft: [NODE[0], NODE[1]] }))).toEqual([
    'soft affinity differs from what was requested: vCPU 0 has 4-7 instead of 0-3',
  ]);
});

test('a mask that was ignored', () => {
  expect(drifts(host({}), expected({ ignoredMask: { mask: '1, 2', reason: 'white space' } }))).toEqual([
    "the requested mask was ignored: '1, 2', for white space",
  ]);
});

test('hard affinity that names CPUs offline, or of another pool', () => {
  const vcpus = [vcpu(0, [4, 5]), vcpu(1, [4, 5])];
  expect(drifts(host({ vcpus, nodeAffinity: [1] }, { offline: [5] }))).toEqual([
    'hard affinity names CPUs that are offline or absent: CPU 5 (vCPUs 0-1)',
  ]);
  expect(drifts(host({ vcpus, nodeAffinity: [1] }, { otherPool: [5] }))).toEqual([
    'hard affinity names CPUs of another pool: CPU 5, its pool is 0 (vCPUs 0-1)',
  ]);
  // All CPUs is what Xen starts with, whatever is offline.
  expect(codes(host({}, { offline: [5], otherPool: [6] }))).toEqual([]);
});

test('soft affinity outside of the hard one counts for nothing', () => {
  const vcpus = [vcpu(0, NODE[1], NODE[0]), vcpu(1, NODE[1], [])];
  expect(drifts(host({ vcpus, nodeAffinity: [1] }))).toEqual([
    'soft affinity names no CPU that hard affinity allows: it is 0-3 (vCPU 0); it is empty (vCPU 1)',
  ]);
});

test('memory outside the node affinity', () => {
  const vcpus = [vcpu(0, ALL, NODE[1]), vcpu(1, ALL, NODE[1])];
  expect(codes(host({ vcpus, nodeAffinity: [1], pages: [0, 65_536, 65_536] }))).toEqual([
    'memory-outside-node-affinity',
    'soft-not-memory',
  ]);
  expect(drifts(host({ nodeAffinity: [1], pages: [0, 0, 65_536], vcpus: [] }))).toEqual([
    'memory outside the node affinity: 256 MiB (all of it) on node 2, the node affinity is 1',
  ]);
  // As XenServer counts: 16 MiB on a node are none.
  expect(codes(host({ vcpus, nodeAffinity: [1], pages: [0, 65_536, 4096] }))).toEqual([]);
  expect(codes(host({ vcpus, nodeAffinity: [1], pages: [0, 65_536, 4097] }))).toContain('memory-outside-node-affinity');
});

test('soft affinity that no longer matches the memory', () => {
  const vcpus = [vcpu(0, ALL, NODE[0]), vcpu(1, ALL, NODE[0])];
  expect(drifts(host({ vcpus, nodeAffinity: [0, 1, 2] }))).toEqual([
    "soft affinity does not match the memory's nodes: 256 MiB (all of it) on node 1, vCPUs prefer node 0",
    'node affinity was set explicitly: it is nodes 0-2, the affinity of its vCPUs gives node 0',
  ]);
});

test('vCPUs that may not run where the memory is', () => {
  const vcpus = [vcpu(0, NODE[2]), vcpu(1, NODE[2])];
  expect(drifts(host({ vcpus, nodeAffinity: [1], pages: [0, 49_152, 16_384] }))).toEqual([
    'memory outside the node affinity: 64 MiB (25%) on node 2, the node affinity is 1',
    'vCPUs may not run where the memory is: 192 MiB (75%) on node 1, vCPUs may run on node 2 only',
    'node affinity was set explicitly: it is node 1, the affinity of its vCPUs gives node 2',
  ]);
});

test('memory on a node without CPUs is no drift', () => {
  expect(codes(host({ nodeAffinity: [0, 1, 2, 3], pages: [0, 0, 0, 65_536] }, { memoryOnly: true }))).toEqual(['node-affinity-by-hand']);
});

test('dying domains, and those that were not requested, are skipped', () => {
  expect(judgeDomains(host({ state: 'dying' }), new Map(), new Set([3]))).toEqual([]);
  expect(judgeDomains(host({}), new Map(), new Set([4]))).toEqual([]);
});

describe("a host that reports no masks, such as a pool's API: the requested hard affinity is used instead", () => {
  const judgement = (pages: number[] | null, request: Partial<Expected>) =>
    judge(host({}), expected({ hard: null, ...request }), { pool: 0, vcpus: null, nodeAffinity: null, pages });
  const codesOf = (pages: number[] | null, request: Partial<Expected>) => judgement(pages, request).drifts.map(({ code }) => code);

  test('memory outside the nodes of the requested mask is out of reach', () => {
    const hard = [NODE[2], NODE[2]];
    expect(judgement([0, 49_152, 16_384], { hard }).drifts).toEqual([
      {
        code: 'memory-unreachable',
        text: 'vCPUs may not run where the memory is: 192 MiB (75%) on node 1, vCPUs may run on node 2 only',
      },
    ]);
    expect(codesOf([0, 4096, 16_384], { hard })).toEqual([]);
    expect(codesOf([0, 4097, 16_384], { hard })).toEqual(['memory-unreachable']);
  });

  test('memory on more nodes than the policy asks for', () => {
    expect(judgement([65_536, 0, 65_536], { fewestNodes: 1 }).drifts).toEqual([
      { code: 'memory-on-more-nodes', text: 'memory is on more nodes than it needs: it is on nodes 0,2, and 1 could hold it' },
    ]);
    expect(codesOf([65_536, 0, 4096], { fewestNodes: 1 })).toEqual([]);
    expect(codesOf([65_536, 0, 65_536], { fewestNodes: 2 })).toEqual([]);
    expect(codesOf([65_536, 0, 65_536], {})).toEqual([]);
  });

  test('a request that cannot be checked is said to be so; without one there is nothing to check', () => {
    expect(judgement(null, { hard: [NODE[2]] })).toEqual({ drifts: [], unknown: true });
    expect(judgement(null, { fewestNodes: 1 })).toEqual({ drifts: [], unknown: true });
    expect(judgement(null, {})).toEqual({ drifts: [], unknown: false });
    expect(judgement([0, 0, 65_536], { hard: [NODE[2]] })).toEqual({ drifts: [], unknown: false });
  });

  test('a mask that the toolstack ignored is drift, whatever the memory', () => {
    expect(codesOf(null, { ignoredMask: { mask: '1, 2', reason: 'white space' } })).toEqual(['mask-ignored']);
  });
});
