// The planners beside integer programs of their own, solved by HiGHS: the nearest set of nodes, and
// how much memory any packing of a host has on one node. The programs state the problems from
// scratch and share no code with the planners.
import { describe, expect, it } from 'vitest';
import { Random } from '../src/base/random.js';
import { loadHighs } from '../src/live/rebalance/highs.js';
import { exactPacking, MOST_EXACT } from '../src/planner/bound/exact-packing.js';
import { type Packing, packingBound } from '../src/planner/bound/packing-bound.js';
import type { PlannerHost } from '../src/planner/policy.js';
import { rebalance } from '../src/planner/rebalance/rebalance.js';
import { planBatch } from '../src/planner/tight/batch.js';
import { tight } from '../src/planner/tight/tight.js';
import { cases } from './support/cases.js';
import { check, disturbed, IGNORED, sum } from './support/disturbed-hosts.js';

const solve = await loadHighs();
const HOSTS = cases(60, 500);

/** An integer program's optimum; null when it has no solution. */
function optimum(goal: string, rows: readonly string[], whole: readonly string[]): ReadonlyMap<string, number> | null {
  return solve!([goal, 'Subject To', ...rows, 'General', ...whole, 'End', ''].join('\n'));
}

interface Case {
  readonly distances: readonly (readonly number[])[];
  readonly cores: readonly number[];
  readonly free: readonly number[];
  readonly vcpus: number;
  readonly memory: number;
}

function randomCase(random: Random): Case {
  const count = 2 + random.below(5);
  const spread = random.pick([4, 60]);
  const half = Array.from({ length: count }, () => Array.from({ length: count }, () => 11 + random.below(spread)));
  const distances = half.map((row, a) => row.map((_, b) => (a === b ? 10 : half[Math.max(a, b)]![Math.min(a, b)]!)));
  const cores = distances.map(() => 1 + random.below(4));
  const free = distances.map(() => random.below(9));
  return { distances, cores, free, vcpus: 1 + random.below(sum(cores)), memory: 1 + random.below(Math.max(1, sum(free))) };
}

/**
 * The nearest set of exactly `size` nodes: u = node is in the set, v = its vCPUs, w = both nodes of
 * a pair are in it. Each vCPU needs its share of the memory beside it. First the worst distance,
 * then the sum over all pairs.
 */
function nearestOf({ distances, cores, free, vcpus, memory }: Case, size: number): { worst: number; mean: number } | null {
  const nodes = [...distances.keys()];
  // A node that cannot hold one vCPU with its memory is in no set.
  const usable = nodes.filter((node) => free[node]! * vcpus >= memory);
  if (usable.length < size) return null;
  const rows = [
    `size: ${usable.map((node) => `u${node}`).join(' + ')} = ${size}`,
    `all: ${usable.map((node) => `v${node}`).join(' + ')} = ${vcpus}`,
    ...usable.map((node) => `c${node}: v${node} - ${cores[node]} u${node} <= 0`),
    ...usable.map((node) => `m${node}: ${memory} v${node} <= ${free[node]! * vcpus}`),
    ...usable.map((node) => `o${node}: u${node} <= 1`),
  ];
  const pairs = usable.flatMap((a) => usable.filter((b) => b > a).map((b) => [a, b] as const));
  for (const [a, b] of pairs) rows.push(`w${a}_${b}: p${a}_${b} - u${a} - u${b} >= -1`);
  const far = ([a, b]: readonly [number, number]) => Math.max(distances[a]![b]!, distances[b]![a]!);
  const whole = [...usable.flatMap((node) => [`u${node}`, `v${node}`]), ...pairs.map(([a, b]) => `p${a}_${b}`)];
  const worstRows = [...rows, ...pairs.map((pair) => `d${pair.join('_')}: d - ${far(pair)} p${pair.join('_')} >= 0`), 'own: d >= 10'];
  const first = optimum('Minimize\nobj: d', worstRows, whole);
  if (first === null) return null;
  const worst = Math.round(first.get('d')!);
  const near = pairs.filter((pair) => far(pair) > worst).map(([a, b]) => `n${a}_${b}: u${a} + u${b} <= 1`);
  const total = pairs.map(([a, b]) => `${distances[a]![b]! + distances[b]![a]!} p${a}_${b}`);
  const second = optimum(`Minimize\nobj: ${['0 u0', ...total].join(' + ')}`, [...rows, ...near], whole)!;
  const off = pairs.reduce((all, [a, b]) => all + (distances[a]![b]! + distances[b]![a]!) * Math.round(second.get(`p${a}_${b}`)!), 0);
  return { worst, mean: (10 * size + off) / size ** 2 };
}

/** The most that VMs on one node are worth: a variable for each VM and node. */
function bestPacking({ capacity, vms }: Packing): number {
  const may = vms.map(({ nodes, size }) =>
    [...capacity.keys()].filter((node) => (nodes?.includes(node) ?? true) && size <= capacity[node]!),
  );
  const all = vms.flatMap((_, vm) => may[vm]!.map((node) => ({ vm, node, name: `y${vm}_${node}` })));
  if (all.length === 0) return 0;
  const rows = [
    ...vms.flatMap((_, vm) => (may[vm]!.length === 0 ? [] : [`v${vm}: ${may[vm]!.map((node) => `y${vm}_${node}`).join(' + ')} <= 1`])),
    ...capacity.flatMap((room, node) => {
      const held = all.filter((one) => one.node === node).map(({ vm, name }) => `${vms[vm]!.size} ${name}`);
      return held.length === 0 ? [] : [`n${node}: ${held.join(' + ')} <= ${room}`];
    }),
  ];
  const goal = `Maximize\nobj: ${all.map(({ vm, name }) => `${vms[vm]!.value} ${name}`).join(' + ')}`;
  const found = optimum(
    goal,
    rows,
    all.map(({ name }) => name),
  )!;
  return all.reduce((value, { vm, name }) => value + Math.round(found.get(name)!) * vms[vm]!.value, 0);
}

describe.skipIf(solve === null)('beside integer programs', { timeout: 300_000 }, () => {
  it(`policy tight finds the nearest set of nodes, on ${HOSTS} random hosts`, () => {
    const random = new Random(4);
    let several = 0;
    for (let round = 0; round < HOSTS; round++) {
      const one = randomCase(random);
      const found = [...one.distances.keys()].flatMap((less) => nearestOf(one, less + 1) ?? []);
      const best = found.toSorted((a, b) => a.worst - b.worst || a.mean - b.mean)[0] ?? null;
      const host: PlannerHost = {
        distances: one.distances,
        cpuToNode: one.cores.flatMap((count, node) => new Array<number>(count).fill(node)),
        nodeCores: one.cores,
      };
      const request = { vcpus: one.vcpus, cores: 0, memoryBytes: one.memory, freeBytes: one.free, claimedBytes: [] };
      const plan = tight().prepare(host)!.plan(request);
      expect({ round, balanced: plan?.balanced ?? false }).toEqual({ round, balanced: best !== null });
      if (plan === null || best === null) continue;
      expect({ round, worst: plan.worstDistance }).toEqual({ round, worst: best.worst });
      expect(plan.meanDistance).toBeCloseTo(best.mean, 6);
      if (plan.nodes.length > 1) several++;
    }
    expect(several).toBeGreaterThan(HOSTS / 10);
  });

  it(`no batch and no rebalanced host has more on one node than the best packing, and the bound is no less, on ${HOSTS} hosts`, () => {
    let [equal, reached] = [0, 0];
    for (let seed = 1; seed <= HOSTS; seed++) {
      const random = new Random(seed);
      const nodes = 2 + random.below(3);
      const problem = disturbed(random, nodes, 24, random.pick([0.6, 0.8, 0.95]));
      const capacity = problem.freePages.map((free, node) => free + sum(problem.vms.map(({ pages }) => pages[node]!)));
      const packing: Packing = {
        capacity,
        vms: problem.vms.map(({ pages, allowedCpus }) => ({
          // A VM on one node may have up to 16 MiB on each of the others.
          size: Math.max(1, sum(pages) - IGNORED * (nodes - 1)),
          value: sum(pages),
          ...(allowedCpus === undefined ? {} : { nodes: [...new Set(allowedCpus.map((cpu) => problem.host.cpuToNode[cpu]!))] }),
        })),
      };
      const best = bestPacking(packing);
      const bound = packingBound(packing).value;
      expect({ seed, isBound: bound >= best }).toEqual({ seed, isBound: true });
      if (bound === best) equal++;
      expect({ seed, value: exactPacking(packing, solve!)?.value }).toEqual({ seed, value: best });
      const plan = rebalance(problem, {});
      check(problem, plan, {});
      expect({ seed, isLess: plan.after.pagesOnOneNode <= best }).toEqual({ seed, isLess: true });
      const vms = problem.vms.map(({ pages, allowedCpus }) => ({
        vcpus: 1,
        memoryBytes: sum(pages),
        ...(allowedCpus === undefined ? {} : { allowedCpus }),
      }));
      const { plans } = planBatch(problem.host, vms, { freeBytes: capacity, claimedBytes: [], busyCores: capacity.map(() => 0) })!;
      const together = sum(vms.map(({ memoryBytes }, at) => (plans[at]?.nodes.length === 1 ? memoryBytes : 0)));
      expect({ seed, isLess: together <= best }).toEqual({ seed, isLess: true });
      if (together === best) reached++;
    }
    // Almost always the bound is the best packing itself, and most batches are one.
    expect(equal).toBeGreaterThan(0.95 * HOSTS);
    expect(reached).toBeGreaterThan(HOSTS / 2);
  });

  it('a packing at the limits of size is solved, and none beyond them is tried', () => {
    const packing = (nodes: number, vms: number): Packing => ({
      capacity: new Array<number>(nodes).fill(8),
      vms: Array.from({ length: vms }, () => ({ size: 5, value: 1 })),
    });
    const { nodes, vms } = MOST_EXACT;
    expect(exactPacking(packing(nodes, vms), solve!)?.value).toBe(nodes);
    expect(exactPacking(packing(nodes + 1, vms), solve!)).toBeNull();
    expect(exactPacking(packing(nodes, vms + 1), solve!)).toBeNull();
  });
});
