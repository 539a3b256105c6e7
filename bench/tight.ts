// Plans of policy `tight` on 64 nodes, by the form of the distances: processor time of the median
// and of the slowest plan, budget included, and the share that was proved to be the nearest.
import { Random } from '../src/base/random.js';
import { GIB } from '../src/base/units.js';
import { tight } from '../src/planner/tight/tight.js';
import { type BenchRow, cpuMs } from './measure.js';

const NODES = 64;
const CORES = 16;
const PLANS = 60;

type Distance = (a: number, b: number) => number;

const ring = (a: number, b: number, size: number) => Math.min(Math.abs(a - b), size - Math.abs(a - b));

/** Symmetric, the same for the same seed. */
function randomDistances(spread: number): Distance {
  const random = new Random(64);
  const half = Array.from({ length: NODES * NODES }, () => 11 + random.below(spread));
  return (a, b) => half[Math.min(a, b) * NODES + Math.max(a, b)]!;
}

const FAMILIES: Readonly<Record<string, () => Distance>> = {
  hierarchy: () => (a, b) => {
    if (a >> 2 === b >> 2) return 12;
    return a >> 4 === b >> 4 ? 16 : 32;
  },
  torus: () => (a, b) => 10 + 6 * (ring(a & 7, b & 7, 8) + ring(a >> 3, b >> 3, 8)),
  hypercube: () => (a, b) => 10 + 6 * (a ^ b).toString(2).replaceAll('0', '').length,
  'random, 244 values': () => randomDistances(244),
  'random, 10 values': () => randomDistances(10),
  // Five groups in a ring, near their neighbours: where colourings bound cliques worst.
  'C5 blow-up': () => (a, b) => (ring(a % 5, b % 5, 5) <= 1 && a % 5 !== b % 5 ? 15 : 25),
};

export function benchTight(): BenchRow[] {
  return Object.entries(FAMILIES).flatMap(([name, make]) => {
    const distance = make();
    const nodes = Array.from({ length: NODES }, (_, node) => node);
    const state = tight().prepare({
      distances: nodes.map((a) => nodes.map((b) => (a === b ? 10 : distance(a, b)))),
      cpuToNode: nodes.flatMap((node) => new Array<number>(CORES).fill(node)),
      nodeCores: nodes.map(() => CORES),
    })!;
    const random = new Random(7);
    const times: number[] = [];
    let proved = 0;
    for (let plan = -PLANS; plan < PLANS; plan++) {
      const free = nodes.map(() => (random.chance(20) ? 0 : random.below(17)));
      const all = free.reduce((sum, one) => sum + one, 0);
      const vcpus = Math.max(CORES + 1, Math.floor((all * random.pick([4, 8, 16])) / NODES));
      const request = { vcpus, cores: 0, memoryBytes: vcpus * GIB, freeBytes: free.map((gib) => gib * GIB), claimedBytes: [] };
      const began = cpuMs();
      const answer = state.plan(request);
      // The first half only warms up.
      if (plan < 0) continue;
      times.push(cpuMs() - began);
      if (answer === null || answer.exact) proved++;
    }
    times.sort((a, b) => a - b);
    const row = (figure: string, unit: string, perSecond: number) => ({ name: `tight, 64 nodes, ${name}: ${figure}`, unit, perSecond });
    return [
      row('median', 'plans', 1000 / times[PLANS / 2]!),
      row('slowest', 'plans', 1000 / times.at(-1)!),
      row('proved nearest', '% of plans', (100 * proved) / PLANS),
    ];
  });
}
