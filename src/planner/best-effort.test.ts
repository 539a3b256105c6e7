// best_effort against an oracle: the text of the rule done plainly, every set spelled out (docs:
// the planner). And the policies' states.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkProperty } from '../../test/support/check-property.js';
import { GIB } from '../base/units.js';
import { BestEffortState, bestEffort } from './best-effort.js';
import { makeCandidates, PlannerException, type Reading } from './candidates.js';
import type { PlacementRequest, PlannerHost } from './policy.js';

const FAR = 0xffffffff;
const OPTIONS = {
  seed: { reading: 'seed', ratchet: true, deductClaims: false, wantCores: false },
  new: { reading: 'new', ratchet: false, deductClaims: true, wantCores: true },
} as const;

interface Vm {
  readonly vcpus: number;
  readonly cores: number;
  readonly memory: number;
  readonly free: readonly number[];
  readonly claimed: readonly number[];
}
type Answer = { readonly error: string } | { readonly nodes: number[] | null; readonly cpus: number[] | null; readonly usage: number[] };

/** xenopsd's planner, one VM after another; null = no NUMA on this host. Slow on purpose. */
function oracle(host: PlannerHost, vms: readonly Vm[], reading: Reading): Answer[] | null | string {
  const d = host.distances;
  const isFar = (x: number) => (reading === 'seed' ? x === FAR : x > 255 || x < 0);
  if (host.cpuToNode.some((node) => !(node >= 0 && node < d.length))) return 'Invalid_argument("index out of bounds")';
  const cpusOf = d.map((row, k) => (isFar(row[k]!) ? [] : host.cpuToNode.flatMap((node, cpu) => (node === k ? [cpu] : []))));
  if (cpusOf.flat().length === 0) return null;
  for (let i = 0; i < d.length; i++) if (d[i]![i] !== 10 && !isFar(d[i]![i]!)) return null;
  if (d.flat().some((x) => x < 10 && !isFar(x))) return null;
  const valid = [...d.keys()].filter((k) => !isFar(d[k]![k]!));
  const sets = valid.length > 16 ? valid.map((k) => [k]) : subsets(valid);
  const keyed = sets.map((set) => {
    const pairs = set.flatMap((a) => set.map((b) => d[a]![b]!));
    return { set, max: Math.max(...pairs), average: pairs.reduce((x, y) => x + y, 0) / pairs.length };
  });
  keyed.sort((a, b) => a.max - b.max || a.average - b.average);
  const usage = d.map(() => 0);
  let seen: number[] | undefined;
  return vms.map((vm): Answer => {
    const now = vm.free.map((free, node) => (reading === 'new' ? free - vm.claimed[node]! : free));
    const negative = now.find((bytes) => bytes < 0);
    if (negative !== undefined) return { error: `Invalid_argument("NUMAResource: memory cannot be negative: ${negative}")` };
    seen = reading === 'new' ? now : now.map((bytes, node) => Math.min(bytes, seen?.[node] ?? bytes));
    const total = (set: readonly number[], values: readonly number[]) => set.reduce((sum, node) => sum + values[node]!, 0);
    const fitting = keyed.filter(
      ({ set }) =>
        total(set, seen!) >= vm.memory &&
        set.flatMap((node) => cpusOf[node]!).length >= vm.vcpus &&
        (reading === 'seed' || total(set, host.nodeCores) >= vm.cores),
    );
    const window: typeof keyed = [];
    for (const one of fitting) {
      if (window.length > 0 && Math.abs(one.average - window[0]!.average) >= 1e-3) break;
      window.push(one);
    }
    if (window.length === 0) return { nodes: null, cpus: null, usage: [...usage] };
    const best = window
      .map(({ set }) => set)
      .reduce((a, b) => (isSmaller([total(b, usage), ...down(b)], [total(a, usage), ...down(a)]) ? b : a));
    for (const node of best) usage[node]!++;
    return { nodes: best, cpus: best.flatMap((node) => cpusOf[node]!).sort((a, b) => a - b), usage: [...usage] };
  });
}

function subsets(nodes: readonly number[]): number[][] {
  return Array.from({ length: 2 ** nodes.length - 1 }, (_, i) => nodes.filter((_node, bit) => Math.floor((i + 1) / 2 ** bit) % 2 === 1));
}

const down = (nodes: readonly number[]) => [...nodes].sort((a, b) => b - a);

/** Lexicographic; a list that is the beginning of another is smaller. */
function isSmaller(a: readonly number[], b: readonly number[]): boolean {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i]! < b[i]!;
  return a.length < b.length;
}

function ours(host: PlannerHost, vms: readonly Vm[], reading: Reading): Answer[] | null | string {
  try {
    const candidates = makeCandidates(host, reading);
    if (candidates === null) return null;
    const state = new BestEffortState(host, candidates, OPTIONS[reading]);
    return vms.map(({ vcpus, cores, memory, free, claimed }): Answer => {
      const request: PlacementRequest = { vcpus, cores, memoryBytes: memory, freeBytes: free, claimedBytes: claimed };
      try {
        const weighed = state.weigh(request, 1_000_000);
        const plan = state.plan(request);
        expect(weighed.find(({ verdict }) => verdict === 'chosen')?.nodes ?? null).toEqual(plan?.nodes ?? null);
        return { nodes: plan === null ? null : [...plan.nodes], cpus: plan === null ? null : [...plan.cpus], usage: [...state.nodeUsage] };
      } catch (error) {
        if (error instanceof PlannerException) return { error: error.message };
        throw error;
      }
    });
  } catch (error) {
    if (error instanceof PlannerException) return error.message;
    throw error;
  }
}

/**
 * Distances of real tables, near ties of averages, broken values; what stands on the diagonal is
 * mostly 10.
 */
const offDiagonal = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(10, 11, 12, 16, 20, 21, 22, 28, 32) },
  { weight: 1, arbitrary: fc.constantFrom(254, 255, 256, FAR, -1, 40_000, 2_000_000, 9, 0) },
);
const diagonal = fc.oneof(
  { weight: 30, arbitrary: fc.constant(10) },
  { weight: 3, arbitrary: fc.constantFrom(FAR, -1, 256) },
  { weight: 1, arbitrary: fc.constantFrom(9, 11, 255, 0) },
);
const anyHost = (nodes: number): fc.Arbitrary<PlannerHost> =>
  fc
    .record({
      off: fc.array(fc.array(offDiagonal, { minLength: nodes, maxLength: nodes }), { minLength: nodes, maxLength: nodes }),
      few: fc.option(fc.tuple(offDiagonal, offDiagonal)),
      diag: fc.array(diagonal, { minLength: nodes, maxLength: nodes }),
      sane: fc.boolean(),
      cpus: fc.array(fc.integer({ min: 0, max: nodes - 1 }), { minLength: 1, maxLength: 24 }),
      stray: fc.option(fc.constantFrom(FAR, -1, nodes), { freq: 30 }),
      cores: fc.array(fc.integer({ min: 0, max: 6 }), { minLength: nodes, maxLength: nodes }),
    })
    .map(({ off, few, diag, sane, cpus, stray, cores }) => ({
      distances: off.map((row, i) =>
        row.map((value, j) => {
          if (i === j) return sane ? 10 : diag[i]!;
          // Symmetric tables of two values have many ties.
          return few === null ? value : few[(Math.min(i, j) + Math.max(i, j) * 3) % 2]!;
        }),
      ),
      cpuToNode: stray === null ? cpus : [...cpus, stray],
      nodeCores: cores,
    }));

const vmsOn = (nodes: number): fc.Arbitrary<Vm[]> => {
  const bytes = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 8 }).map((gib) => gib * GIB) },
    { weight: 2, arbitrary: fc.integer({ min: 0, max: 8 * GIB }) },
  );
  const perNode = (one: fc.Arbitrary<number>) => fc.array(one, { minLength: nodes, maxLength: nodes });
  const claims = fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: bytes });
  const count = fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 0, max: 6 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 30 }) },
  );
  return fc.array(fc.record({ vcpus: count, cores: count, memory: bytes, free: perNode(bytes), claimed: perNode(claims) }), {
    minLength: 1,
    maxLength: 8,
  });
};

const hostAndVms = (least: number, most: number) =>
  fc.integer({ min: least, max: most }).chain((nodes) => fc.tuple(anyHost(nodes), vmsOn(nodes)));

describe.each(['seed', 'new'] as const)('%s', (reading) => {
  test('plans as the oracle does, on hosts of 1 to 7 nodes', () => {
    checkProperty(
      'best-effort-small',
      fc.property(hostAndVms(1, 7), ([host, vms]) => {
        expect(ours(host, vms, reading)).toEqual(oracle(host, vms, reading));
      }),
      { seed: 11, numRuns: 1500 },
    );
  });
  test('plans as the oracle does, on hosts of 8 to 19 nodes', { timeout: 120_000 }, () => {
    const sizes = fc.constantFrom(8, 9, 10, 17, 18, 19).chain((nodes) => fc.tuple(anyHost(nodes), vmsOn(nodes)));
    checkProperty(
      'best-effort-large',
      fc.property(sizes, ([host, vms]) => {
        expect(ours(host, vms, reading)).toEqual(oracle(host, vms, reading));
      }),
      { seed: 12, numRuns: 60 },
    );
  });
});

const twoNodes: PlannerHost = {
  distances: [
    [10, 20],
    [20, 10],
  ],
  cpuToNode: [0, 0, 1, 1],
  nodeCores: [1, 1],
};
const ask = (over: Partial<PlacementRequest>): PlacementRequest => ({
  vcpus: 1,
  cores: 0,
  memoryBytes: GIB,
  freeBytes: [4 * GIB, 4 * GIB],
  claimedBytes: [0, 0],
  ...over,
});

test('with the ratchet, memory that came free again is not seen', () => {
  const state = bestEffort('ratchet', OPTIONS.seed).prepare(twoNodes)!;
  state.plan(ask({ freeBytes: [0, 0] }));
  expect(state.plan(ask({}))).toBeNull();
  expect(state.availableBytes).toEqual([0, 0]);
  const mended = bestEffort('no ratchet', OPTIONS.new).prepare(twoNodes)!;
  mended.plan(ask({ freeBytes: [0, 0] }));
  expect(mended.plan(ask({}))?.nodes).toEqual([0]);
});

test('cores are wanted only where the policy asks for them', () => {
  expect(
    bestEffort('cores', OPTIONS.new)
      .prepare(twoNodes)!
      .plan(ask({ vcpus: 2, cores: 2 }))?.nodes,
  ).toEqual([0, 1]);
  expect(
    bestEffort('no cores', { ...OPTIONS.new, wantCores: false })
      .prepare(twoNodes)!
      .plan(ask({ vcpus: 2, cores: 2 }))?.nodes,
  ).toEqual([0]);
});

test('weighing changes nothing', () => {
  const state = bestEffort('weigh', OPTIONS.seed).prepare(twoNodes)!;
  state.plan(ask({}));
  const before = [[...state.nodeUsage], [...state.availableBytes]];
  expect(state.weigh(ask({ freeBytes: [0, GIB] }), 3).map(({ nodes, verdict }) => [nodes, verdict])).toEqual([
    [[0], 'too little memory'],
    [[1], 'chosen'],
    [[0, 1], 'farther'],
  ]);
  expect([[...state.nodeUsage], [...state.availableBytes]]).toEqual(before);
});

test.each([
  [{ memoryBytes: -5 }, 'Invalid_argument("NUMARequest: memory must be > 0: -5")'],
  [{ vcpus: -1 }, 'Invalid_argument("vcpus cannot be negative: -1")'],
  [{ cores: -2 }, 'Invalid_argument("cores cannot be negative: -2")'],
])('what no VM can ask raises as the real planner does: %j', (over, message) => {
  expect(() => bestEffort('any', OPTIONS.new).prepare(twoNodes)!.plan(ask(over))).toThrow(message);
});
