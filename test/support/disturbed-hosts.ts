// Hosts after months of starts and stops, and a checker that replays a plan of rebalancing step by
// step. It shares no code with the planner.
import { expect } from 'vitest';
import type { Random } from '../../src/base/random.js';
import type { PlannerHost } from '../../src/planner/policy.js';
import type { RebalanceLimits, RebalancePlan, RebalanceProblem, RebalanceVm } from '../../src/planner/rebalance/problem.js';

/** Pages. */
export const GIB = 262_144;
export const IGNORED = 4096;

/** Sockets of two nodes: 10, 12 and 21, as most tables of real machines. */
export function hostOf(nodes: number, cpusOnNode: number): PlannerHost {
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

export const cpusOf = ({ cpuToNode }: PlannerHost, node: number) => cpuToNode.flatMap((one, cpu) => (one === node ? [cpu] : []));
export const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);

/** Shares of nodes among the CPUs of a list. */
export function sharesOf(host: PlannerHost, cpus: readonly number[]): number[] {
  return host.distances.map((_, node) => cpus.filter((cpu) => host.cpuToNode[cpu] === node).length / cpus.length);
}

/** Scattered memory, vCPUs elsewhere, hard masks, and VMs that may not be moved. */
export function disturbed(random: Random, nodes: number, gibOnNode: number, load: number): RebalanceProblem {
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

export interface Judged {
  readonly worst: number;
  readonly mean: number;
  readonly one: boolean;
  readonly remote: number;
}

export function judge({ distances }: PlannerHost, pages: readonly number[], shares: readonly number[]): Judged {
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
export function check(problem: RebalanceProblem, plan: RebalancePlan, limits: RebalanceLimits = {}): void {
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
