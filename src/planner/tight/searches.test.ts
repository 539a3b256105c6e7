// Each search of policy `tight` on small tables, against all sets of nodes; and the parts of the
// general search by themselves. Fast, so that a run of mutants can afford them.
import { describe, expect, it } from 'vitest';
import { Random } from '../../base/random.js';
import { boundedSearch } from './bounded-search.js';
import { DistanceTable } from './distance-table.js';
import { Incumbent } from './incumbent.js';
import { isCloser, MEAN_TOLERANCE } from './search.js';
import { SubsetSearch } from './subset-search.js';
import { MAX_TIGHT_NODES, tight } from './tight.js';
import { TreeSearch } from './tree-search.js';

const table = (count: number, distance: (a: number, b: number) => number) =>
  Array.from({ length: count }, (_, a) => Array.from({ length: count }, (_, b) => (a === b ? 10 : distance(a, b))));

/** Pairs of nodes in sockets of four: 12, 20, 32. */
const hierarchy = (count: number) =>
  table(count, (a, b) => {
    if (a >> 1 === b >> 1) return 12;
    return a >> 2 === b >> 2 ? 20 : 32;
  });

const setOf = (nodes: readonly number[]) => ({ low: nodes.reduce((bits, node) => bits | (1 << node), 0), high: 0 });
const BUDGET = { worst: 100_000, mean: 100_000 };

function nearest(known: DistanceTable, capacity: readonly number[], vcpus: number) {
  let best: { worst: number; mean: number } | null = null;
  for (let mask = 1; mask < 2 ** known.count; mask++) {
    const set = capacity.flatMap((_, node) => ((mask >>> node) & 1 ? [node] : []));
    if (set.some((node) => capacity[node] === 0) || set.reduce((sum, node) => sum + capacity[node]!, 0) < vcpus) continue;
    const found = { worst: known.worstOf(set), mean: known.meanOf(set) };
    if (best === null || isCloser(found, best)) best = found;
  }
  return best;
}

describe('beside all sets of nodes', () => {
  it.each([
    ['the general search', 8, (known: DistanceTable, capacity: number[], vcpus: number) => boundedSearch(known, capacity, vcpus, BUDGET)],
    [
      'the list of sets',
      8,
      (known: DistanceTable, capacity: number[], vcpus: number) =>
        new SubsetSearch(known).best(capacity, [{ room: capacity, least: vcpus }])[0] ?? null,
    ],
    [
      'the hierarchical search',
      0,
      (known: DistanceTable, capacity: number[], vcpus: number) => TreeSearch.of(known)!.best(capacity, vcpus)[0] ?? null,
    ],
  ] as const)('%s finds the nearest', (_, spread, search) => {
    const random = new Random(5);
    for (let round = 0; round < 120; round++) {
      const count = 2 + random.below(6);
      const half = table(count, () => 11 + random.below(spread + 1));
      const known = new DistanceTable(spread === 0 ? hierarchy(count) : table(count, (a, b) => half[Math.max(a, b)]![Math.min(a, b)]!));
      const capacity = Array.from({ length: count }, () => random.below(5));
      const vcpus = 1 + random.below(10);
      const [found, expected] = [search(known, capacity, vcpus), nearest(known, capacity, vcpus)];
      expect(found === null).toBe(expected === null);
      if (found === null || expected === null) continue;
      expect(found).toMatchObject({ exact: true, worst: expected.worst, worstAtLeast: expected.worst });
      expect(Math.abs(found.mean - expected.mean)).toBeLessThan(MEAN_TOLERANCE);
      expect([...found.nodes]).toEqual([...found.nodes].sort((a, b) => a - b));
      expect(known.worstOf(found.nodes)).toBe(expected.worst);
      expect(Math.abs(known.meanOf(found.nodes) - expected.mean)).toBeLessThan(MEAN_TOLERANCE);
    }
  });
});

describe('hierarchies', () => {
  it.each([
    ['a socket of pairs', hierarchy(8), true],
    [
      'one pair that is nearer one way',
      [
        [10, 12],
        [14, 10],
      ],
      false,
    ],
    [
      'a node that is farther from itself than from its neighbour',
      [
        [10, 12],
        [12, 20],
      ],
      false,
    ],
    [
      'a line of three',
      [
        [10, 12, 14],
        [12, 10, 12],
        [14, 12, 10],
      ],
      false,
    ],
  ])('%s', (_, distances, is) => {
    expect(TreeSearch.of(new DistanceTable(distances)) !== null).toBe(is);
  });
});

describe('distance tables', () => {
  const known = new DistanceTable([
    [10, 30, 12, 20],
    [30, 10, 20, 12],
    [12, 20, 10, 30],
    [20, 12, 30, 10],
  ]);

  it('list the other nodes by distance, equal ones by number', () => {
    expect(known.nearestFirst.map((others) => [...others])).toEqual([
      [2, 3, 1],
      [3, 2, 0],
      [0, 1, 3],
      [1, 0, 2],
    ]);
    expect([...new DistanceTable(table(4, () => 20)).nearestFirst[2]!]).toEqual([0, 1, 3]);
  });

  it('know which nodes can be exchanged for one another', () => {
    const classes = (distances: number[][]) => [...new DistanceTable(distances).twinClass];
    expect(classes(table(3, () => 20))).toEqual([0, 0, 0]);
    expect(classes(hierarchy(6))).toEqual([0, 0, 1, 1, 2, 2]);
    // Each node here has a neighbour of its own.
    expect([...known.twinClass]).toEqual([0, 1, 2, 3]);
    // The same to others, but farther from itself.
    expect(
      classes([
        [10, 20, 20],
        [20, 10, 20],
        [20, 20, 15],
      ]),
    ).toEqual([0, 0, 1]);
  });
});

describe('the best set so far', () => {
  // 0 and 1 are near; 2 is as near to 1, and 3 is far from all.
  const known = new DistanceTable([
    [10, 12, 16, 30],
    [12, 10, 12, 30],
    [16, 12, 10, 30],
    [30, 30, 30, 10],
  ]);
  const all = setOf([0, 1, 2, 3]);
  const open = (capacity: number[], vcpus: number) => new Incumbent(known, capacity, vcpus, known.near(known.levels.length - 1));

  it('is kept only when its mean is smaller', () => {
    const best = open([1, 1, 1, 1], 2);
    best.offer([0, 2]);
    expect([best.nodes, best.mean]).toEqual([[0, 2], 13]);
    best.offer([1, 2]);
    best.offer([0, 1]);
    expect([best.nodes, best.mean]).toEqual([[1, 2], 11]);
  });

  it('grows by what brings most room for its distance', () => {
    const best = open([1, 1, 1, 9], 3);
    best.grow(setOf([0, 1, 2]));
    expect([[...best.nodes].sort(), best.mean]).toEqual([[0, 1, 2], (3 * 10 + 2 * (12 + 16 + 12)) / 9]);
    const alone = open([1, 1, 1, 9], 3);
    alone.grow(all);
    expect([alone.nodes, alone.mean]).toEqual([[3], 10]);
    const none = open([1, 1, 1, 1], 9);
    none.grow(all);
    expect(none.nodes).toEqual([]);
  });

  it('is improved by an exchange, and by a node that it can do without', () => {
    const best = open([1, 1, 1, 1], 2);
    best.offer([1, 3]);
    best.improve(all);
    expect([[...best.nodes].sort(), best.mean]).toEqual([[0, 1], 11]);
    const spare = open([2, 1, 1, 1], 2);
    spare.offer([0, 3]);
    spare.improve(all);
    expect([spare.nodes, spare.mean]).toEqual([[0], 10]);
    const unusable = open([1, 1, 1, 1], 2);
    unusable.offer([1, 3]);
    unusable.improve(setOf([1, 3]));
    expect(unusable.nodes).toEqual([1, 3]);
  });
});

it(`is for hosts of up to ${MAX_TIGHT_NODES} nodes`, () => {
  const host = (count: number) => ({
    distances: table(count, () => 20),
    cpuToNode: Array.from({ length: count }, (_, cpu) => cpu),
    nodeCores: new Array<number>(count).fill(1),
  });
  expect(tight().prepare(host(MAX_TIGHT_NODES))).not.toBeNull();
  expect(tight().prepare(host(MAX_TIGHT_NODES + 1))).toBeNull();
});
