// best_effort rule by rule, on hand-made hosts (docs: the planner). Beside them best-effort.test.ts
// holds it to an oracle.
import { describe, expect, test } from 'vitest';
import { GIB } from '../base/units.js';
import { bestEffort } from './best-effort.js';
import { makeCandidates } from './candidates.js';
import type { PlacementRequest, PlannerHost } from './policy.js';

const SEED = { reading: 'seed', ratchet: true, deductClaims: false, wantCores: false } as const;
const NEW = { reading: 'new', ratchet: false, deductClaims: true, wantCores: true } as const;
const LINE_26_1 = { reading: 'new', ratchet: false, deductClaims: false, wantCores: true, trackBuilds: true } as const;

/** Nodes of 2 CPUs, 20 apart. */
function alike(nodes: number): PlannerHost {
  const all = [...Array(nodes).keys()];
  return {
    distances: all.map((a) => all.map((b) => (a === b ? 10 : 20))),
    cpuToNode: all.flatMap((node) => [node, node]),
    nodeCores: all.map(() => 1),
  };
}

function request(nodes: number, over: Partial<PlacementRequest> = {}): PlacementRequest {
  return { vcpus: 1, cores: 0, memoryBytes: GIB, freeBytes: Array(nodes).fill(4 * GIB), claimedBytes: Array(nodes).fill(0), ...over };
}

describe('the search of sets ends at 16 usable nodes (topology.ml)', () => {
  test('16 nodes: a VM that needs two gets two', () => {
    expect(
      bestEffort('16', SEED)
        .prepare(alike(16))!
        .plan(request(16, { vcpus: 3 }))?.nodes,
    ).toEqual([0, 1]);
  });

  test('17 nodes: it gets none, and a VM that fits one node gets the one that is used least', () => {
    const state = bestEffort('17', NEW).prepare(alike(17))!;
    expect(state.plan(request(17, { vcpus: 3 }))).toBeNull();
    expect(state.plan(request(17, { memoryBytes: 5 * GIB }))).toBeNull();
    expect(state.plan(request(17, { vcpus: 2, cores: 2 }))).toBeNull();
    // As much as a node has fits.
    const full = request(17, { vcpus: 2, cores: 1, memoryBytes: 4 * GIB });
    expect([1, 2, 3].map(() => state.plan(full))).toEqual([
      { nodes: [0], cpus: [0, 1] },
      { nodes: [1], cpus: [2, 3] },
      { nodes: [2], cpus: [4, 5] },
    ]);
    expect(state.nodeUsage.slice(0, 4)).toEqual([1, 1, 1, 0]);
    const freeBytes = Array(17).fill(0).with(2, GIB).with(0, GIB);
    expect(state.plan(request(17, { freeBytes }))?.nodes).toEqual([0]);
    expect(state.plan(request(17, { freeBytes }))?.nodes).toEqual([2]);
  });

  test('17 nodes: single nodes are weighed, each at its own distance', () => {
    expect(makeCandidates(alike(17), 'new')).toMatchObject({ single: true, averages: new Float64Array(17).fill(10) });
    const weighed = bestEffort('17', NEW).prepare(alike(17))!.weigh(request(17), 99);
    expect(weighed.map(({ nodes }) => nodes)).toEqual([...Array(17).keys()].map((node) => [node]));
    expect(weighed[0]).toEqual({ nodes: [0], averageDistance: 10, freeBytes: 4 * GIB, cpus: 2, verdict: 'chosen' });
  });
});

test('every set of nodes is a candidate once', () => {
  const { sets, averages } = makeCandidates(alike(2), 'seed')!;
  expect([...sets]).toEqual([0b01, 0b10, 0b11]);
  expect([...averages]).toEqual([10, 10, 15]);
});

test('a CPU of a node that is not there raises, whichever way it is not there', () => {
  for (const node of [-1, 2, 0xffffffff]) {
    const host = { ...alike(2), cpuToNode: [0, 1, node] };
    expect(() => makeCandidates(host, 'seed'), String(node)).toThrow('Invalid_argument("index out of bounds")');
  }
});

test('among sets as near as each other usage decides, not the order of the nodes', () => {
  // {0, 1} at 18 and 22 and {2, 3} at 20 have the average 15; the first has the larger maximum, so
  // it is weighed second. All other pairs are farther.
  const distances = [
    [10, 18, 30, 30],
    [22, 10, 30, 30],
    [30, 30, 10, 20],
    [30, 30, 20, 10],
  ];
  const state = bestEffort('usage', SEED).prepare({ ...alike(4), distances })!;
  const two = request(4, { vcpus: 3 });
  // Equal usage: [1, 0] is smaller than [3, 2].
  expect([1, 2, 3].map(() => state.plan(two)?.nodes)).toEqual([
    [0, 1],
    [2, 3],
    [0, 1],
  ]);
});

describe('weighing', () => {
  const state = () => bestEffort('weigh', NEW).prepare(alike(3))!;

  test('says why a set is passed over, memory first, then CPUs, then cores', () => {
    const freeBytes = [GIB, 2 * GIB, 2 * GIB];
    const weighed = state().weigh(request(3, { vcpus: 3, cores: 3, memoryBytes: 2 * GIB, freeBytes }), 99);
    expect(weighed.map(({ nodes, verdict }) => [nodes, verdict])).toEqual([
      [[0], 'too little memory'],
      [[1], 'too few CPUs'],
      [[2], 'too few CPUs'],
      [[0, 1], 'too few cores'],
      [[0, 2], 'too few cores'],
      [[1, 2], 'too few cores'],
      [[0, 1, 2], 'chosen'],
    ]);
    expect(weighed[6]).toMatchObject({ averageDistance: (3 * 10 + 6 * 20) / 9, freeBytes: 5 * GIB, cpus: 6 });
  });

  test('shows no more sets than wanted, and no empty one', () => {
    expect(state().weigh(request(3), 2)).toHaveLength(2);
    expect(state().weigh(request(3, { memoryBytes: 99 * GIB }), 99)).toHaveLength(7);
    expect(
      state()
        .weigh(request(3, { vcpus: 0, memoryBytes: 0 }), 99)
        .map(({ verdict }) => verdict),
    ).toEqual(['chosen', 'used more', 'used more', 'farther']);
  });
});

describe('what raises first, where both the memory that is left and the VM are impossible', () => {
  const impossible = request(2, { vcpus: -1, freeBytes: [-1, GIB] });
  test('the earlier reading checks the memory first', () => {
    expect(() => bestEffort('seed', SEED).prepare(alike(2))!.plan(impossible)).toThrow('memory cannot be negative: -1');
  });
  test('the later one checks the VM first', () => {
    expect(() => bestEffort('new', NEW).prepare(alike(2))!.plan(impossible)).toThrow('vcpus cannot be negative: -1');
  });
});

test('zero of everything can be requested', () => {
  const nothing = request(2, { vcpus: 0, cores: 0, memoryBytes: 0, freeBytes: [0, 0] });
  expect(bestEffort('zero', NEW).prepare(alike(2))!.plan(nothing)?.nodes).toEqual([0]);
});

describe('the 26.1 line', () => {
  test("plans with the reserve off node 0's memory, never below none", () => {
    const state = bestEffort('reserve', { ...LINE_26_1, node0ReserveBytes: 2 * GIB }).prepare(alike(2))!;
    expect(state.plan(request(2, { memoryBytes: 3 * GIB }))?.nodes).toEqual([1]);
    expect(state.availableBytes).toEqual([2 * GIB, 4 * GIB]);
    expect(state.plan(request(2, { memoryBytes: 2 * GIB }))?.nodes).toEqual([0]);
    expect(state.plan(request(2, { freeBytes: [GIB, 0] }))).toBeNull();
    expect(state.availableBytes).toEqual([0, 0]);
  });

  const build = (id: number, gib: number, over: Partial<PlacementRequest> = {}) =>
    request(2, { memoryBytes: gib * GIB, build: { id, neededBytes: gib * GIB }, ...over });

  test('deducts what a build under way will take, in equal shares, until its figures are read again', () => {
    const state = bestEffort('builds', LINE_26_1).prepare(alike(2))!;
    // 6 GiB fit only both nodes: 3 each.
    expect(state.plan(build(1, 6))?.nodes).toEqual([0, 1]);
    expect(state.plan(build(2, 1))?.nodes).toEqual([0]);
    expect(state.availableBytes).toEqual([GIB, GIB]);
    state.plan(build(3, 9));
    expect(state.availableBytes).toEqual([0, GIB]);
    // A build that failed gives its share back; one that has its memory does not.
    state.buildFailed!(2);
    state.buildFinished!(1);
    expect(state.plan(build(4, 9))).toBeNull();
    expect(state.availableBytes).toEqual([GIB, GIB]);
    // Builds without a plan take nothing, but keep the figures until they end.
    state.buildFailed!(3);
    state.plan(request(2));
    expect(state.availableBytes).toEqual([GIB, GIB]);
    state.buildFailed!(4);
    state.plan(request(2));
    expect(state.availableBytes).toEqual([4 * GIB, 4 * GIB]);
  });

  test('the plan gives each node its share from the highest node down', () => {
    // Node 1 has 1 GiB of its half of 4; node 0 takes the 3 that are left.
    const state = bestEffort('shares', LINE_26_1).prepare(alike(2))!;
    expect(state.plan(build(1, 4, { vcpus: 3, freeBytes: [4 * GIB, GIB] }))?.nodes).toEqual([0, 1]);
    state.plan(build(2, 9));
    expect(state.availableBytes).toEqual([GIB, 0]);
  });

  test('other lines forget builds', () => {
    const state = bestEffort('none', NEW).prepare(alike(2))!;
    state.plan(build(1, 4));
    state.buildFinished!(1);
    state.buildFailed!(1);
    state.plan(build(2, 4));
    expect(state.availableBytes).toEqual([4 * GIB, 4 * GIB]);
  });
});
