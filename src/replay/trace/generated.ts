// A generated trace with features that public traces lack: VMs of up to 64 vCPUs and 512 GiB beside
// many small ones, tenants that start several at once, and lifetimes with a heavy tail. The same
// seed gives the same trace.
import { seededNumbers } from '../../base/random.js';
import { GIB } from '../../base/units.js';
import { makeTrace, type Trace, type TraceVm } from './trace.js';

const SPAN_SECONDS = 7 * 86_400;
/** Lifetimes are a Pareto distribution with the exponent 1 between these bounds. */
const SHORTEST_SECONDS = 300;
const LONGEST_SECONDS = 30 * 86_400;
/** [vCPUs, weight]: of 1,000 tenants. */
const VCPUS = [
  [1, 300],
  [2, 280],
  [4, 180],
  [8, 110],
  [16, 70],
  [32, 40],
  [64, 20],
] as const;
/** GiB a vCPU, equally likely. */
const GIB_PER_VCPU = [1.75, 2, 4, 4, 8] as const;
/** One VM in so many of a batch has no next one. */
const BATCH_END = 3;

export function generatedTrace(vms: number, seed: number): Trace {
  const next = seededNumbers(seed);
  const list: TraceVm[] = [];
  const weights = VCPUS.reduce((sum, [, weight]) => sum + weight, 0);
  while (list.length < vms) {
    // Uniform times are a Poisson process of which the number of tenants is known.
    const arrival = next() % SPAN_SECONDS;
    const vcpus = weighted(next() % weights);
    const memoryBytes = vcpus * GIB_PER_VCPU[next() % GIB_PER_VCPU.length]! * GIB;
    do {
      const lifetime = Math.floor((SHORTEST_SECONDS * 2 ** 32) / (next() + 1));
      list.push({ arrival, departure: arrival + Math.min(LONGEST_SECONDS, lifetime), vcpus, memoryBytes });
    } while (list.length < vms && next() % BATCH_END !== 0);
  }
  return makeTrace(`generated, seed ${seed}`, list, SPAN_SECONDS);
}

function weighted(number: number): number {
  let rest = number;
  for (const [vcpus, weight] of VCPUS) {
    rest -= weight;
    if (rest < 0) return vcpus;
  }
  throw new RangeError(`no weight for ${number}`);
}
