// Plans of rebalancing, replayed by a checker of its own, and compared with brute force over all
// lists of migrations. None of the planner's own figures are used to judge it.
import { describe, expect, it } from 'vitest';
import { cases } from '../../../test/support/cases.js';
import { check, cpusOf, disturbed, GIB, hostOf, IGNORED, judge, sharesOf, sum } from '../../../test/support/disturbed-hosts.js';
import { Random } from '../../base/random.js';
import { packingBound } from '../bound/packing-bound.js';
import { tight } from '../tight/tight.js';
import type { RebalanceLimits, RebalanceProblem, RebalanceVm } from './problem.js';
import { rebalance } from './rebalance.js';

/** Pages of VMs on one node, at most, whatever moves. */
function boundOf({ host, freePages, vms }: RebalanceProblem): number {
  const capacity = freePages.map((free, node) => free + sum(vms.map(({ pages }) => pages[node]!)));
  const packed = vms.map(({ pages, allowedCpus }) => ({
    // A VM that is on one node now may leave up to 16 MiB on each of the others.
    size: Math.max(1, sum(pages) - IGNORED * (pages.length - 1)),
    value: sum(pages),
    ...(allowedCpus === undefined ? {} : { nodes: [...new Set(allowedCpus.map((cpu) => host.cpuToNode[cpu]!))] }),
  }));
  return packingBound({ capacity, vms: packed }).value;
}

const PLANS = cases(40, 200);

describe(`on ${5 * PLANS} disturbed hosts`, { timeout: 120_000 }, () => {
  const SHAPES = [
    [2, 64, 0.7],
    [2, 64, 0.9],
    [4, 48, 0.7],
    [4, 48, 0.9],
    [8, 32, 0.8],
  ] as const;
  it.each(SHAPES)('%i nodes of %i GiB at load %f: every step of each plan can be made and harms no VM', (nodes, gib, load) => {
    let [scattered, left, moves] = [0, 0, 0];
    for (let seed = 1; seed <= PLANS; seed++) {
      const random = new Random(seed * 8 + nodes);
      const problem = disturbed(random, nodes, gib, load);
      const limits = random.pick<RebalanceLimits>([
        {},
        {},
        {},
        { maxMoves: 2 },
        { maxPages: 12 * GIB },
        { maxMoves: 3, maxPages: 20 * GIB },
      ]);
      const plan = rebalance(problem, limits);
      check(problem, plan, limits);
      if (seed <= cases(10, 40)) expect(boundOf(problem)).toBeGreaterThanOrEqual(plan.after.pagesOnOneNode);
      if (Object.keys(limits).length > 0) continue;
      scattered += plan.afterFreeMoves.vms - plan.afterFreeMoves.onOneNode;
      left += plan.after.vms - plan.after.onOneNode;
      moves += plan.migrations.length;
    }
    expect(left).toBeLessThan(scattered);
    expect(moves).toBeGreaterThan(0);
  });
});

interface Goal {
  readonly cost: number;
  readonly moves: number;
  readonly pages: number;
}

/** Memory from some nodes in turn, until one is full. */
function inTurn(size: number, set: readonly number[], free: readonly number[]): number[] {
  const taken = free.map(() => 0);
  for (let rest = size; rest > 0; ) {
    const open = set.filter((node) => taken[node]! < free[node]!).sort((a, b) => free[b]! - free[a]! || b - a);
    // The fullest nodes leave what does not divide to the others.
    const round = Math.max(1, Math.min(Math.floor(rest / open.length), ...open.map((node) => free[node]! - taken[node]!)));
    for (const node of open) {
      const part = Math.min(rest, round);
      taken[node] = taken[node]! + part;
      rest -= part;
    }
  }
  return taken;
}

/** The best end of any list of migrations, found by trying all of them. */
function bruteForce(problem: RebalanceProblem, limits: RebalanceLimits): Goal {
  const { host, vms } = problem;
  const nodes = host.distances.map((_, node) => node);
  const policy = tight().prepare(host)!;
  type Spot = { readonly pages: readonly number[]; readonly shares: readonly number[] };
  // Free moves come first; they are taken from the plan, and checked apart.
  const pinned = new Map(rebalance(problem, { maxMoves: 0 }).freeMoves.map(({ vm, cpus }) => [vm, sharesOf(host, cpus)]));
  const start: Spot[] = vms.map(({ id, pages, shares }) => ({ pages, shares: pinned.get(id) ?? shares }));
  const first = start.map(({ pages, shares }) => judge(host, pages, shares));
  const costOf = (spots: readonly Spot[]) => sum(spots.map(({ pages, shares }) => judge(host, pages, shares).mean * sum(pages)));
  const usable = (vm: RebalanceVm, node: number) => cpusOf(host, node).filter((cpu) => vm.allowedCpus?.includes(cpu) ?? true);
  let best: Goal = { cost: costOf(start), moves: 0, pages: 0 };
  const seen = new Map<string, [number, number][]>();
  const visit = (spots: readonly Spot[], moves: number, copied: number): void => {
    const key = JSON.stringify(spots);
    const reached = seen.get(key) ?? [];
    if (reached.some(([m, p]) => m <= moves && p <= copied)) return;
    seen.set(key, [...reached, [moves, copied]]);
    const cost = costOf(spots);
    const better = cost < best.cost - 1e-6 * best.cost;
    const same = Math.abs(cost - best.cost) <= 1e-6 * best.cost;
    if (better || (same && (moves < best.moves || (moves === best.moves && copied < best.pages)))) best = { cost, moves, pages: copied };
    if (moves === (limits.maxMoves ?? 6)) return;
    const free = nodes.map((node) => problem.freePages[node]! + sum(vms.map((vm, at) => vm.pages[node]! - spots[at]!.pages[node]!)));
    vms.forEach((vm, at) => {
      const size = sum(vm.pages);
      if (!vm.mayMove || copied + size > (limits.maxPages ?? Number.POSITIVE_INFINITY)) return;
      const fits = nodes.filter((node) => usable(vm, node).length >= vm.vcpus && free[node]! >= size);
      const whole = fits.map(
        (node): Spot => ({ pages: nodes.map((one) => (one === node ? size : 0)), shares: sharesOf(host, cpusOf(host, node)) }),
      );
      const request = { vcpus: vm.vcpus, cores: 0, memoryBytes: size, freeBytes: free, claimedBytes: [] };
      const several =
        fits.length > 0
          ? []
          : policy
              .plans({ ...request, ...(vm.allowedCpus === undefined ? {} : { allowedCpus: vm.allowedCpus }) })
              .filter(({ nodes: set }) => set.every((node) => usable(vm, node).length > 0))
              .map(
                ({ nodes: set }): Spot => ({
                  pages: inTurn(size, set, free),
                  shares: sharesOf(
                    host,
                    set.flatMap((node) => usable(vm, node)),
                  ),
                }),
              );
      for (const spot of [...whole, ...several]) {
        const now = judge(host, spot.pages, spot.shares);
        const { worst, mean, one } = first[at]!;
        if (now.worst > worst || now.mean > mean + 1e-9 || (one && !now.one)) continue;
        visit(
          spots.map((old, index) => (index === at ? spot : old)),
          moves + 1,
          copied + size,
        );
      }
    });
  };
  visit(start, 0, 0);
  return best;
}

it('equals brute force over all lists of migrations on small hosts', () => {
  let [solved, bounced] = [0, 0];
  for (let seed = 1; seed <= 150; seed++) {
    const random = new Random(seed);
    const nodes = random.between(2, 3);
    const host = hostOf(nodes, 4);
    const freePages = new Array<number>(nodes).fill(random.between(6, 9) * GIB);
    const vms: RebalanceVm[] = [];
    for (let id = 1; id <= random.between(2, 4); id++) {
      const size = random.between(1, 6);
      const pages = new Array<number>(nodes).fill(0);
      for (let gib = 0; gib < size; gib++) {
        const node = random.chance(60) ? id % nodes : random.below(nodes);
        if (freePages[node]! < GIB) continue;
        freePages[node] = freePages[node]! - GIB;
        pages[node] = pages[node]! + GIB;
      }
      if (sum(pages) === 0) continue;
      const masked = random.chance(20);
      const allowed = cpusOf(host, random.below(nodes));
      vms.push({
        id,
        vcpus: random.between(1, 4),
        pages,
        shares: sharesOf(host, masked ? allowed : host.cpuToNode.map((_, cpu) => cpu)),
        ...(masked ? { allowedCpus: allowed } : {}),
        sparePages: 0,
        mayPin: true,
        mayMove: true,
      });
    }
    const problem: RebalanceProblem = { host, freePages, ignoredPages: IGNORED, vms };
    const limits = random.pick<RebalanceLimits>([{}, { maxMoves: 1 }, { maxMoves: 2 }, { maxPages: 8 * GIB }]);
    const plan = rebalance(problem, limits);
    check(problem, plan, limits);
    const best = bruteForce(problem, limits);
    const total = sum(vms.flatMap(({ pages }) => pages));
    expect(plan.exact).toBe(true);
    expect(plan.after.meanDistance! * total).toBeCloseTo(best.cost, 0);
    expect({ seed, moves: plan.migrations.length }).toEqual({ seed, moves: best.moves });
    expect(sum(plan.migrations.flatMap(({ pagesAfter }) => pagesAfter))).toBe(best.pages);
    if (best.moves > 0) solved++;
    if (plan.migrations.some(({ makesRoom }) => makesRoom)) bounced++;
  }
  // The cases are worth it: most need migrations, and some need room to be made first.
  expect(solved).toBeGreaterThan(40);
  expect(bounced).toBeGreaterThan(3);
});
