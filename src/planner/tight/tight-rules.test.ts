// Policy `tight` rule by rule, on hand-made hosts: the order of preference at the top of tight.ts,
// what a node can hold, how memory is divided.
import { describe, expect, test } from 'vitest';
import { Random } from '../../base/random.js';
import { GIB } from '../../base/units.js';
import type { PlannerHost } from '../policy.js';
import { cpusOfNodes } from './capacity.js';
import { CliqueSearch } from './clique-search.js';
import { DistanceTable } from './distance-table.js';
import type { TightRequest } from './request.js';
import { tight } from './tight.js';

function table(count: number, distance: (a: number, b: number) => number): number[][] {
  return Array.from({ length: count }, (_, a) => Array.from({ length: count }, (_, b) => (a === b ? 10 : distance(a, b))));
}

/** `cores` of each node, each with one thread; CPU numbers rise with the nodes. */
function hostOf(distances: readonly (readonly number[])[], cores: readonly number[]): PlannerHost {
  return { distances, cpuToNode: cores.flatMap((count, node) => Array<number>(count).fill(node)), nodeCores: cores };
}

function request(vcpus: number, memoryBytes: number, freeBytes: readonly number[], over: Partial<TightRequest> = {}): TightRequest {
  return { vcpus, cores: 0, memoryBytes, freeBytes, claimedBytes: [], ...over };
}

/** Two sockets of two nodes: 12 within, 21 between. */
const SOCKETS = hostOf(
  table(4, (a, b) => (a >> 1 === b >> 1 ? 12 : 21)),
  [2, 2, 2, 2],
);

describe('hosts', () => {
  test('one without CPUs is left alone; absent CPUs belong to no node', () => {
    const host = { distances: [[10]], cpuToNode: [0xffffffff, 0xffffffff], nodeCores: [0] };
    expect(tight().prepare(host)).toBeNull();
    expect(cpusOfNodes({ ...SOCKETS, cpuToNode: [0, 0xffffffff, 3, 9] })).toEqual([[0], [], [], [2]]);
  });

  test('distances below 10 or above 255 count as 255, and a pair has the worse of its directions', () => {
    const known = new DistanceTable([
      [10, 20, 9],
      [30, 10, 256],
      [10, 255, 0],
    ]);
    expect([known.worstOf([0, 1]), known.meanOf([0, 1])]).toEqual([30, (10 + 20 + 30 + 10) / 4]);
    expect([known.worstOf([0, 2]), known.sumOf([0, 2])]).toEqual([255, 10 + 255 + 10 + 255]);
    expect(known.worstOf([1, 2])).toBe(255);
    expect(known.levels).toEqual([10, 30, 255]);
    expect([...known.nearestFirst[0]!]).toEqual([1, 2]);
  });
});

describe('plans', () => {
  test('count on the nodes that they use, and remember the memory that was free', () => {
    const state = tight({ reserveBytes: [GIB] }).prepare(SOCKETS)!;
    const free = [GIB, GIB, GIB, GIB];
    expect(state.plan(request(4, 2 * GIB, free))).toMatchObject({
      nodes: [2, 3],
      cpus: [4, 5, 6, 7],
      worstDistance: 12,
      meanDistance: 11,
      worstAtLeast: 12,
      meanAtLeast: 11,
      exact: true,
      balanced: true,
    });
    expect(state.plan(request(1, GIB, free))?.nodes).toEqual([1]);
    expect(state.nodeUsage).toEqual([0, 1, 1, 1]);
    expect(state.availableBytes).toEqual([0, GIB, GIB, GIB]);
    expect(state.plan(request(9, 99 * GIB, free))).toBeNull();
    expect(state.nodeUsage).toEqual([0, 1, 1, 1]);
  });

  test('CPU demand: 0.4 cores a vCPU, in tiers at the cores and at 1.5 times as many', () => {
    const free = [GIB, GIB, GIB, GIB];
    const nodeAt = (busyCores: number[], coresPerVcpu?: number) =>
      tight(coresPerVcpu === undefined ? {} : { coresPerVcpu })
        .prepare(SOCKETS)!
        .plan(request(1, GIB, free, { busyCores }))!.nodes;
    // 1.6 busy cores and 0.4 more are the two cores of a node; 2.6 and 0.4 are 1.5 times as many.
    expect(nodeAt([1.7, 1.6, 0, 0])).toEqual([1]);
    expect(nodeAt([2.7, 2.6, 9, 9])).toEqual([1]);
    expect(nodeAt([1.5, 1, 9, 9], 1)).toEqual([1]);
    // Nodes not named are idle.
    expect(nodeAt([9, 9])).toEqual([2]);
  });

  test('a set is as crowded as its most crowded node', () => {
    const busyCores = [0, 9, 1, 1];
    expect(
      tight()
        .prepare(SOCKETS)!
        .plan(request(4, GIB, [GIB, GIB, GIB, GIB], { busyCores }))!.nodes,
    ).toEqual([2, 3]);
  });

  test('nodes share a VM evenly, as far as the smallest goes; memory that rounding leaves is given out', () => {
    const host = hostOf(
      table(3, () => 20),
      [1, 4, 4],
    );
    const plan = tight()
      .prepare(host)!
      .plan(request(7, 100, [100, 100, 100]))!;
    expect(plan.split).toEqual([
      { node: 1, vcpus: 4, memoryBytes: 58 },
      { node: 2, vcpus: 3, memoryBytes: 42 },
    ]);
    const all = tight()
      .prepare(host)!
      .plan(request(9, 90, [100, 100, 100]))!;
    expect(all.split.map(({ vcpus, memoryBytes }) => [vcpus, memoryBytes])).toEqual([
      [1, 10],
      [4, 40],
      [4, 40],
    ]);
  });

  test('no vCPU, or no memory', () => {
    const free = [GIB, GIB, GIB, GIB];
    expect(
      tight()
        .prepare(SOCKETS)!
        .plan(request(2, 0, [0, 0, 0, 0]))!.split,
    ).toEqual([{ node: 0, vcpus: 2, memoryBytes: 0 }]);
    expect(
      tight()
        .prepare(SOCKETS)!
        .plan(request(0, GIB, free))!.split,
    ).toMatchObject([{ vcpus: 0, memoryBytes: GIB }]);
  });
});

describe('weighing', () => {
  const verdicts = (asked: TightRequest, most = 99) =>
    tight()
      .prepare(SOCKETS)!
      .weigh(asked, most)
      .map(({ nodes, verdict }) => [nodes, verdict]);

  test('the single nodes, each with why it was passed over', () => {
    expect(verdicts(request(1, GIB, [GIB, 2 * GIB, GIB - 1, GIB], { allowedCpus: [0, 2, 4] }))).toEqual([
      [[0], 'chosen'],
      [[1], 'used more'],
      [[2], 'too little memory'],
      [[3], 'too few CPUs'],
    ]);
  });

  test('a chosen set of several nodes comes first; what is shown ends where the caller says', () => {
    const asked = request(4, GIB, [GIB, GIB, GIB, GIB]);
    expect(verdicts(asked)[0]).toEqual([[0, 1], 'chosen']);
    expect(verdicts(asked)).toHaveLength(5);
    expect(verdicts(asked, 2)).toHaveLength(2);
    const [first] = tight().prepare(SOCKETS)!.weigh(asked, 1);
    expect(first).toEqual({ nodes: [0, 1], averageDistance: 11, freeBytes: 2 * GIB, cpus: 4, verdict: 'chosen' });
  });

  test('a node that is farther from itself than the choice is', () => {
    const distances = [
      [10, 30],
      [30, 25],
    ];
    const weighed = tight()
      .prepare(hostOf(distances, [2, 2]))!
      .weigh(request(1, GIB, [9 * GIB, GIB]), 9);
    expect(weighed.map(({ verdict }) => verdict)).toEqual(['chosen', 'farther']);
  });

  test('nothing fits: nothing is chosen, and nothing changes', () => {
    const state = tight().prepare(SOCKETS)!;
    expect(state.weigh(request(1, 99 * GIB, [0, 0, 0, 0]), 9).map(({ verdict }) => verdict)).toEqual(Array(4).fill('too little memory'));
    state.weigh(request(1, GIB, [GIB, GIB, GIB, GIB]), 9);
    expect(state.nodeUsage).toEqual([0, 0, 0, 0]);
  });
});

describe('more nodes than can be listed', () => {
  test('without a balanced set: grown from the nearest that bring what is missing, and marked', () => {
    // A ring of 16 nodes, which is no hierarchy: node 0 has the CPUs, node 1 and node 8 memory.
    const ring = table(16, (a, b) => 10 + 5 * Math.min((a - b + 16) % 16, (b - a + 16) % 16));
    const cores = ring.map((_, node) => (node === 0 ? 4 : 0));
    const free = ring.map((_, node) => ([1, 8].includes(node) ? 8 * GIB : 0));
    const plan = tight()
      .prepare(hostOf(ring, cores))!
      .plan(request(4, 8 * GIB, free))!;
    expect(plan).toMatchObject({ nodes: [0, 1], balanced: false, exact: false, worstDistance: 15, meanDistance: 12.5 });
    expect(plan.split).toEqual([
      { node: 0, vcpus: 4, memoryBytes: 0 },
      { node: 1, vcpus: 0, memoryBytes: 8 * GIB },
    ]);
    const more = tight()
      .prepare(hostOf(ring, cores))!
      .plan(request(4, 16 * GIB, free))!;
    expect(more.nodes).toEqual([0, 1, 8]);
    expect(
      tight()
        .prepare(hostOf(ring, cores))!
        .plan(request(4, 17 * GIB, free)),
    ).toBeNull();
  });
});

describe('cliques', () => {
  /** Near pairs of five nodes: 0-1, 1-2, 0-2 and 3-4. */
  const near = new DistanceTable(table(5, (a, b) => ((a < 3 && b < 3) || (a > 2 && b > 2) ? 12 : 30))).near(1);
  const all = { low: 0b11111, high: 0 };
  const find = (capacity: readonly number[], vcpus: number, budget = 1000) => new CliqueSearch(near, capacity, vcpus, budget).find(all);

  test('with room enough are found, and others are ruled out', () => {
    expect([...(find([1, 1, 1, 1, 1], 3) as number[])].sort()).toEqual([0, 1, 2]);
    expect([...(find([1, 1, 1, 2, 2], 4) as number[])].sort()).toEqual([3, 4]);
    expect(find([1, 1, 1, 2, 2], 5)).toBe('none');
  });

  test('a spent budget is no proof', () => {
    expect(find([1, 1, 1, 1, 1], 3, 0)).toBe('budget spent');
    expect(find([1, 1, 1, 1, 1], 3, 1)).toBe('budget spent');
  });
});

describe('guests of several virtual nodes', () => {
  /** arXiv 2604.15033: VMs of k parts, no two on one node, over slots by node. */
  function mostVms(slots: readonly number[], parts: number): number {
    const sorted = slots.toSorted((a, b) => b - a);
    const left = (without: number) => sorted.slice(without).reduce((sum, count) => sum + count, 0);
    return Math.min(...Array.from({ length: parts }, (_, without) => Math.floor(left(without) / (parts - without))));
  }

  test('a host starts as many of them as there can be, in 3,000 random cases', () => {
    const random = new Random(2604);
    for (let round = 0; round < 3000; round++) {
      const nodes = 2 + random.below(7);
      const parts = 1 + random.below(nodes);
      const [part, cores] = [1 + random.below(9), 2 + random.below(3)];
      const slots = Array.from({ length: nodes }, () => random.below(random.pick([3, 9])));
      const free = slots.map((count) => count * part + random.below(part));
      const state = tight().prepare(
        hostOf(
          table(nodes, () => 20),
          Array<number>(nodes).fill(cores),
        ),
      )!;
      let started = 0;
      for (;;) {
        const plan = state.plan(request(parts, parts * part, free, { parts }));
        if (plan === null) break;
        expect(plan.split.map(({ vcpus, memoryBytes }) => [vcpus, memoryBytes])).toEqual(plan.nodes.map(() => [1, part]));
        expect(new Set(plan.nodes).size).toBe(parts);
        for (const { node, memoryBytes } of plan.split) free[node]! -= memoryBytes;
        started++;
      }
      expect(started, JSON.stringify({ slots, parts })).toBe(mostVms(slots, parts));
    }
  });

  test('their nodes are the nearest ones, each with an equal part', () => {
    const state = tight().prepare(SOCKETS)!;
    expect(state.plan(request(3, 5, [3, 1, 3, 3], { parts: 2 }))).toMatchObject({
      nodes: [2, 3],
      worstDistance: 12,
      split: [
        { node: 2, vcpus: 2, memoryBytes: 3 },
        { node: 3, vcpus: 1, memoryBytes: 2 },
      ],
    });
    expect(state.plan(request(3, 5, [3, 1, 1, 3], { parts: 2 }))!.nodes).toEqual([0, 3]);
    expect(state.plan(request(3, 5, [3, 1, 1, 1], { parts: 2 }))).toBeNull();
    expect(state.plan(request(2, 4, [9, 9, 9, 9], { parts: 5 }))).toBeNull();
  });

  test('on many nodes as well', () => {
    const host = hostOf(
      table(32, (a, b) => (a >> 3 === b >> 3 ? 12 : 21)),
      Array<number>(32).fill(2),
    );
    const free = Array.from({ length: 32 }, (_, node) => (node < 7 || node === 31 ? 1 : 4));
    const plan = tight()
      .prepare(host)!
      .plan(request(8, 16, free, { parts: 8 }))!;
    expect(plan).toMatchObject({ nodes: [8, 9, 10, 11, 12, 13, 14, 15], worstDistance: 12 });
  });
});
