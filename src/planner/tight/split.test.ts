// Parts of a VM on its nodes; and the sets that are grown where no list of all sets can be made.
import { describe, expect, it } from 'vitest';
import { Random } from '../../base/random.js';
import { DistanceTable } from './distance-table.js';
import { balancedSplit, equalSplit, unbalancedSplit } from './split.js';
import { tight } from './tight.js';
import { unbalancedSearch } from './unbalanced-search.js';

const room = (cpus: number[], memoryBytes: number[], vcpus = cpus) => ({ cpus, memoryBytes, vcpus });

describe('a VM is divided', () => {
  it('evenly, the smallest node first, with its memory in proportion', () => {
    expect(balancedSplit([0, 1, 2], room([1, 4, 4], [100, 100, 100]), 7, 70)).toEqual([
      { node: 0, vcpus: 1, memoryBytes: 10 },
      { node: 1, vcpus: 3, memoryBytes: 30 },
      { node: 2, vcpus: 3, memoryBytes: 30 },
    ]);
  });

  it('by vCPUs with memory beside them, or by CPUs alone', () => {
    const given = room([4, 4], [10, 100], [1, 4]);
    expect(balancedSplit([0, 1], given, 4, 40)).toEqual([
      { node: 0, vcpus: 1, memoryBytes: 10 },
      { node: 1, vcpus: 3, memoryBytes: 30 },
    ]);
    // Node 0 has CPUs for two, and memory for one: the rest is beside the others.
    expect(unbalancedSplit([0, 1], given, 4, 40)).toEqual([
      { node: 0, vcpus: 2, memoryBytes: 10 },
      { node: 1, vcpus: 2, memoryBytes: 30 },
    ]);
  });

  it('with memory that rounding leaves on the first node with room; none of it is lost', () => {
    expect(balancedSplit([0, 1], room([2, 1], [100, 100]), 3, 100).map(({ memoryBytes }) => memoryBytes)).toEqual([67, 33]);
    expect(unbalancedSplit([0, 1], room([1, 1], [3, 100]), 2, 100).map(({ memoryBytes }) => memoryBytes)).toEqual([3, 97]);
    expect(balancedSplit([0, 1], room([1, 1], [5, 100]), 0, 20)).toEqual([
      { node: 0, vcpus: 0, memoryBytes: 5 },
      { node: 1, vcpus: 0, memoryBytes: 15 },
    ]);
  });

  it('in equal parts: what does not divide goes to the first', () => {
    expect(equalSplit([3, 5, 9], room([], []), 4, 11)).toEqual([
      { node: 3, vcpus: 2, memoryBytes: 4 },
      { node: 5, vcpus: 1, memoryBytes: 4 },
      { node: 9, vcpus: 1, memoryBytes: 3 },
    ]);
  });
});

describe('a set that is grown', () => {
  const table = new DistanceTable([
    [10, 20, 30, 40],
    [20, 10, 30, 40],
    [30, 30, 10, 40],
    [40, 40, 40, 10],
  ]);
  const search = (cpus: number[], memory: number[], useful = [1, 1, 1, 1]) => {
    const sum = (nodes: readonly number[], of: number[]) => nodes.reduce((all, node) => all + of[node]!, 0);
    const holds = (nodes: readonly number[]) => sum(nodes, cpus) >= 4 && sum(nodes, memory) >= 4;
    return unbalancedSearch(table, useful, holds, (node) => [cpus[node]! / 4, memory[node]! / 4]);
  };

  it('takes the nearest nodes that bring what is missing, CPUs and memory alike', () => {
    // Node 0 has the CPUs; only nodes 2 and 3 have the memory, and 2 is nearer.
    expect(search([4, 1, 0, 0], [0, 0, 4, 4])).toMatchObject({ nodes: [0, 2], worst: 30, mean: 20, exact: false });
    expect(search([0, 0, 4, 4], [4, 1, 0, 0])!.nodes).toEqual([0, 2]);
    // Half of each on every node: the two nearest.
    expect(search([2, 2, 2, 2], [2, 2, 2, 2])!.nodes).toEqual([0, 1]);
    // One node alone is the nearest set.
    expect(search([2, 2, 2, 4], [2, 2, 2, 4])).toMatchObject({ nodes: [3], worst: 10, mean: 10 });
  });

  it('has no node that it does not need, and none that is of no use', () => {
    expect(search([0, 0, 4, 0], [0, 0, 1, 3])!.nodes).toEqual([2, 3]);
    expect(search([4, 0, 0, 4], [4, 0, 0, 4], [0, 1, 1, 1])!.nodes).toEqual([3]);
    expect(search([1, 1, 1, 0], [4, 4, 4, 4])).toBeNull();
    expect(search([4, 4, 4, 4], [1, 1, 1, 0])).toBeNull();
  });

  it('says the least that any set could have', () => {
    expect(search([2, 2, 2, 2], [2, 2, 2, 2])).toMatchObject({ worstAtLeast: 10, meanAtLeast: 10 });
  });
});

describe('on hosts of more nodes than all sets can be listed of', () => {
  // Eight sockets of four nodes.
  const count = 32;
  const between = (a: number, b: number) => (a >> 2 === b >> 2 ? 12 : 21);
  const distances = Array.from({ length: count }, (_, a) => Array.from({ length: count }, (_, b) => (a === b ? 10 : between(a, b))));
  const host = {
    distances,
    cpuToNode: Array.from({ length: 2 * count }, (_, cpu) => cpu >> 1),
    nodeCores: new Array<number>(count).fill(2),
  };
  const free = (more: Record<number, number>) => Array.from({ length: count }, (_, node) => more[node] ?? 100);
  const SOCKET_5 = { 20: 150, 21: 150, 22: 150, 23: 150 };
  const request = (over: object) => ({ cores: 0, claimedBytes: [], vcpus: 4, memoryBytes: 100, freeBytes: free({}), ...over });

  it('every socket that holds a VM is weighed: most free memory first', () => {
    const state = tight().prepare(host)!;
    expect(state.plans(request({}))).toHaveLength(8);
    // Of each socket one set, the one with most free memory.
    expect(state.plan(request({ freeBytes: free(SOCKET_5) }))!.nodes.map((node) => node >> 2)).toEqual([5, 5]);
    expect(state.plan(request({ freeBytes: free({ 0: 0, 1: 0, 2: 0 }) }))!.nodes.map((node) => node >> 2)).toEqual([1, 1]);
  });

  it('of all sets within a socket that are as near, the one with most free memory, then the lowest numbers', () => {
    const random = new Random(77);
    for (let round = 0; round < 200; round++) {
      const freeBytes = Array.from({ length: count }, () => 100 + random.below(6));
      const nodes = 2 + random.below(3);
      const parts = random.chance(30) ? { parts: nodes } : {};
      const plan = tight()
        .prepare(host)!
        .plan(request({ vcpus: 2 * nodes, memoryBytes: 90, freeBytes, ...parts }))!;
      const sets = Array.from({ length: 8 }, (_, socket) => [0, 1, 2, 3].map((one) => 4 * socket + one)).flatMap((socket) =>
        subsets(socket).filter((set) => set.length === nodes),
      );
      const freeOf = (set: readonly number[]) => set.reduce((sum, node) => sum + freeBytes[node]!, 0);
      const most = Math.max(...sets.map(freeOf));
      const best = sets
        .filter((set) => freeOf(set) === most)
        .sort((a, b) => a.map((node, at) => node - b[at]!).find((difference) => difference !== 0) ?? 0);
      expect([round, plan.nodes]).toEqual([round, best[0]]);
    }
  });

  it('also for a VM in parts', () => {
    const state = tight().prepare(host)!;
    expect(state.plans(request({ parts: 2 }))).toHaveLength(8);
    const plan = state.plan(request({ parts: 2, freeBytes: free(SOCKET_5) }))!;
    expect(plan.nodes.map((node) => node >> 2)).toEqual([5, 5]);
    expect(plan.split.map(({ vcpus, memoryBytes }) => [vcpus, memoryBytes])).toEqual([
      [2, 50],
      [2, 50],
    ]);
    expect(plan).toMatchObject({ worstDistance: 12, exact: true });
    // Each of four parts needs a node of its own.
    expect(state.plan(request({ parts: 4 }))!.nodes).toHaveLength(4);
    expect(state.plan(request({ parts: 4, memoryBytes: 404, freeBytes: free({ 13: 101 }) }))).toBeNull();
  });
});

function subsets(nodes: readonly number[]): number[][] {
  return Array.from({ length: 2 ** nodes.length }, (_, bits) => nodes.filter((_node, at) => (bits >> at) % 2 === 1));
}
