// The rules of rebalancing, one by one, on hosts made by hand.
import { describe, expect, it } from 'vitest';
import { check, cpusOf, GIB, hostOf, IGNORED } from '../../../test/support/disturbed-hosts.js';
import type { RebalanceProblem, RebalanceVm } from './problem.js';
import { rebalance } from './rebalance.js';

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
    expect(plan.after).toEqual({ vms: 1, onOneNode: 1, pagesOnOneNode: 4 * GIB, meanDistance: 10, worstDistance: 10, remotePages: 0 });
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
    // 1 may run on node 1 only, where 2 is; 3 on node 2 only, the one way out for 2.
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
