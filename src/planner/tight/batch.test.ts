// Boot storms beside the same VMs one by one.
import { expect, it } from 'vitest';
import { Random } from '../../base/random.js';
import type { PlannerHost } from '../policy.js';
import { type BatchVm, planBatch } from './batch.js';
import type { TightPlan } from './request.js';
import { tight } from './tight.js';

const CORES = 8;
const hostOf = (nodes: number): PlannerHost => ({
  distances: Array.from({ length: nodes }, (_, a) => Array.from({ length: nodes }, (__, b) => (a === b ? 10 : 20))),
  cpuToNode: Array.from({ length: CORES * nodes }, (_, cpu) => Math.floor(cpu / CORES)),
  nodeCores: new Array<number>(nodes).fill(CORES),
});

function oneByOne(host: PlannerHost, vms: readonly BatchVm[], free: readonly number[]): (TightPlan | null)[] {
  const [freeBytes, busyCores] = [[...free], free.map(() => 0)];
  const state = tight().prepare(host)!;
  return vms.map((vm) => {
    const plan = state.plan({ ...vm, cores: 0, freeBytes, claimedBytes: [], busyCores });
    for (const { node, vcpus, memoryBytes } of plan?.split ?? []) {
      freeBytes[node]! -= memoryBytes;
      busyCores[node]! += 0.4 * vcpus;
    }
    return plan;
  });
}

const failed = (plans: readonly (TightPlan | null)[]) => plans.filter((plan) => plan === null).length;
const spread = (vms: readonly BatchVm[], plans: readonly (TightPlan | null)[]) =>
  plans.reduce((sum, plan, at) => sum + (plan !== null && plan.nodes.length > 1 ? vms[at]!.memoryBytes : 0), 0);

it('two small VMs before a large one: planned as one, all three are on one node', () => {
  const vms = [
    { vcpus: 1, memoryBytes: 5 },
    { vcpus: 1, memoryBytes: 6 },
    { vcpus: 1, memoryBytes: 10 },
  ];
  // One by one the first takes the fuller node, the second the other, and nothing holds the third.
  expect(oneByOne(hostOf(2), vms, [12, 10]).at(-1)?.nodes.length ?? 0).not.toBe(1);
  const { plans, order } = planBatch(hostOf(2), vms, { freeBytes: [12, 10], claimedBytes: [], busyCores: [0, 0] })!;
  expect(plans.map((plan) => plan!.nodes)).toEqual([[0], [0], [1]]);
  expect(order.toSorted()).toEqual([0, 1, 2]);
});

it('never worse than one by one, better in many of 400 random storms, and no memory is given twice', () => {
  const random = new Random(71);
  let better = 0;
  for (let round = 0; round < 400; round++) {
    const nodes = 2 + random.below(3);
    const free = Array.from({ length: nodes }, () => 20 + random.below(40));
    const vms = Array.from({ length: 3 + random.below(8) }, () => ({ vcpus: 1 + random.below(4), memoryBytes: 1 + random.below(24) }));
    const single = oneByOne(hostOf(nodes), vms, free);
    const { plans } = planBatch(hostOf(nodes), vms, { freeBytes: free, claimedBytes: [], busyCores: free.map(() => 0) })!;
    const [before, after] = [
      [failed(single), spread(vms, single)],
      [failed(plans), spread(vms, plans)],
    ];
    expect(after[0]!).toBeLessThanOrEqual(before[0]!);
    if (after[0] === before[0]) expect(after[1]!).toBeLessThanOrEqual(before[1]!);
    if (after[0]! < before[0]! || after[1]! < before[1]!) better++;
    const taken = free.map(() => 0);
    for (const plan of plans) for (const { node, memoryBytes } of plan?.split ?? []) taken[node]! += memoryBytes;
    for (let node = 0; node < nodes; node++) expect(taken[node]).toBeLessThanOrEqual(free[node]!);
  }
  expect(better).toBeGreaterThan(40);
});

it('places nothing on a host without CPUs', () => {
  const host = { ...hostOf(2), cpuToNode: [] };
  expect(planBatch(host, [{ vcpus: 1, memoryBytes: 1 }], { freeBytes: [9, 9], claimedBytes: [], busyCores: [0, 0] })).toBeNull();
});
