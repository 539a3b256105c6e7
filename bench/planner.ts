// Plans per second, compared with the figures of the original (OCaml 4.13, without formatting its
// debug strings), and the time to make the candidates.
import { GIB } from '../src/base/units.js';
import { bestEffort } from '../src/planner/best-effort.js';
import { makeCandidates } from '../src/planner/candidates.js';
import type { PlacementRequest, PlacementState, PlannerHost } from '../src/planner/policy.js';
import { xlPlacement } from '../src/planner/xl-placement.js';
import { type BenchRow, bestPerSecond } from './measure.js';

const CPUS = 16;
const FREE_BYTES = 64 * GIB;
const OPTIONS = { reading: 'seed', ratchet: true, deductClaims: false, wantCores: false } as const;

/** The request of one VM on a host with this many nodes of 16 CPUs and 64 GiB. */
const CASES = [
  { name: 'fits one node', request: () => ({ vcpus: 4, memoryBytes: 8 * GIB }) },
  { name: 'needs two nodes', request: () => ({ vcpus: 24, memoryBytes: 96 * GIB }) },
  { name: 'needs half the host', request: (nodes: number) => ({ vcpus: (CPUS * nodes) / 2, memoryBytes: (FREE_BYTES * nodes) / 2 }) },
  { name: 'fits nowhere', request: (nodes: number) => ({ vcpus: 4, memoryBytes: FREE_BYTES * (nodes + 1) }) },
] as const;

/** Plans per second of the original, by case in order; not measured at 64 nodes. */
const OCAML: Readonly<Record<number, readonly number[]>> = {
  8: [331_026, 102_961, 51_808, 3_117],
  16: [143_352, 43_726, 582, 4.5],
};

/** Sockets of four nodes: 10 here, 16 in the socket, 28 and further between sockets. */
function hostOf(nodes: number): PlannerHost {
  const indices = Array.from({ length: nodes }, (_, node) => node);
  const socket = (node: number) => Math.floor(node / 4);
  const distance = (a: number, b: number): number => {
    if (a === b) return 10;
    return socket(a) === socket(b) ? 16 : 28 + Math.abs(socket(a) - socket(b));
  };
  return {
    distances: indices.map((i) => indices.map((j) => distance(i, j))),
    cpuToNode: indices.flatMap((node) => Array.from({ length: CPUS }, () => node)),
    nodeCores: indices.map(() => CPUS / 2),
  };
}

function requestOf(nodes: number, size: { readonly vcpus: number; readonly memoryBytes: number }): PlacementRequest {
  const all = Array.from({ length: nodes }, () => 0);
  return { ...size, cores: 0, freeBytes: all.map(() => FREE_BYTES), claimedBytes: all, vcpusOnNode: all };
}

function plansPerSecond(state: PlacementState, request: PlacementRequest): number {
  return bestPerSecond((times) => {
    for (let i = 0; i < times; i++) state.plan(request);
  });
}

export function benchPlanner(): BenchRow[] {
  const rows: BenchRow[] = [];
  for (const nodes of [8, 16, 64]) {
    const host = hostOf(nodes);
    rows.push({
      name: `candidates of ${nodes} nodes`,
      unit: 'makings',
      perSecond: bestPerSecond((times) => {
        for (let i = 0; i < times; i++) makeCandidates(host, 'seed');
      }),
      ...(nodes === 64 ? {} : { reference: { name: 'OCaml', perSecond: nodes === 8 ? 1 / 0.00035 : 1 / 0.237 } }),
    });
    CASES.forEach(({ name, request }, at) => {
      const state = bestEffort('bench', OPTIONS).prepare(host)!;
      const reference = OCAML[nodes]?.[at];
      rows.push({
        name: `best_effort, ${nodes} nodes, ${name}`,
        unit: 'plans',
        perSecond: plansPerSecond(state, requestOf(nodes, request(nodes))),
        ...(reference === undefined ? {} : { reference: { name: 'OCaml, quiet', perSecond: reference } }),
      });
    });
  }
  for (const nodes of [8, 16]) {
    const state = xlPlacement().prepare(hostOf(nodes))!;
    rows.push({
      name: `xl's placement, ${nodes} nodes, fits one node`,
      unit: 'plans',
      perSecond: plansPerSecond(state, requestOf(nodes, CASES[0].request())),
    });
  }
  return rows;
}
