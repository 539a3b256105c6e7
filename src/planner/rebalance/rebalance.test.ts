// Plans of rebalancing, replayed by a checker of its own, and compared with brute force over all
// lists of migrations. None of the planner's own figures are used to judge it.
import { describe, expect, it } from 'vitest';
import { Random } from '../../base/random.js';
import type { PlannerHost } from '../policy.js';
import { tight } from '../tight/tight.js';
import type { RebalanceLimits, RebalancePlan, RebalanceProblem, RebalanceVm } from './problem.js';
import { rebalance } from './rebalance.js';

const GIB = 262_144;
const IGNORED = 4096;

/** Sockets of two nodes: 10, 12 and 21, as most tables of real machines. */
function hostOf(nodes: number, cpusOnNode: number): PlannerHost {
  return {
    distances: Array.from({ length: nodes }, (_, a) =>
      Array.from({ length: nodes }, (_, b) => {
        if (a === b) return 10;
        return a >> 1 === b >> 1 ? 12 : 21;
      }),
    ),
    cpuToNode: Array.from({ length: nodes * cpusOnNode }, (_, cpu) => Math.floor(cpu / cpusOnNode)),
    nodeCores: new Array<number>(nodes).fill(cpusOnNode),
  };
}

const cpusOf = ({ cpuToNode }: PlannerHost, node: number) => cpuToNode.flatMap((one, cpu) => (one === node ? [cpu] : []));
const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);

/** Shares of nodes among the CPUs of a list. */
function sharesOf(host: PlannerHost, cpus: readonly number[]): number[] {
  return host.distances.map((_, node) => cpus.filter((cpu) => host.cpuToNode[cpu] === node).length / cpus.length);
}

/** A host after much has come and gone: memory scattered, vCPUs elsewhere, masks, VMs that cannot move. */
function disturbed(random: Random, nodes: number, gibOnNode: number, load: number): RebalanceProblem {
  const host = hostOf(nodes, 8);
  const freePages = new Array<number>(nodes).fill(gibOnNode * GIB);
  const vms: RebalanceVm[] = [];
  const target = nodes * gibOnNode * GIB * load;
  while (sum(vms.flatMap(({ pages }) => pages)) < target) {
    const size = random.pick([1, 2, 4, 4, 8, 8, 16, 24]) * GIB + (random.chance(30) ? random.below(3000) : 0);
    const pages = new Array<number>(nodes).fill(0);
    const home = random.below(nodes);
    if (random.chance(50) && freePages[home]! >= size) pages[home] = size;
    else {
      let rest = size;
      for (let tries = 0; rest > 0 && tries < 200; tries++) {
        const node = random.below(nodes);
        const part = Math.min(rest, freePages[node]! - pages[node]!, Math.ceil(size / 4));
        pages[node] = pages[node]! + part;
        rest -= part;
      }
      if (rest > 0) break;
    }
    pages.forEach((held, node) => {
      freePages[node] = freePages[node]! - held;
    });
    const masked = random.chance(15) ? [home, (home + 1) % nodes].flatMap((node) => cpusOf(host, node)).sort((a, b) => a - b) : null;
    const usable = masked ?? host.cpuToNode.map((_, cpu) => cpu);
    const preferred = random.chance(50) ? usable.filter((cpu) => host.cpuToNode[cpu] === home) : usable;
    vms.push({
      id: vms.length + 1,
      vcpus: random.pick([1, 2, 2, 4, 8, 12]),
      pages,
      shares: sharesOf(host, preferred),
      ...(masked === null ? {} : { allowedCpus: masked }),
      sparePages: random.chance(50) ? Math.floor(size / 128) : 0,
      mayPin: !random.chance(5),
      mayMove: !random.chance(10),
    });
  }
  return { host, freePages, ignoredPages: IGNORED, vms, ...(random.chance(50) ? { reservePages: [GIB] } : {}) };
}

interface Judged {
  readonly worst: number;
  readonly mean: number;
  readonly one: boolean;
  readonly remote: number;
}

function judge({ distances }: PlannerHost, pages: readonly number[], shares: readonly number[]): Judged {
  const all = distances.map((_, node) => node);
  const counted = all.some((node) => pages[node]! > IGNORED)
    ? all.filter((node) => pages[node]! > IGNORED)
    : all.filter((node) => pages[node]! > 0);
  const running = all.filter((node) => shares[node]! > 0);
  const total = sum(counted.map((node) => pages[node]!));
  return {
    worst: Math.max(...running.flatMap((a) => counted.map((b) => distances[a]![b]!))),
    mean: sum(running.flatMap((a) => counted.map((b) => shares[a]! * (pages[b]! / total) * distances[a]![b]!))),
    one: counted.length === 1 && running.length === 1 && counted[0] === running[0],
    remote: sum(counted.filter((node) => shares[node] === 0).map((node) => pages[node]!)),
  };
}

function expectNoWorse(now: Judged, before: Judged): void {
  expect(now.worst).toBeLessThanOrEqual(before.worst);
  expect(now.mean).toBeLessThanOrEqual(before.mean + 1e-6);
  if (before.one) expect(now.one).toBe(true);
}

/** Plays a plan, and fails at the first step that could not be made or that does harm. */
function check(problem: RebalanceProblem, plan: RebalancePlan, limits: RebalanceLimits = {}): void {
  const { host, vms, reservePages = [] } = problem;
  const free = [...problem.freePages];
  const pages = new Map(vms.map((vm) => [vm.id, [...vm.pages]]));
  const shares = new Map(vms.map((vm) => [vm.id, [...vm.shares]]));
  const judged = (id: number) => judge(host, pages.get(id)!, shares.get(id)!);
  const first = new Map(vms.map(({ id }) => [id, judged(id)]));
  const vmOf = (id: number) => vms.find((vm) => vm.id === id)!;
  const expectTotals = (totals: RebalancePlan['before']) => {
    const all = vms.map(({ id }) => judged(id));
    const weights = vms.map((vm) => sum(vm.pages));
    expect(totals.vms).toBe(vms.length);
    expect(totals.onOneNode).toBe(all.filter(({ one }) => one).length);
    expect(totals.remotePages).toBe(sum(all.map(({ remote }) => remote)));
    expect(totals.meanDistance ?? 0).toBeCloseTo(sum(all.map(({ mean }, at) => mean * weights[at]!)) / Math.max(1, sum(weights)), 6);
  };
  const expectMask = (vm: RebalanceVm, cpus: readonly number[], nodes: readonly number[]) => {
    const allowed = vm.allowedCpus ?? host.cpuToNode.map((_, cpu) => cpu);
    expect(cpus.filter((cpu) => !allowed.includes(cpu) || !nodes.includes(host.cpuToNode[cpu]!))).toEqual([]);
    expect(nodes.filter((node) => !cpus.some((cpu) => host.cpuToNode[cpu] === node))).toEqual([]);
  };
  expectTotals(plan.before);
  for (const move of plan.freeMoves) {
    const vm = vmOf(move.vm);
    expect(vm.mayPin).toBe(true);
    expectMask(vm, move.cpus, move.nodes);
    const before = judged(move.vm);
    shares.set(move.vm, sharesOf(host, move.cpus));
    expectNoWorse(judged(move.vm), before);
  }
  expectTotals(plan.afterFreeMoves);
  let copied = 0;
  for (const { vm: id, nodes, cpus, pagesBefore, pagesAfter } of plan.migrations) {
    const vm = vmOf(id);
    expect(vm.mayMove).toBe(true);
    expectMask(vm, cpus, nodes);
    expect(cpus.length).toBeGreaterThanOrEqual(vm.vcpus);
    expect(pagesBefore).toEqual(pages.get(id));
    expect(sum(pagesAfter)).toBe(sum(vm.pages));
    // Both copies exist until the source goes.
    pagesAfter.forEach((held, node) => {
      free[node] = free[node]! - held;
    });
    const wrong = pagesAfter.flatMap((held, node) =>
      held > 0 && (!nodes.includes(node) || free[node]! < (reservePages[node] ?? 0)) ? [node] : [],
    );
    expect(wrong).toEqual([]);
    const beside = sum(nodes.map((node) => Math.max(0, free[node]! - (reservePages[node] ?? 0))));
    expect(beside).toBeGreaterThanOrEqual(vm.sparePages);
    pagesBefore.forEach((held, node) => {
      free[node] = free[node]! + held;
    });
    pages.set(id, [...pagesAfter]);
    shares.set(id, sharesOf(host, cpus));
    copied += sum(pagesAfter);
    expectNoWorse(judged(id), first.get(id)!);
  }
  expect(plan.migrations.length).toBeLessThanOrEqual(limits.maxMoves ?? Number.POSITIVE_INFINITY);
  expect(copied).toBeLessThanOrEqual(limits.maxPages ?? Number.POSITIVE_INFINITY);
  expectTotals(plan.after);
}

describe('on 1,000 disturbed hosts', { timeout: 120_000 }, () => {
  const SHAPES = [
    [2, 64, 0.7],
    [2, 64, 0.9],
    [4, 48, 0.7],
    [4, 48, 0.9],
    [8, 32, 0.8],
  ] as const;
  it.each(SHAPES)('%i nodes of %i GiB at load %f: every step of 200 plans can be made and harms no VM', (nodes, gib, load) => {
    let [scattered, left, moves] = [0, 0, 0];
    for (let seed = 1; seed <= 200; seed++) {
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

describe('hand-made hosts', () => {
  const host = hostOf(4, 4);
  const vm = (id: number, gib: readonly number[], more: Partial<RebalanceVm> = {}): RebalanceVm => ({
    id,
    vcpus: 2,
    pages: gib.map((one) => one * GIB),
    shares: [0.25, 0.25, 0.25, 0.25],
    sparePages: 0,
    mayPin: true,
    mayMove: true,
    ...more,
  });
  const on = (free: readonly number[], vms: readonly RebalanceVm[], more: Partial<RebalanceProblem> = {}): RebalanceProblem => ({
    ...{ host, ignoredPages: IGNORED, vms, freePages: free.map((one) => one * GIB) },
    ...more,
  });

  it('pins a VM to the node of its memory, and copies nothing', () => {
    const plan = rebalance(on([4, 4, 4, 4], [vm(1, [0, 0, 4, 0])]));
    expect(plan.freeMoves).toMatchObject([{ vm: 1, nodes: [2], cpus: [8, 9, 10, 11] }]);
    expect(plan.migrations).toEqual([]);
    expect(plan.after).toEqual({ vms: 1, onOneNode: 1, meanDistance: 10, worstDistance: 10, remotePages: 0 });
  });

  it('pins a VM where most of its memory lies, and leaves one alone whose memory is divided evenly', () => {
    const pinned = (gib: readonly number[]) => rebalance(on([0, 0, 0, 0], [vm(1, gib)])).freeMoves.map(({ nodes }) => nodes);
    expect(pinned([8, 1, 1, 0])).toEqual([[0]]);
    expect(pinned([3, 3, 0, 0])).toEqual([[0, 1]]);
    expect(pinned([3, 3, 3, 3])).toEqual([]);
  });

  it('does not pin where the CPUs are too few, nor a VM that may not be pinned', () => {
    expect(rebalance(on([0, 0, 0, 0], [vm(1, [0, 0, 4, 0], { vcpus: 5 })])).freeMoves).toEqual([]);
    expect(rebalance(on([0, 0, 0, 0], [vm(1, [0, 0, 4, 0], { mayPin: false })])).freeMoves).toEqual([]);
  });

  it('needs room for the whole VM on the target while the source stays, its spare pages included', () => {
    const nodesOf = (problem: RebalanceProblem) => rebalance(problem, { maxMoves: 1 }).migrations.map(({ nodes }) => nodes.length);
    const scattered = (sparePages: number) => on([3, 4, 3, 3], [vm(1, [1, 1, 1, 1], { sparePages })]);
    expect(nodesOf(scattered(0))).toEqual([1]);
    expect(nodesOf(scattered(1))).toEqual([2]);
    expect(nodesOf({ ...scattered(0), reservePages: [0, 1] })).toEqual([2]);
  });

  it('makes room by moving another VM first', () => {
    const local = { shares: [0, 1, 0, 0] };
    const plan = rebalance(on([1, 2, 3, 1], [vm(1, [1, 1, 1, 1]), vm(2, [0, 3, 0, 0], local)]));
    expect(plan.migrations).toMatchObject([
      { vm: 2, nodes: [2], makesRoom: true },
      { vm: 1, nodes: [1], makesRoom: false },
    ]);
    expect(plan).toMatchObject({ exact: true, after: { onOneNode: 2 } });
    const stuck = on([1, 2, 3, 1], [vm(1, [1, 1, 1, 1]), vm(2, [0, 3, 0, 0], { ...local, mayMove: false })]);
    expect(rebalance(stuck, { maxMoves: 1 }).after.onOneNode).toBe(1);
  });

  it('sends a VM through a third node and back when two block each other', () => {
    // 1 may run on node 1 only, where 2 is; 3 on node 2 only, the one way out for 2; its memory is on 0.
    const only = (node: number) => ({ allowedCpus: cpusOf(host, node), shares: [0, 1, 2, 3].map((one) => (one === node ? 1 : 0)) });
    const first = [0, 1].flatMap((node) => cpusOf(host, node));
    const vms = [
      vm(1, [4, 0, 0, 0], only(1)),
      vm(2, [0, 4, 0, 0], { allowedCpus: [...first, ...cpusOf(host, 2)], shares: [0, 1, 0, 0] }),
      vm(3, [4, 0, 0, 0], only(2)),
    ];
    const plan = rebalance(on([0, 0, 4, 0], vms));
    check(on([0, 0, 4, 0], vms), plan);
    expect(plan.migrations.length).toBeGreaterThanOrEqual(3);
    expect(plan.after).toMatchObject({ onOneNode: 3, meanDistance: 10 });
  });

  it('keeps to a hard mask, and to the limits', () => {
    const masked = vm(1, [4, 0, 0, 0], { allowedCpus: cpusOf(host, 3), shares: [0, 0, 0, 1] });
    expect(rebalance(on([8, 8, 8, 4], [masked])).migrations).toMatchObject([{ nodes: [3], cpus: [12, 13, 14, 15] }]);
    expect(rebalance(on([8, 8, 8, 3], [masked])).migrations).toEqual([]);
    expect(rebalance(on([8, 8, 8, 4], [masked]), { maxMoves: 0 }).migrations).toEqual([]);
    expect(rebalance(on([8, 8, 8, 4], [masked]), { maxPages: 4 * GIB }).migrations).toHaveLength(1);
    expect(rebalance(on([8, 8, 8, 4], [masked]), { maxPages: 4 * GIB - 1 }).migrations).toEqual([]);
  });

  it('does not count what is below the bound', () => {
    const stray = vm(1, [4, 0, 0, 0], { pages: [4 * GIB, IGNORED, 0, 0], shares: [1, 0, 0, 0] });
    expect(rebalance(on([8, 8, 8, 8], [stray])).migrations).toEqual([]);
    const more = { ...stray, pages: [4 * GIB, IGNORED + 1, 0, 0] };
    expect(rebalance(on([8, 8, 8, 8], [more])).migrations).toHaveLength(1);
  });

  it('answers for a host without VMs', () => {
    expect(rebalance(on([1, 1, 1, 1], []))).toMatchObject({ migrations: [], after: { vms: 0, meanDistance: null }, exact: true });
  });
});
