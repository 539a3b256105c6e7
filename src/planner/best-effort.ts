// best_effort: xenopsd's own planner at 90ef043c ("seed") and e2ee48d6 ("new"), ocaml/xenopsd/lib/topology.ml and softaffinity.ml.
// Box of the chart: numa_placement.
import { type Candidates, makeCandidates, PlannerException, type Reading } from './candidates.js';
import { HalfSums } from './half-sums.js';
import type { PlacementPolicy, PlacementRequest, PlacementState, Plan, PlannerHost, Weighed } from './policy.js';

export interface BestEffortOptions {
  readonly reading: Reading;
  /** Free memory never rises again in the planner's eyes: avail = min(now, previous). A defect, mended in 7153d5dde2. */
  readonly ratchet: boolean;
  /** Claims of domains that are not built yet are taken off the free memory. */
  readonly deductClaims: boolean;
  /** Physical cores must fit as well as vCPUs. */
  readonly wantCores: boolean;
}

export function bestEffort(name: string, options: BestEffortOptions): PlacementPolicy {
  return {
    name,
    prepare(host) {
      const candidates = makeCandidates(host, options.reading);
      return candidates === null ? null : new BestEffortState(host, candidates, options);
    },
  };
}

interface Wanted {
  readonly memoryBytes: number;
  readonly vcpus: number;
  readonly cores: number;
}

/** Two averages this close are the same to the planner. */
const SAME_AVERAGE = 1e-3;

export class BestEffortState implements PlacementState {
  readonly nodeUsage: number[];
  availableBytes: number[] = [];
  readonly candidates: Candidates;
  readonly #options: BestEffortOptions;
  readonly #nodes: readonly number[];
  readonly #memory: HalfSums;
  readonly #usage: HalfSums;
  readonly #cpus: HalfSums;
  readonly #cores: HalfSums;
  readonly #coreCounts: readonly number[];
  readonly #cpuCounts: readonly number[];
  readonly #plans = new Map<number, Plan>();
  /** For each size k, the positions of the candidates with at least k nodes, in order; made when first needed. */
  readonly #atLeast: (Uint32Array | undefined)[] = [];

  constructor(host: PlannerHost, candidates: Candidates, options: BestEffortOptions) {
    this.candidates = candidates;
    this.#options = options;
    this.#nodes = candidates.validNodes;
    this.nodeUsage = host.distances.map(() => 0);
    const count = this.#nodes.length;
    [this.#memory, this.#usage, this.#cpus, this.#cores] = [
      new HalfSums(count),
      new HalfSums(count),
      new HalfSums(count),
      new HalfSums(count),
    ];
    this.#cpuCounts = this.#nodes.map((node) => candidates.nodeCpus[node]!.length);
    this.#coreCounts = this.#nodes.map((node) => host.nodeCores[node] ?? 0);
    if (candidates.single) return;
    this.#cpus.update(this.#cpuCounts);
    this.#cores.update(this.#coreCounts);
  }

  plan(request: PlacementRequest): Plan | null {
    const { wanted, available } = this.#read(request);
    this.availableBytes = available;
    const at = this.#best(wanted, available);
    if (at === -1) return null;
    const plan = this.#planOf(at);
    for (const node of plan.nodes) this.nodeUsage[node]!++;
    return plan;
  }

  weigh(request: PlacementRequest, most: number): Weighed[] {
    const { wanted, available } = this.#read(request);
    const sum = (values: readonly number[], nodes: readonly number[]) => nodes.reduce((all, node) => all + values[node]!, 0);
    const chosen = this.#best(wanted, available);
    const weighed: Weighed[] = [];
    let first: number | null = null;
    for (let at = 0; at < this.candidates.sets.length && weighed.length < most; at++) {
      const nodes = this.#nodesOf(at);
      const averageDistance = this.candidates.averages[at]!;
      const [freeBytes, positions] = [sum(available, nodes), this.#positionsOf(at)];
      const cpus = sum(this.#cpuCounts, positions);
      let verdict: Weighed['verdict'];
      if (freeBytes < wanted.memoryBytes) verdict = 'too little memory';
      else if (cpus < wanted.vcpus) verdict = 'too few CPUs';
      else if (sum(this.#coreCounts, positions) < wanted.cores) verdict = 'too few cores';
      else if (first !== null && Math.abs(averageDistance - first) >= SAME_AVERAGE) verdict = 'farther';
      else {
        first ??= averageDistance;
        verdict = at === chosen ? 'chosen' : 'used more';
      }
      weighed.push({ nodes, averageDistance, freeBytes, cpus, verdict });
      if (verdict === 'farther') break;
    }
    return weighed;
  }

  /** @throws PlannerException for what no VM can ask (NUMARequest.make) */
  #wanted({ memoryBytes, vcpus, cores }: PlacementRequest): Wanted {
    if (memoryBytes < 0) throw new PlannerException(`Invalid_argument("NUMARequest: memory must be > 0: ${memoryBytes}")`);
    if (vcpus < 0) throw new PlannerException(`Invalid_argument("vcpus cannot be negative: ${vcpus}")`);
    if (!this.#options.wantCores) return { memoryBytes, vcpus, cores: 0 };
    if (cores < 0) throw new PlannerException(`Invalid_argument("cores cannot be negative: ${cores}")`);
    return { memoryBytes, vcpus, cores };
  }

  /** @throws PlannerException when claims exceed the free memory of a node */
  #available(request: PlacementRequest): number[] {
    const { ratchet, deductClaims } = this.#options;
    return request.freeBytes.map((free, node) => {
      const now = deductClaims ? free - (request.claimedBytes[node] ?? 0) : free;
      if (now < 0) throw new PlannerException(`Invalid_argument("NUMAResource: memory cannot be negative: ${now}")`);
      return ratchet ? Math.min(now, this.availableBytes[node] ?? now) : now;
    });
  }

  /**
   * What the VM asks for, and what there is, checked in the order of the real planner's reading: its text tells which fails first.
   * @throws PlannerException as #wanted and #available
   */
  #read(request: PlacementRequest): { readonly wanted: Wanted; readonly available: number[] } {
    if (this.#options.reading === 'new') {
      const wanted = this.#wanted(request);
      return { wanted, available: this.#available(request) };
    }
    const available = this.#available(request);
    return { wanted: this.#wanted(request), available };
  }

  #best(wanted: Wanted, available: readonly number[]): number {
    return this.candidates.single ? this.#bestSingle(wanted, available) : this.#bestSubset(wanted, available);
  }

  #bestSingle({ memoryBytes, vcpus, cores }: Wanted, available: readonly number[]): number {
    let best = -1;
    for (let at = 0; at < this.#nodes.length; at++) {
      const node = this.#nodes[at]!;
      if (available[node]! < memoryBytes || this.#cpuCounts[at]! < vcpus || this.#coreCounts[at]! < cores) continue;
      if (best === -1 || this.nodeUsage[node]! < this.nodeUsage[this.#nodes[best]!]!) best = at;
    }
    return best;
  }

  #bestSubset({ memoryBytes, vcpus, cores }: Wanted, available: readonly number[]): number {
    const nodes = this.#nodes;
    const free = nodes.map((node) => available[node]!);
    const least = Math.max(fewest(free, memoryBytes), fewest(this.#cpuCounts, vcpus), fewest(this.#coreCounts, cores));
    if (least > nodes.length) return -1;
    this.#memory.update(free);
    this.#usage.update(nodes.map((node) => this.nodeUsage[node]!));
    const { sets, averages } = this.candidates;
    const [memory, usage, cpu, core] = [this.#memory, this.#usage, this.#cpus, this.#cores];
    const order = this.#candidatesOf(least);
    let best = -1;
    let bestUsage = 0;
    let first = Number.NaN;
    for (let i = 0; i < order.length; i++) {
      const at = order[i]!;
      const mask = sets[at]!;
      if (memory.of(mask) < memoryBytes || cpu.of(mask) < vcpus || core.of(mask) < cores) continue;
      if (best === -1) first = averages[at]!;
      else if (Math.abs(averages[at]! - first) >= SAME_AVERAGE) break;
      const used = usage.of(mask);
      // Equal usage: the list of nodes, highest first, that is smaller; as sets of bits that is the smaller number.
      if (best === -1 || used < bestUsage || (used === bestUsage && mask < sets[best]!)) {
        best = at;
        bestUsage = used;
      }
    }
    return best;
  }

  #candidatesOf(least: number): Uint32Array {
    let order = this.#atLeast[least];
    if (order === undefined) {
      const { sets } = this.candidates;
      const kept: number[] = [];
      for (let at = 0; at < sets.length; at++) if (bitCount(sets[at]!) >= least) kept.push(at);
      order = Uint32Array.from(kept);
      this.#atLeast[least] = order;
    }
    return order;
  }

  #positionsOf(at: number): number[] {
    const set = this.candidates.sets[at]!;
    return this.candidates.single ? [set] : this.#nodes.map((_, position) => position).filter((position) => ((set >>> position) & 1) === 1);
  }

  #nodesOf(at: number): number[] {
    return this.#positionsOf(at).map((position) => this.#nodes[position]!);
  }

  #planOf(at: number): Plan {
    let plan = this.#plans.get(at);
    if (plan === undefined) {
      const nodes = this.#nodesOf(at);
      plan = { nodes, cpus: nodes.flatMap((node) => this.candidates.nodeCpus[node]!).sort((a, b) => a - b) };
      this.#plans.set(at, plan);
    }
    return plan;
  }
}

/** How few of the values can sum to `wanted` at best: no smaller set is worth a look. More than all of them: none can. */
function fewest(values: readonly number[], wanted: number): number {
  let biggest = 0;
  for (const value of values) biggest = Math.max(biggest, value);
  if (biggest >= wanted) return 1;
  const sorted = [...values].sort((a, b) => b - a);
  let sum = 0;
  for (let count = 0; count < sorted.length; count++) {
    sum += sorted[count]!;
    if (sum >= wanted) return count + 1;
  }
  return sorted.length + 1;
}

function bitCount(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}
