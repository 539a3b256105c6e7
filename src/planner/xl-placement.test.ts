// xl's automatic placement: its quirks one by one (facts: libxl_numa.c and libxl_dom.c of Xen
// 4.17.7), and against a plain search.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkProperty } from '../../test/support/check-property.js';
import { GIB, MIB, TIB } from '../base/units.js';
import type { PlacementRequest, PlannerHost } from './policy.js';
import { vcpusOnNodes, XlPlacementState, xlNeededBytes, xlPagingKib, xlPlacement } from './xl-placement.js';

function host(cpusOfNode: readonly number[]): PlannerHost {
  return {
    distances: cpusOfNode.map((_, i) => cpusOfNode.map((_, j) => (i === j ? 10 : 20))),
    cpuToNode: cpusOfNode.flatMap((count, node) => Array.from({ length: count }, () => node)),
    nodeCores: cpusOfNode,
  };
}

function request(over: Partial<PlacementRequest> & { freeBytes: readonly number[] }): PlacementRequest {
  return { vcpus: 1, cores: 0, memoryBytes: GIB, claimedBytes: [], vcpusOnNode: over.freeBytes.map(() => 0), ...over };
}

const nodesOf = (cpus: readonly number[], asked: PlacementRequest) => xlPlacement().prepare(host(cpus))?.plan(asked)?.nodes ?? null;

describe('xl', () => {
  test('places on 2 to 16 nodes and on no others', () => {
    expect([1, 2, 16, 17].map((nodes) => xlPlacement().prepare(host(Array(nodes).fill(2))) !== null)).toEqual([false, true, true, false]);
  });
  test('prefers fewer vCPUs, then more free memory, then the earlier', () => {
    expect(nodesOf([4, 4, 4], request({ freeBytes: [9 * GIB, 2 * GIB, 3 * GIB], vcpusOnNode: [5, 4, 4] }))).toEqual([2]);
    expect(nodesOf([4, 4, 4], request({ freeBytes: [2 * GIB, 3 * GIB, 3 * GIB] }))).toEqual([1]);
  });
  test('starts at as many nodes as the vCPUs need when nodes are alike, at one when they differ', () => {
    expect(nodesOf([4, 4, 4], request({ vcpus: 5, freeBytes: [4 * GIB, 4 * GIB, 4 * GIB] }))).toEqual([0, 1]);
    expect(nodesOf([4, 4, 8], request({ vcpus: 5, freeBytes: [4 * GIB, 4 * GIB, 4 * GIB] }))).toEqual([2]);
  });
  test('stops at the first size at which a set fits', () => {
    const asked = request({ memoryBytes: 3 * GIB, freeBytes: [2 * GIB, 2 * GIB, 2 * GIB], vcpusOnNode: [9, 8, 0] });
    expect(nodesOf([4, 4, 4], asked)).toEqual([1, 2]);
  });
  test('places nothing when nothing fits, or when there are more vCPUs than CPUs', () => {
    expect(nodesOf([4, 4], request({ memoryBytes: 9 * GIB, freeBytes: [4 * GIB, 4 * GIB] }))).toBeNull();
    expect(nodesOf([4, 4], request({ vcpus: 9, freeBytes: [4 * GIB, 4 * GIB] }))).toBeNull();
  });
  test('never chooses a node without CPUs', () => {
    expect(nodesOf([4, 0, 4], request({ freeBytes: [GIB, 64 * GIB, GIB] }))).toEqual([0]);
    expect(nodesOf([4, 0, 4], request({ memoryBytes: 3 * GIB, freeBytes: [GIB, 64 * GIB, GIB] }))).toBeNull();
  });
  test('counts free memory in 32 bits of KiB: 4 TiB is nothing', () => {
    expect(nodesOf([4, 4], request({ freeBytes: [4 * TIB, 2 * GIB] }))).toEqual([1]);
    expect(nodesOf([4, 4], request({ freeBytes: [4 * TIB + GIB, GIB / 2] }))).toEqual([0]);
  });
  test('takes a lead of more than 2 TiB for less memory', () => {
    expect(nodesOf([4, 4], request({ freeBytes: [GIB, 2 * TIB] }))).toEqual([1]);
    expect(nodesOf([4, 4], request({ freeBytes: [GIB, 2 * TIB + GIB + 1024] }))).toEqual([0]);
    expect(nodesOf([4, 4], request({ freeBytes: [GIB, 2 * TIB + GIB] }))).toEqual([1]);
  });
  test('looks only at the CPUs of the pool, but gives all CPUs of the nodes', () => {
    const state = xlPlacement().prepare(host([2, 2, 2]))!;
    const plan = state.plan(request({ freeBytes: [GIB, 2 * GIB, 4 * GIB], suitableCpus: [0, 1, 2] }));
    expect(plan).toEqual({ nodes: [1], cpus: [2, 3] });
  });
  test.each([
    // 5 vCPUs need two of the nodes, which are alike.
    {
      cpus: [4, 4, 4],
      sets: [
        [0, 1],
        [0, 2],
        [1, 2],
      ],
    },
    { cpus: [4, 4, 8], sets: [[0], [1], [2]] },
    // Nodes without CPUs before the first that has some do not make nodes differ, later ones do.
    { cpus: [0, 4, 4], sets: [[1, 2]] },
    { cpus: [4, 0, 4], sets: [[0], [2], [0, 2]] },
  ])('looks at the smallest sets that may do: $cpus', ({ cpus, sets }) => {
    const asked = request({ vcpus: 5, freeBytes: cpus.map(() => 4 * GIB) });
    const weighed = xlPlacement().prepare(host(cpus))!.weigh(asked, 99);
    expect(weighed.map(({ nodes }) => nodes)).toEqual(sets);
    for (const { nodes, averageDistance } of weighed) expect(averageDistance).toBe(nodes.length === 1 ? 10 : 15);
  });
  test('more vCPUs than CPUs: it considers all nodes together, and weighs all sizes when nothing fits', () => {
    const asked = request({ vcpus: 99, freeBytes: [GIB, GIB, GIB] });
    expect(
      xlPlacement()
        .prepare(host([4, 4, 4]))!
        .weigh(asked, 99)
        .map(({ nodes }) => nodes),
    ).toEqual([[0, 1, 2]]);
    expect(
      xlPlacement()
        .prepare(host([4, 4, 8]))!
        .weigh(asked, 99),
    ).toHaveLength(7);
  });
  test('without vCPUs it still considers single nodes', () => {
    const asked = request({ vcpus: 0, freeBytes: [GIB, GIB] });
    expect(
      xlPlacement()
        .prepare(host([4, 4]))!
        .weigh(asked, 99)
        .map(({ nodes }) => nodes),
    ).toEqual([[0], [1]]);
  });
  test('as many vCPUs as CPUs and as much memory as is free fit', () => {
    expect(nodesOf([4, 4], request({ vcpus: 4, memoryBytes: 4 * GIB, freeBytes: [4 * GIB, 2 * GIB] }))).toEqual([0]);
  });
  test('the vCPUs on each node must be known', () => {
    const { vcpusOnNode: _, ...unknown } = request({ freeBytes: [GIB, GIB] });
    expect(() =>
      xlPlacement()
        .prepare(host([4, 4]))!
        .plan(unknown),
    ).toThrow('must have vcpusOnNode');
  });
  test('reports the candidates that it considered, with the reasons of refusals', () => {
    const state = xlPlacement().prepare(host([4, 4, 2]))!;
    const asked = request({ vcpus: 3, freeBytes: [GIB, 2 * GIB, 4 * GIB], vcpusOnNode: [1, 1, 0] });
    expect(state.weigh(asked, 10).map(({ nodes, verdict }) => [nodes, verdict])).toEqual([
      [[0], 'used more'],
      [[1], 'chosen'],
      [[2], 'too few CPUs'],
    ]);
    expect(state.plan(asked)?.nodes).toEqual([1]);
    expect(state.weigh(asked, 2)).toHaveLength(2);
  });
});

test('a vCPU counts once for each node where hard mask, pool and node affinity meet', () => {
  const domain = { hard: [[0, 1, 2], [4]], nodeAffinity: [0, 1], poolCpus: [0, 1, 2, 3, 4, 5] };
  expect(vcpusOnNodes(host([2, 2, 2]), [domain])).toEqual([1, 1, 0]);
  expect(vcpusOnNodes(host([2, 2, 2]), [{ ...domain, poolCpus: [2, 3, 4, 5] }])).toEqual([0, 1, 0]);
  expect(vcpusOnNodes(host([2, 2, 2]), [domain], [0])).toEqual([1, 0, 0]);
});

test('the memory that is searched for: memory, paging memory and the extra, in steps of 2 MiB', () => {
  // 256 MiB + 2 vCPUs x 1 MiB + 256 pages + 1 MiB = 260 MiB; the second guest needs half a MiB more
  // than a step.
  expect(xlNeededBytes({ memoryBytes: 256 * MIB, maxmemBytes: 256 * MIB, vcpus: 2, kind: 'pv' })).toBe(260 * MIB);
  expect(xlNeededBytes({ memoryBytes: 256 * MIB, maxmemBytes: 256 * MIB, vcpus: 2, kind: 'pvh' })).toBe(262 * MIB);
  expect(xlNeededBytes({ memoryBytes: 16 * MIB, maxmemBytes: 18_981 * MIB, vcpus: 2, kind: 'pv' })).toBe(94 * MIB);
  expect(xlPagingKib({ maxmemBytes: 31_306 * MIB, vcpus: 1 })).toBe(126_248);
});

/**
 * All sets of nodes, by the text of the facts: smallest size first; among those that fit, the best
 * one.
 */
function plainly({ distances, cpuToNode }: PlannerHost, asked: PlacementRequest): number[] | null {
  const cpus = distances.map((_, node) => cpuToNode.filter((one) => one === node).length);
  const fits: { nodes: number[]; vcpus: number; free: number }[] = [];
  for (let mask = 1; mask < 2 ** distances.length; mask++) {
    const nodes = cpus.flatMap((_, node) => (Math.floor(mask / 2 ** node) % 2 === 1 ? [node] : []));
    const sum = (values: readonly number[]) => nodes.reduce((all, node) => all + values[node]!, 0);
    if (nodes.some((node) => cpus[node] === 0)) continue;
    if (sum(cpus) < asked.vcpus || sum(asked.freeBytes) < asked.memoryBytes) continue;
    fits.push({ nodes, vcpus: sum(asked.vcpusOnNode!), free: sum(asked.freeBytes) });
  }
  const uniform = new Set(cpus).size === 1 ? Math.ceil(asked.vcpus / cpus[0]!) : 1;
  const size = Math.min(...fits.map(({ nodes }) => nodes.length).filter((length) => length >= uniform));
  const order = fits.filter(({ nodes }) => nodes.length === size);
  order.sort((a, b) => a.vcpus - b.vcpus || b.free - a.free || compareLists(a.nodes, b.nodes));
  return order[0]?.nodes ?? null;
}

function compareLists(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at === -1 ? 0 : a[at]! - b[at]!;
}

test('chooses what a plain search over all sets chooses', () => {
  const node = fc.record({
    cpus: fc.integer({ min: 1, max: 4 }),
    free: fc.integer({ min: 0, max: 4 }),
    vcpus: fc.integer({ min: 0, max: 3 }),
  });
  const seen = fc.tuple(fc.array(node, { minLength: 2, maxLength: 7 }), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 9 }));
  checkProperty(
    'xl-placement',
    fc.property(seen, fc.boolean(), ([nodes, vcpus, gib], alike) => {
      const machine = host(nodes.map(({ cpus }) => (alike ? 3 : cpus)));
      const asked = request({
        vcpus,
        memoryBytes: gib * GIB,
        freeBytes: nodes.map(({ free }) => free * GIB),
        vcpusOnNode: nodes.map((one) => one.vcpus),
      });
      const state = new XlPlacementState(machine);
      expect(state.plan(asked)?.nodes ?? null).toEqual(plainly(machine, asked));
      expect(state.weigh(asked, 1000).filter(({ verdict }) => verdict === 'chosen').length).toBe(state.plan(asked) === null ? 0 : 1);
    }),
    { seed: 7, numRuns: 400 },
  );
});
