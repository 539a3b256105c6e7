// best_effort: xenopsd's own planner at 90ef043c ("seed") and e2ee48d6 ("new"),
// ocaml/xenopsd/lib/topology.ml and softaffinity.ml. Box of the chart: numa_placement.
import { type Candidates, makeCandidates, PlannerException, type Reading } from './candidates.js';
import { fewestNodes, largestSums, setsOfAtLeast } from './fewest-nodes.js';
import { HalfSums } from './half-sums.js';
import type { PlacementPolicy, PlacementRequest, PlacementState, Plan, PlannerHost, Weighed } from './policy.js';
import { RunningBuilds } from './running-builds.js';

export interface BestEffortOptions {
  readonly reading: Reading;
  /**
   * Free memory never rises again in the planner's eyes: avail = min(now, previous). A defect,
   * mended in 7153d5dde2.
   */
  readonly ratchet: boolean;
  /** Claims of domains that are not built yet are taken off the free memory. */
  readonly deductClaims: boolean;
  /** Physical cores must fit as well as vCPUs. */
  readonly wantCores: boolean;
  /**
   * Bytes of node 0 that are never planned (xenopsd's numa-reserve-node0-dmaheap-bits: 2^31 by
   * default).
   */
  readonly node0ReserveBytes?: number;
  /**
   * Memory of builds that are running is deducted from figures read before them
   * (running-builds.ts).
   */
  readonly trackBuilds?: boolean;
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
  readonly candidates: Candidates;
  readonly #options: BestEffortOptions;
  readonly #builds: RunningBuilds | null;
  readonly #nodes: readonly number[];
  readonly #memory: HalfSums;
  readonly #usage: HalfSums;
  readonly #cpus: HalfSums;
  readonly #cores: HalfSums;
  readonly #coreCounts: readonly number[];
  readonly #cpuCounts: readonly number[];
  /**
   * What the k best nodes have together, at k: of each kind. The one of memory is of the free
   * memory that was looked at last.
   */
  readonly #mostCpus: Float64Array;
  readonly #mostCores: Float64Array;
  #mostMemory: Float64Array;
  readonly #lastFree: Float64Array;
  /** What the last plan saw, and room for what the next one sees. */
  #available = new Float64Array(0);
  #next = new Float64Array(0);
  readonly #plans = new Map<number, { readonly plan: Plan; readonly positions: readonly number[] }>();
  /**
   * For each size k, the positions of the candidates with at least k nodes, in order; made when
   * first needed.
   */
  readonly #atLeast: (Uint32Array | undefined)[] = [];

  constructor(host: PlannerHost, candidates: Candidates, options: BestEffortOptions) {
    this.candidates = candidates;
    this.#options = options;
    this.#builds = options.trackBuilds === true ? new RunningBuilds() : null;
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
    this.#cpuCounts.forEach((cpus, position) => {
      this.#cpus.set(position, cpus);
      this.#cores.set(position, this.#coreCounts[position]!);
    });
    this.#mostCpus = largestSums(this.#cpuCounts);
    this.#mostCores = largestSums(this.#coreCounts);
    this.#lastFree = new Float64Array(count);
    this.#mostMemory = largestSums(this.#lastFree);
  }

  get availableBytes(): number[] {
    return Array.from(this.#available);
  }

  plan(request: PlacementRequest): Plan | null {
    const wanted = this.#read(request);
    const available = this.#next;
    this.#next = this.#available;
    this.#available = available;
    const at = this.#best(wanted, available);
    if (request.build !== undefined) {
      // The real planner keeps the nodes of a plan in descending order.
      const nodes = at === -1 ? [] : this.#planOf(at).plan.nodes.toReversed();
      this.#builds?.start(request.build.id, nodes, request.build.neededBytes, available);
    }
    if (at === -1) return null;
    const { plan, positions } = this.#planOf(at);
    for (let i = 0; i < positions.length; i++) this.#usage.set(positions[i]!, ++this.nodeUsage[plan.nodes[i]!]!);
    return plan;
  }

  /** The plan without a change of the state: as if the VM were not started after it. */
  preview(request: PlacementRequest): Plan | null {
    const wanted = this.#read(request);
    const at = this.#best(wanted, this.#next);
    return at === -1 ? null : this.#planOf(at).plan;
  }

  buildFinished(id: number): void {
    this.#builds?.finish(id);
  }

  buildFailed(id: number): void {
    this.#builds?.abandon(id);
  }

  weigh(request: PlacementRequest, most: number): Weighed[] {
    const wanted = this.#read(request);
    const available = this.#next;
    const sum = (values: ArrayLike<number>, nodes: readonly number[]) => nodes.reduce((all, node) => all + values[node]!, 0);
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

  /**
   * Writes into #next.
   * @throws PlannerException when claims exceed the free memory of a node
   */
  #readFree(request: PlacementRequest): void {
    const { ratchet, deductClaims, node0ReserveBytes = 0 } = this.#options;
    const { claimedBytes } = request;
    let { freeBytes } = request;
    if (node0ReserveBytes > 0) freeBytes = freeBytes.map((free, node) => (node === 0 ? Math.max(0, free - node0ReserveBytes) : free));
    if (this.#builds !== null) freeBytes = this.#builds.available(freeBytes);
    if (this.#next.length !== freeBytes.length) this.#next = new Float64Array(freeBytes.length);
    const [next, seen] = [this.#next, this.#available];
    for (let node = 0; node < next.length; node++) {
      const now = deductClaims ? freeBytes[node]! - (claimedBytes[node] ?? 0) : freeBytes[node]!;
      if (now < 0) throw new PlannerException(`Invalid_argument("NUMAResource: memory cannot be negative: ${now}")`);
      next[node] = ratchet && node < seen.length && seen[node]! < now ? seen[node]! : now;
    }
  }

  /**
   * What the VM asks for, and in #next what there is, checked in the order of the real planner's
   * reading: its text tells which fails first.
   * @throws PlannerException as #wanted and #readFree
   */
  #read(request: PlacementRequest): Wanted {
    if (this.#options.reading === 'new') {
      const wanted = this.#wanted(request);
      this.#readFree(request);
      return wanted;
    }
    this.#readFree(request);
    return this.#wanted(request);
  }

  #best(wanted: Wanted, available: Float64Array): number {
    return this.candidates.single ? this.#bestSingle(wanted, available) : this.#bestSubset(wanted, available);
  }

  #bestSingle({ memoryBytes, vcpus, cores }: Wanted, available: Float64Array): number {
    const [nodes, usage, cpus, coreCounts] = [this.#nodes, this.nodeUsage, this.#cpuCounts, this.#coreCounts];
    let best = -1;
    let bestUsage = 0;
    for (let at = 0; at < nodes.length; at++) {
      const node = nodes[at]!;
      if (available[node]! < memoryBytes || cpus[at]! < vcpus || coreCounts[at]! < cores) continue;
      const used = usage[node]!;
      if (best !== -1 && used >= bestUsage) continue;
      best = at;
      bestUsage = used;
    }
    return best;
  }

  #bestSubset({ memoryBytes, vcpus, cores }: Wanted, available: Float64Array): number {
    this.#takeFree(available);
    const least = this.#fewest(memoryBytes, vcpus, cores);
    if (least > this.#nodes.length) return -1;
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
      // Equal usage: the list of nodes, highest first, that is smaller; as sets of bits that is the
      // smaller number.
      if (best === -1 || used < bestUsage || (used === bestUsage && mask < sets[best]!)) {
        best = at;
        bestUsage = used;
      }
    }
    return best;
  }

  /** How many nodes the VM needs at best; more than there are when all together are too few. */
  #fewest(memoryBytes: number, vcpus: number, cores: number): number {
    const forMemory = fewestNodes(this.#mostMemory, memoryBytes);
    if (forMemory > this.#nodes.length) return forMemory;
    return Math.max(forMemory, fewestNodes(this.#mostCpus, vcpus), cores === 0 ? 1 : fewestNodes(this.#mostCores, cores));
  }

  #takeFree(available: Float64Array): void {
    const [lastFree, nodes] = [this.#lastFree, this.#nodes];
    let changed = false;
    for (let position = 0; position < lastFree.length; position++) {
      const free = available[nodes[position]!]!;
      if (free === lastFree[position]) continue;
      changed = true;
      lastFree[position] = free;
      this.#memory.set(position, free);
    }
    if (changed) this.#mostMemory = largestSums(lastFree);
  }

  #candidatesOf(least: number): Uint32Array {
    this.#atLeast[least] ??= setsOfAtLeast(this.candidates.sets, least);
    return this.#atLeast[least];
  }

  #positionsOf(at: number): number[] {
    const set = this.candidates.sets[at]!;
    return this.candidates.single ? [set] : this.#nodes.map((_, position) => position).filter((position) => ((set >>> position) & 1) === 1);
  }

  #nodesOf(at: number): number[] {
    return this.#positionsOf(at).map((position) => this.#nodes[position]!);
  }

  #planOf(at: number): { readonly plan: Plan; readonly positions: readonly number[] } {
    let known = this.#plans.get(at);
    if (known === undefined) {
      const nodes = this.#nodesOf(at);
      const cpus = nodes.flatMap((node) => this.candidates.nodeCpus[node]!).sort((a, b) => a - b);
      known = { plan: { nodes, cpus }, positions: this.#positionsOf(at) };
      this.#plans.set(at, known);
    }
    return known;
  }
}
