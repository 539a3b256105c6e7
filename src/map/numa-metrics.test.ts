// The bound of 16 MiB and XenServer's figures, at the bound itself (xen-api: nodes that hold 4096
// pages or fewer are ignored; optimised = one node, or fewer than the host has).
import { expect, test } from 'vitest';
import { countedNodes, holdingNodes, numaMetrics } from './numa-metrics.js';

const PAGES_16_MIB = 4096;

test('a node with 16 MiB does not count, one with a page more does', () => {
  expect(countedNodes([PAGES_16_MIB, PAGES_16_MIB + 1, 0])).toEqual([1]);
});

test('a domain with little memory everywhere is on the nodes where it has any', () => {
  expect(holdingNodes([0, PAGES_16_MIB, 1])).toEqual([1, 2]);
  expect(holdingNodes([0, PAGES_16_MIB, PAGES_16_MIB + 1])).toEqual([2]);
  expect(holdingNodes([0, 0])).toEqual([]);
});

test('optimised: on one node, or on fewer than the host has', () => {
  const figures = (pages: number[]) => {
    const { numa_nodes, numa_optimised } = numaMetrics(pages, pages.length);
    return [numa_nodes, numa_optimised];
  };
  expect(figures([100_000])).toEqual([1, true]);
  expect(figures([100_000, 0])).toEqual([1, true]);
  expect(figures([100_000, PAGES_16_MIB])).toEqual([1, true]);
  expect(figures([100_000, PAGES_16_MIB + 1])).toEqual([2, false]);
  expect(figures([100_000, 100_000, 0])).toEqual([2, true]);
});

test('the memory of the nodes that count, in bytes', () => {
  expect(numaMetrics([5000, 4096, 6000], 3).numa_node_memory).toEqual({ 0: 5000 * 4096, 2: 6000 * 4096 });
});
