// The free frames of the embedded machine are as many as those of the real one, whatever is already
// free.
import { expect, it } from 'vitest';
import { embeddedMachine, type Snapshot } from './snapshot.js';

function snapshot(heap: [number, number][]): Snapshot {
  return {
    xen: '4.17',
    machine: { sched: 6, nodes: [{ cpus: [0], pages: [1000, 9000] }], cpu_to_node: [0], distances: [[10]] },
    whole: true,
    freePages: [0],
    heap: [heap],
    dom0: { vcpus: 1, hard: [0], nodes: [0], pages: 0, maxPages: 0 },
  };
}

function freeRanges(heap: [number, number][], free: number) {
  const ranges = embeddedMachine(snapshot(heap), [free]).nodes[0]!.freeRanges!;
  expect(ranges.reduce((sum, [start, end]) => sum + end - start, 0)).toBe(free);
  for (const [index, [start]] of ranges.entries()) expect(start).toBeGreaterThanOrEqual(ranges[index - 1]?.[1] ?? 1000);
  return ranges;
}

it('is the map itself when nothing moved', () => expect(freeRanges([[2000, 3000]], 1000)).toEqual([[2000, 3000]]));

it('has fewer pages in the smallest runs, and more in blocks that have none', () => {
  expect(
    freeRanges(
      [
        [2000, 3000],
        [4000, 4010],
      ],
      1003,
    ),
  ).toEqual([
    [2000, 3000],
    [4000, 4003],
  ]);
  expect(freeRanges([[2000, 3000]], 1005)).toHaveLength(2);
});

it('has more between the runs when every block has free pages', () => {
  expect(freeRanges([[1003, 8998]], 8000)).toEqual([
    [1000, 1003],
    [1003, 8998],
    [8998, 9000],
  ]);
  expect(() => freeRanges([[1000, 9000]], 8001)).toThrow('1 free pages that have no place');
});
