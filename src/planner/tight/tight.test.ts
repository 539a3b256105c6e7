// Policy `tight` against a brute force over all sets of nodes that knows the order of preference
// and nothing else, the general search against the hierarchical one on 64 nodes, and the rules one
// by one.
import { describe, expect, it } from 'vitest';
import { cases } from '../../../test/support/cases.js';
import { Random } from '../../base/random.js';
import { GIB } from '../../base/units.js';
import type { PlannerHost } from '../policy.js';
import { boundedSearch, DEFAULT_BUDGET } from './bounded-search.js';
import { DistanceTable } from './distance-table.js';
import type { TightRequest } from './request.js';
import { isCloser, MEAN_TOLERANCE } from './search.js';
import { tight } from './tight.js';
import { TreeSearch } from './tree-search.js';

const table = (count: number, distance: (a: number, b: number) => number) =>
  Array.from({ length: count }, (_, a) => Array.from({ length: count }, (_, b) => (a === b ? 10 : distance(a, b))));

/** Nodes in groups of `fanOut[0]`, these in groups of `fanOut[1]`, and so on. */
function hierarchy(count: number, fanOut: readonly number[], levels: readonly number[]): number[][] {
  const groups = (node: number) => {
    let at = node;
    return fanOut.map((size) => {
      at = Math.floor(at / size);
      return at;
    });
  };
  return table(count, (a, b) => {
    const [left, right] = [groups(a), groups(b)];
    const common = left.findIndex((group, level) => group === right[level]);
    return levels[common === -1 ? levels.length - 1 : common]!;
  });
}

function randomDistances(random: Random, count: number): number[][] {
  const kind = random.below(4);
  const spread = random.below(2) === 0 ? 4 : 60;
  if (kind === 0) return hierarchy(count, [1 + random.below(4), 1 + random.below(4)], [12, 21, 32]);
  if (kind === 1) return table(count, () => 11 + random.below(spread));
  const half = table(count, () => 11 + random.below(spread));
  return table(count, (a, b) => half[Math.max(a, b)]![Math.min(a, b)]!);
}

/** XENNUMA_LONG=1 makes the searches' tests as long as they once were run. */
const LONG = process.env.XENNUMA_LONG === '1';
const [HOSTS, HIERARCHIES] = LONG ? [10_000, 3000] : [cases(300, 1500), cases(20, 60)];
const LONG_MS = 1_800_000;

function hostOf(distances: readonly (readonly number[])[], cores: readonly number[]): PlannerHost {
  return { distances, cpuToNode: cores.flatMap((count, node) => new Array<number>(2 * count).fill(node)), nodeCores: cores };
}

const request = (vcpus: number, memoryBytes: number, freeBytes: readonly number[], more: Partial<TightRequest> = {}): TightRequest => ({
  vcpus,
  cores: 0,
  memoryBytes,
  freeBytes,
  claimedBytes: [],
  ...more,
});

function nearest(distances: readonly (readonly number[])[], holds: (set: readonly number[]) => boolean) {
  const known = new DistanceTable(distances);
  let best: { worst: number; mean: number } | null = null;
  for (let mask = 1; mask < 2 ** distances.length; mask++) {
    const set = distances.flatMap((_, node) => ((mask >>> node) & 1 ? [node] : []));
    if (!holds(set)) continue;
    const found = { worst: known.worstOf(set), mean: known.meanOf(set) };
    if (best === null || isCloser(found, best)) best = found;
  }
  return best;
}

const sum = (set: readonly number[], values: readonly number[]) => set.reduce((all, node) => all + values[node]!, 0);

describe('nearest set', () => {
  it(
    `is that of all subsets, on ${HOSTS} random hosts`,
    () => {
      const random = new Random(20_261);
      for (let round = 0; round < HOSTS; round++) {
        const count = 1 + random.below(LONG || round % 50 === 0 ? 14 : 9);
        const distances = randomDistances(random, count);
        const cores = Array.from({ length: count }, () => random.below(5));
        const free = cores.map(() => random.below(9));
        const vcpus = 1 + random.below(Math.max(1, sum([...cores.keys()], cores)));
        const memory = 1 + random.below(Math.max(1, sum([...free.keys()], free)));
        const plan =
          tight()
            .prepare(hostOf(distances, cores))
            ?.plan(request(vcpus, memory, free)) ?? null;
        if (cores.every((one) => one === 0)) {
          expect(plan).toBeNull();
          continue;
        }
        const threads = vcpus > sum([...cores.keys()], cores) ? 2 : 1;
        const held = cores.map((one, node) => Math.min(threads * one, Math.floor((vcpus * free[node]!) / memory)));
        const balanced = nearest(distances, (set) => set.every((node) => held[node]! > 0) && sum(set, held) >= vcpus);
        const useful = cores.map((one, node) => one > 0 || free[node]! > 0);
        const both = (set: readonly number[]) =>
          set.every((node) => useful[node]) && threads * sum(set, cores) >= vcpus && sum(set, free) >= memory;
        const expected = balanced ?? nearest(distances, both);
        expect(plan === null).toBe(expected === null);
        if (plan === null || expected === null) continue;
        expect(plan).toMatchObject({ balanced: balanced !== null, exact: true, worstDistance: expected.worst });
        expect(Math.abs(plan.meanDistance - expected.mean)).toBeLessThan(MEAN_TOLERANCE);
      }
    },
    LONG_MS,
  );

  it(
    'of a hierarchy of 64 nodes: branch and bound with budget enough finds what counting finds',
    () => {
      const random = new Random(64);
      let proved = 0;
      for (let round = 0; round < HIERARCHIES; round++) {
        const known = new DistanceTable(hierarchy(64, [2 + random.below(3), 2, 2 + random.below(3)], [12, 16, 21, 32]));
        const capacity = Array.from({ length: 64 }, () => (random.below(5) === 0 ? 0 : random.below(17)));
        const vcpus = 1 + random.below(100);
        const byTree = TreeSearch.of(known)!.best(capacity, vcpus)[0];
        const bySearch = boundedSearch(known, capacity, vcpus, { worst: 20_000, mean: 4000 });
        expect(bySearch === null).toBe(byTree === undefined);
        if (bySearch === null || byTree === undefined) continue;
        expect(isCloser(bySearch, byTree)).toBe(false);
        if (bySearch.exact) proved++;
        if (bySearch.exact) expect(isCloser(byTree, bySearch)).toBe(false);
      }
      if (LONG) console.log(`${proved} of ${HIERARCHIES} proved by branch and bound`);
      expect(proved).toBeGreaterThan(HIERARCHIES / 2);
    },
    LONG_MS,
  );

  it('within its budget never claims a proof or a bound that is wrong, on random tables', () => {
    const random = new Random(99);
    for (let round = 0; round < cases(300, 1500); round++) {
      const distances = randomDistances(random, 2 + random.below(8));
      const capacity = distances.map(() => random.below(6));
      const vcpus = 1 + random.below(Math.max(1, sum([...capacity.keys()], capacity)));
      const best = nearest(distances, (set) => set.every((node) => capacity[node]! > 0) && sum(set, capacity) >= vcpus);
      for (const budget of [DEFAULT_BUDGET, { worst: 2, mean: 2 }, { worst: 1e6, mean: 1e6 }]) {
        const found = boundedSearch(new DistanceTable(distances), capacity, vcpus, budget);
        expect(found === null).toBe(best === null);
        if (found === null || best === null) continue;
        expect(found.worstAtLeast).toBeLessThanOrEqual(best.worst);
        if (found.worstAtLeast === best.worst) expect(found.meanAtLeast).toBeLessThanOrEqual(best.mean + MEAN_TOLERANCE);
        if (found.exact || budget.mean === 1e6) {
          expect(found.worst).toBe(best.worst);
          expect(Math.abs(found.mean - best.mean)).toBeLessThan(MEAN_TOLERANCE);
        }
        expect(sum(found.nodes, capacity)).toBeGreaterThanOrEqual(vcpus);
      }
    }
  });
});

describe('order of equally near sets', () => {
  const four = hostOf(
    table(4, () => 20),
    [4, 4, 4, 4],
  );
  const planOn = (more: Partial<TightRequest>, free: readonly number[], vcpus = 2) =>
    tight()
      .prepare(four)!
      .plan(request(vcpus, 2 * GIB, free, more))!;

  it('one node: the least free memory that holds it, then the lowest number', () => {
    expect(planOn({}, [9 * GIB, 3 * GIB, GIB, 3 * GIB]).nodes).toEqual([1]);
  });

  it('CPU demand before memory: a crowded node is passed over, and taken when all are', () => {
    expect(planOn({ busyCores: [0, 4, 0, 4] }, [9 * GIB, 3 * GIB, GIB, 3 * GIB]).nodes).toEqual([0]);
    expect(planOn({ busyCores: [9, 9, 9, 5] }, [3 * GIB, 3 * GIB, 3 * GIB, 9 * GIB]).nodes).toEqual([3]);
    expect(planOn({ busyCores: [9, 9, 9, 9] }, [3 * GIB, 3 * GIB, 3 * GIB, 9 * GIB]).nodes).toEqual([0]);
  });

  it('several nodes, or a guest that sees its nodes: the most free memory', () => {
    expect(planOn({}, [2 * GIB, GIB, 2 * GIB, 3 * GIB], 8).nodes).toEqual([0, 3]);
    expect(planOn({ vnuma: true }, [9 * GIB, 3 * GIB, GIB, 3 * GIB]).nodes).toEqual([0]);
  });
});

describe('what a node can hold', () => {
  const two = hostOf(
    table(2, () => 21),
    [4, 4],
  );

  it('its physical cores; its threads only when the host has too few cores', () => {
    const state = tight().prepare(two)!;
    expect(state.plan(request(5, GIB, [GIB, GIB]))!.nodes).toEqual([0, 1]);
    // 9 vCPUs on 8 cores: threads count, 8 of a node.
    expect(state.plan(request(9, GIB, [GIB, GIB]))!.split.map(({ vcpus }) => vcpus)).toEqual([5, 4]);
    expect(state.plan(request(20, GIB, [GIB, GIB]))!.split.map(({ vcpus }) => vcpus)).toEqual([10, 10]);
  });

  it('its threads as well where the demand is known and stays below 1.5 times its cores', () => {
    const state = tight().prepare(two)!;
    // 4 cores of two threads: 8 vCPUs are 3.2 cores of demand.
    expect(state.plan(request(8, GIB, [GIB, GIB], { busyCores: [0, 0] }))!.nodes).toEqual([0]);
    expect(state.plan(request(8, GIB, [GIB, GIB], { busyCores: [2.8, 2.9] }))!.nodes).toEqual([0]);
    expect(state.plan(request(8, GIB, [GIB, GIB], { busyCores: [2.9, 2.8] }))!.nodes).toEqual([1]);
    expect(state.plan(request(8, GIB, [GIB, GIB], { busyCores: [2.9, 2.9] }))!.nodes).toEqual([0, 1]);
    // Never more than the threads, and never fewer than the cores.
    expect(state.plan(request(9, GIB, [GIB, GIB], { busyCores: [0, 0] }))!.nodes).toEqual([0, 1]);
    expect(state.plan(request(4, GIB, [GIB, GIB], { busyCores: [9, 9] }))!.nodes).toEqual([0]);
  });

  it('free memory less claims and the reserve', () => {
    const reserved = tight({ reserveBytes: [2 * GIB] }).prepare(two)!;
    expect(reserved.plan(request(2, 2 * GIB, [3 * GIB, 3 * GIB]))!.nodes).toEqual([1]);
    expect(reserved.plan(request(2, 2 * GIB, [5 * GIB, 3 * GIB], { claimedBytes: [0, 2 * GIB] }))!.nodes).toEqual([0]);
    expect(reserved.plan(request(2, 2 * GIB, [3 * GIB, 3 * GIB], { claimedBytes: [0, 2.5 * GIB] }))).toBeNull();
  });

  it('CPUs of the hard mask alone', () => {
    const state = tight().prepare(two)!;
    expect(state.plan(request(2, GIB, [GIB, 4 * GIB], { allowedCpus: [8, 9, 10] }))!.nodes).toEqual([1]);
    const crossing = state.plan(request(2, GIB, [GIB, 4 * GIB], { allowedCpus: [0, 8] }))!;
    expect(crossing.split.map(({ node, vcpus }) => [node, vcpus])).toEqual([
      [0, 1],
      [1, 1],
    ]);
  });

  it('without a balanced set, CPUs of one and memory of another, marked as unbalanced', () => {
    const plan = tight()
      .prepare(two)!
      .plan(request(4, 8 * GIB, [GIB, 8 * GIB], { allowedCpus: [0, 1, 2, 3] }))!;
    expect(plan).toMatchObject({ nodes: [0, 1], balanced: false });
    expect(plan.split).toEqual([
      { node: 0, vcpus: 4, memoryBytes: GIB },
      { node: 1, vcpus: 0, memoryBytes: 7 * GIB },
    ]);
  });
});

it('a plan is the first of all that are equally near', () => {
  const random = new Random(31);
  for (let round = 0; round < 800; round++) {
    const count = 2 + random.below(5);
    const cores = Array.from({ length: count }, () => random.below(9));
    const host = hostOf(
      table(count, () => 20),
      cores.every((held) => held === 0) ? cores.map(() => 2) : cores,
    );
    const wanted = request(
      1 + random.below(6),
      1 + random.below(40),
      cores.map(() => random.below(64)),
      {
        busyCores: cores.map(() => random.below(12)),
        vnuma: random.chance(30),
      },
    );
    const state = tight().prepare(host)!;
    expect(state.plan(wanted)).toEqual(state.plans(wanted)[0] ?? null);
  }
});

it('splits all vCPUs and all memory, no node beyond its room, each vCPU beside its share up to one', () => {
  const random = new Random(5);
  for (let round = 0; round < 1000; round++) {
    const count = 2 + random.below(5);
    const cores = Array.from({ length: count }, () => 1 + random.below(6));
    const free = cores.map(() => random.below(64));
    const [vcpus, memory] = [1 + random.below(20), 1 + random.below(100)];
    const plan = tight()
      .prepare(
        hostOf(
          table(count, () => 20),
          cores,
        ),
      )!
      .plan(request(vcpus, memory, free));
    if (plan === null) continue;
    expect(plan.split.reduce((all, share) => all + share.vcpus, 0)).toBe(vcpus);
    expect(plan.split.reduce((all, share) => all + share.memoryBytes, 0)).toBe(memory);
    for (const { node, memoryBytes, vcpus: held } of plan.split) {
      expect(memoryBytes).toBeLessThanOrEqual(free[node]!);
      // Rounding moves at most one byte a node.
      if (plan.balanced) expect(memoryBytes).toBeGreaterThanOrEqual(Math.floor((memory * held) / vcpus));
    }
  }
});

it('places on 64 nodes, and leaves larger hosts alone', () => {
  const cores = new Array<number>(64).fill(8);
  const host = hostOf(hierarchy(64, [8], [12, 21]), cores);
  const free = cores.map(() => 16 * GIB);
  const plan = tight()
    .prepare(host)!
    .plan(request(24, 40 * GIB, free))!;
  expect(plan).toMatchObject({ worstDistance: 12, exact: true, balanced: true });
  expect(new Set(plan.nodes.map((node) => node >> 3)).size).toBe(1);
  expect(
    tight().prepare(
      hostOf(
        table(65, () => 20),
        new Array<number>(65).fill(1),
      ),
    ),
  ).toBeNull();
});
