// The figures of a place, and which of two is better.
import { describe, expect, it } from 'vitest';
import { NodeCpus, nodesWithMost } from './free-moves.js';
import { costOf, isBetter, isCheaper, isNoWorse, Ruler, totalsOf } from './place.js';
import type { PlaceFigures, RebalanceProblem, RebalanceVm } from './problem.js';

const DISTANCES = [
  [10, 20, 40],
  [20, 11, 30],
  [40, 30, 12],
];
const HOST = { distances: DISTANCES, cpuToNode: [0, 0, 1, 1, 2, 2], nodeCores: [2, 2, 2] };
const ruler = new Ruler(HOST, 4);
const figures = (pages: number[], shares: number[]) => ruler.place(pages, shares).figures;

describe('a ruler', () => {
  it('counts nodes with more pages than are ignored, and all with some where none has more', () => {
    expect(ruler.counted([5, 4, 0])).toEqual([0]);
    expect(ruler.counted([0, 4, 3])).toEqual([1, 2]);
    expect(ruler.counted([0, 0, 0])).toEqual([]);
    expect(ruler.counted([9, 5, 5])).toEqual([0, 1, 2]);
  });

  it('knows the nearest that any place can be; distances that SLIT does not have are the farthest', () => {
    expect([ruler.least, ruler.own(0), ruler.own(2)]).toEqual([10, 10, 12]);
    const odd = new Ruler(
      {
        ...HOST,
        distances: [
          [9, 256],
          [255, 10],
        ],
      },
      0,
    );
    expect([odd.own(0), odd.own(1), odd.least]).toEqual([255, 10, 10]);
    expect(odd.place([0, 1], [1, 0]).figures.worst).toBe(255);
  });

  it('measures the worst and the mean distance, weighted by vCPUs and by pages that count', () => {
    expect(figures([10, 30, 4], [0.75, 0.25, 0])).toEqual({
      worst: 20,
      // 3/4 of the vCPUs and 1/4 of the pages on node 0.
      mean: 0.75 * (0.25 * 10 + 0.75 * 20) + 0.25 * (0.25 * 20 + 0.75 * 11),
      onOneNode: false,
      remotePages: 0,
      pages: 44,
    });
    expect(figures([10, 0, 10], [1, 0, 0])).toMatchObject({ worst: 40, mean: 25, remotePages: 10, pages: 20 });
  });

  it('finds a VM on one node when all that counts of it is on that node', () => {
    expect(figures([10, 4, 0], [1, 0, 0]).onOneNode).toBe(true);
    expect(figures([10, 5, 0], [1, 0, 0]).onOneNode).toBe(false);
    expect(figures([10, 0, 0], [0.5, 0.5, 0]).onOneNode).toBe(false);
    expect(figures([10, 0, 0], [0, 1, 0]).onOneNode).toBe(false);
  });
});

describe('of two places', () => {
  const base: PlaceFigures = { worst: 20, mean: 15, onOneNode: false, remotePages: 0, pages: 100 };
  const than = (change: Partial<PlaceFigures>, before: Partial<PlaceFigures> = {}) => {
    const [now, old] = [
      { ...base, ...change },
      { ...base, ...before },
    ];
    return [isNoWorse(now, old), isBetter(now, old)];
  };

  it('one is better when a figure is, and none is worse', () => {
    expect(than({})).toEqual([true, false]);
    expect(than({ worst: 19 })).toEqual([true, true]);
    expect(than({ mean: 14 })).toEqual([true, true]);
    expect(than({ onOneNode: true })).toEqual([true, true]);
    expect(than({}, { onOneNode: true })).toEqual([false, false]);
    expect(than({ onOneNode: true }, { onOneNode: true })).toEqual([true, false]);
    expect(than({ worst: 21, mean: 10 })).toEqual([false, false]);
    expect(than({ worst: 10, mean: 16 })).toEqual([false, false]);
    expect(than({ worst: 10, mean: 10 }, { onOneNode: true })).toEqual([false, false]);
  });

  it('rounding is no difference', () => {
    expect(than({ mean: 15 + 1e-12 })).toEqual([true, false]);
    expect(than({ mean: 15 - 1e-12 })).toEqual([true, false]);
    expect([isCheaper(1, 2), isCheaper(2, 1), isCheaper(1, 1), isCheaper(1e12, 1e12 + 1), isCheaper(0, 1e-12)]).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  it('the cost is pages times their mean distance', () => expect(costOf(base)).toBe(1500));
});

it('totals weigh VMs by their memory', () => {
  const places = [ruler.place([100, 0, 0], [1, 0, 0]), ruler.place([0, 0, 300], [0, 1, 0])];
  expect(totalsOf(places)).toEqual({
    vms: 2,
    onOneNode: 1,
    pagesOnOneNode: 100,
    meanDistance: (100 * 10 + 300 * 30) / 400,
    worstDistance: 30,
    remotePages: 300,
  });
  expect(totalsOf([])).toEqual({ vms: 0, onOneNode: 0, pagesOnOneNode: 0, meanDistance: null, worstDistance: null, remotePages: 0 });
  expect(totalsOf([ruler.place([0, 0, 0], [1, 0, 0])]).meanDistance).toBeNull();
});

describe('CPUs and nodes of a VM', () => {
  const vm = (allowedCpus?: number[]): RebalanceVm => ({
    ...{ id: 1, vcpus: 2, pages: [], shares: [], sparePages: 0, mayPin: true, mayMove: true },
    ...(allowedCpus === undefined ? {} : { allowedCpus }),
  });
  const cpus = new NodeCpus({
    host: { ...HOST, cpuToNode: [1, 0, 1, 0, 2, 2] },
    freePages: [],
    ignoredPages: 0,
    vms: [],
  } as RebalanceProblem);

  it('are those of the nodes that its mask allows, ascending', () => {
    expect(cpus.of(vm(), [0, 1])).toEqual([0, 1, 2, 3]);
    expect(cpus.of(vm([0, 3, 5]), [0, 1])).toEqual([0, 3]);
    expect(cpus.of(vm(), [7])).toEqual([]);
    const masked = vm([0, 3, 5]);
    expect(cpus.counts(masked)).toEqual([1, 1, 1]);
    expect(cpus.counts(vm())).toEqual([2, 2, 2]);
  });

  it('share a VM by their numbers', () => {
    expect(cpus.shares(vm(), [0])).toEqual([1, 0, 0]);
    expect(cpus.shares(vm([0, 2, 3]), [0, 1])).toEqual([1 / 3, 2 / 3, 0]);
    expect(cpus.shares(vm([0]), [2])).toEqual([0, 0, 0]);
  });

  it('most of the memory is on the fewest nodes with two thirds of it', () => {
    expect(nodesWithMost([1, 5, 6], [0, 1, 2])).toEqual([1, 2]);
    expect(nodesWithMost([8, 2, 2], [0, 1, 2])).toEqual([0]);
    expect(nodesWithMost([7, 3, 2], [0, 1, 2])).toEqual([0, 1]);
    expect(nodesWithMost([4, 4, 4], [0, 1, 2])).toEqual([0, 1]);
    expect(nodesWithMost([0, 3, 9], [1, 2])).toEqual([2]);
  });
});
