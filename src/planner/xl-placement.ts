// xl's automatic placement on plain Xen: tools/libs/light/libxl_numa.c (libxl__get_numa_candidate)
// and libxl_dom.c (numa_cmpf, numa_place_domain), unchanged from 4.13 to 4.22. Box of the chart:
// numa_placement, in the place of xenopsd's.
import { KIB, MIB } from '../base/units.js';
import type { PlacementPolicy, PlacementRequest, PlacementState, Plan, PlannerHost, Weighed } from './policy.js';

/** libxl gives up on machines with more nodes. */
const MOST_NODES = 16;
const TWO_32 = 2 ** 32;

/** A set of nodes that fits, as libxl compares it. */
export interface XlCandidate {
  /** Ascending. */
  readonly nodes: readonly number[];
  readonly cpus: number;
  /** vCPUs that may run on the nodes: one that may run on several counts for each. */
  readonly vcpus: number;
  /** Summed in 32 bits: at 4 TiB it begins again at 0. */
  readonly freeKib: number;
}

export function xlPlacement(): PlacementPolicy {
  return {
    name: 'automatic placement (xl)',
    prepare: (host) => (host.distances.length <= 1 || host.distances.length > MOST_NODES ? null : new XlPlacementState(host)),
  };
}

export class XlPlacementState implements PlacementState {
  /** xl counts the vCPUs that Xen has; it remembers nothing of its own. */
  readonly nodeUsage: readonly number[] = [];
  availableBytes: readonly number[] = [];
  readonly #host: PlannerHost;
  /** CPUs of each node, ascending. */
  readonly #nodeCpus: readonly (readonly number[])[];

  constructor(host: PlannerHost) {
    this.#host = host;
    const nodeCpus: number[][] = host.distances.map(() => []);
    host.cpuToNode.forEach((node, cpu) => {
      nodeCpus[node]?.push(cpu);
    });
    this.#nodeCpus = nodeCpus;
  }

  plan(request: PlacementRequest): Plan | null {
    this.availableBytes = [...request.freeBytes];
    const best = this.improvements(request).at(-1);
    if (best === undefined) return null;
    return { nodes: best.nodes, cpus: this.#cpusOf(best.nodes) };
  }

  /**
   * The candidates as `xl -vvv` prints them: each is better than all before it, the last is the
   * placement; [] when nothing fits.
   */
  improvements(request: PlacementRequest): XlCandidate[] {
    const found: XlCandidate[] = [];
    const { suitable, fewest, cpuCounts } = this.#bounds(request);
    for (let size = fewest; size <= suitable.length && found.length === 0; size++) {
      for (const nodes of combinations(suitable, size)) {
        const candidate = candidateOf(nodes, cpuCounts, request);
        if (verdictOn(candidate, request) !== 'fits') continue;
        const best = found.at(-1);
        if (best === undefined || isBetter(candidate, best)) found.push(candidate);
      }
    }
    return found;
  }

  weigh(request: PlacementRequest, most: number): Weighed[] {
    const chosen = this.improvements(request).at(-1);
    const { suitable, fewest, cpuCounts } = this.#bounds(request);
    const weighed: Weighed[] = [];
    for (let size = fewest; size <= suitable.length; size++) {
      for (const nodes of combinations(suitable, size)) {
        if (weighed.length >= most) return weighed;
        const candidate = candidateOf(nodes, cpuCounts, request);
        const fit = verdictOn(candidate, request);
        const isChosen = chosen !== undefined && nodes.every((node, at) => node === chosen.nodes[at]);
        const placed = isChosen ? 'chosen' : 'used more';
        const verdict = fit === 'fits' ? placed : fit;
        const freeBytes = candidate.freeKib * KIB;
        weighed.push({ nodes, averageDistance: this.#averageDistance(nodes), freeBytes, cpus: candidate.cpus, verdict });
      }
      if (chosen?.nodes.length === size) break;
    }
    return weighed;
  }

  /**
   * Nodes of the pool's CPUs, how many of each node's CPUs are in the pool, and the size of the
   * smallest sets to compare.
   */
  #bounds(request: PlacementRequest): { suitable: number[]; fewest: number; cpuCounts: readonly number[] } {
    const { cpuToNode } = this.#host;
    let cpuCounts = this.#nodeCpus.map((cpus) => cpus.length);
    if (request.suitableCpus !== undefined) {
      cpuCounts = cpuCounts.map(() => 0);
      for (const cpu of request.suitableCpus) {
        const node = cpuToNode[cpu];
        if (node !== undefined && node < cpuCounts.length) cpuCounts[node]!++;
      }
    }
    const suitable = [...cpuCounts.keys()].filter((node) => cpuCounts[node]! > 0);
    const perNode = this.#cpusPerNode();
    const fewest = perNode === 0 ? 1 : Math.ceil(request.vcpus / perNode);
    return { suitable, fewest: Math.max(1, Math.min(fewest, suitable.length)), cpuCounts };
  }

  /**
   * 0 when nodes differ. Nodes without CPUs before the first that has some do not count
   * (count_cpus_per_node).
   */
  #cpusPerNode(): number {
    let perNode = 0;
    for (const { length: cpus } of this.#nodeCpus) {
      if (perNode === 0) perNode = cpus;
      if (perNode !== cpus) return 0;
    }
    return perNode;
  }

  /** `nodes` are ascending, but not their CPUs: hosts number threads last. */
  #cpusOf(nodes: readonly number[]): number[] {
    return nodes.flatMap((node) => this.#nodeCpus[node]!).sort((a, b) => a - b);
  }

  #averageDistance(nodes: readonly number[]): number {
    const pairs = nodes.flatMap((a) => nodes.map((b) => this.#host.distances[a]![b]!));
    return pairs.reduce((sum, distance) => sum + distance, 0) / pairs.length;
  }
}

/** @param cpuCounts CPUs of each node that the VM may use */
function candidateOf(nodes: readonly number[], cpuCounts: readonly number[], request: PlacementRequest): XlCandidate {
  const { vcpusOnNode, freeBytes } = request;
  if (vcpusOnNode === undefined) throw new RangeError('xl compares the vCPUs on each node: the request must have vcpusOnNode');
  let [cpus, vcpus, freeKib] = [0, 0, 0];
  for (const node of nodes) {
    cpus += cpuCounts[node]!;
    vcpus += vcpusOnNode[node]!;
    freeKib = (freeKib + Math.floor(freeBytes[node]! / KIB)) % TWO_32;
  }
  return { nodes, cpus, vcpus, freeKib };
}

function verdictOn(candidate: XlCandidate, request: PlacementRequest): 'fits' | 'too little memory' | 'too few CPUs' {
  if (candidate.freeKib < Math.floor(request.memoryBytes / KIB)) return 'too little memory';
  return candidate.cpus < request.vcpus ? 'too few CPUs' : 'fits';
}

/**
 * Fewer vCPUs, then more free memory; a tie keeps the earlier. The difference in memory is looked
 * at as a signed number of 32 bits, so a lead of more than 2 TiB is taken for less memory.
 */
function isBetter(candidate: XlCandidate, best: XlCandidate): boolean {
  if (candidate.vcpus !== best.vcpus) return candidate.vcpus < best.vcpus;
  return ((best.freeKib - candidate.freeKib) | 0) < 0;
}

/** The sets of `size` of the items, in lexicographic order of their positions. */
function* combinations(items: readonly number[], size: number): Generator<number[]> {
  const at = Array.from({ length: size }, (_, index) => index);
  if (size > items.length) return;
  for (;;) {
    yield at.map((index) => items[index]!);
    let last = size - 1;
    while (last >= 0 && at[last] === items.length - size + last) last--;
    if (last < 0) return;
    at[last]!++;
    for (let index = last + 1; index < size; index++) at[index] = at[index - 1]! + 1;
  }
}

/** A domain as libxl counts its vCPUs. All lists are numbers of CPUs or nodes. */
export interface XlCountedDomain {
  /** Hard mask of each vCPU. */
  readonly hard: readonly (readonly number[])[];
  readonly nodeAffinity: readonly number[];
  /** CPUs of its pool. */
  readonly poolCpus: readonly number[];
  /** So many times the same; once by default. */
  readonly times?: number;
}

/**
 * vCPUs on each node as libxl counts them before it places: each vCPU once for every node where its
 * hard mask, its domain's pool and node affinity, and `suitableCpus` (the new domain's pool) meet.
 * The new domain is among the domains: its vCPUs are there by then.
 */
export function vcpusOnNodes(host: PlannerHost, domains: readonly XlCountedDomain[], suitableCpus?: readonly number[]): number[] {
  const counts = host.distances.map(() => 0);
  const reached = new ReachedNodes(host, suitableCpus);
  for (const domain of domains) reached.count(domain, domain.times ?? 1, counts);
  return counts;
}

/**
 * The nodes of a hard mask within a pool. On a host with thousands of vCPUs most have the same few
 * masks, so each is worked out once.
 */
export class ReachedNodes {
  readonly #host: PlannerHost;
  readonly #suitable: ReadonlySet<number> | null;
  readonly #pools = new Map<readonly number[], ReachedInPool>();

  constructor(host: PlannerHost, suitableCpus?: readonly number[]) {
    this.#host = host;
    this.#suitable = suitableCpus === undefined ? null : new Set(suitableCpus);
  }

  /**
   * Adds a domain's vCPUs to those of the nodes that they can reach.
   * @param times how often; -1 takes them away
   * @param counts index = node
   */
  count({ hard, nodeAffinity, poolCpus }: XlCountedDomain, times: number, counts: number[]): void {
    const affinity = new Set(nodeAffinity);
    for (const mask of hard) for (const node of this.#of(mask, poolCpus)) if (affinity.has(node)) counts[node]! += times;
  }

  #of(hard: readonly number[], poolCpus: readonly number[]): readonly number[] {
    let pool = this.#pools.get(poolCpus);
    if (pool === undefined) {
      const suitable = this.#suitable;
      const cpus = new Set(suitable === null ? poolCpus : poolCpus.filter((cpu) => suitable.has(cpu)));
      pool = { cpus, nodes: new Map() };
      this.#pools.set(poolCpus, pool);
    }
    let nodes = pool.nodes.get(hard);
    if (nodes === undefined) {
      const { cpuToNode, distances } = this.#host;
      const cpus = hard.filter((cpu) => pool.cpus.has(cpu));
      nodes = [...new Set(cpus.map((cpu) => cpuToNode[cpu]!))].filter((node) => node < distances.length);
      pool.nodes.set(hard, nodes);
    }
    return nodes;
  }
}

interface ReachedInPool {
  /** Those that are suitable. */
  readonly cpus: ReadonlySet<number>;
  readonly nodes: Map<readonly number[], readonly number[]>;
}

/**
 * PV guests have 1 MiB more than their memory looked for, others 2 MiB (libxl_internal.h,
 * LIBXL_*_EXTRA_MEMORY).
 */
const EXTRA_KIB = { pv: 1024, pvh: 2048, hvm: 2048 } as const;
const ROUNDED_KIB = 2048;

/**
 * libxl's paging pool: 1 MiB a vCPU and a page for each MiB of the most memory
 * (libxl__get_required_paging_memory).
 */
export function xlPagingKib({ maxmemBytes, vcpus }: { readonly maxmemBytes: number; readonly vcpus: number }): number {
  return 4 * (256 * vcpus + Math.floor(maxmemBytes / MIB));
}

/**
 * Bytes that libxl looks for: the guest's memory; its paging pool, also for PV guests (which could
 * be migrated with a shadow); and the extra; rounded up to 2 MiB
 * (libxl__domain_need_memory_calculate).
 */
export function xlNeededBytes(guest: {
  /** What it has at its start (xl's `memory`). */
  readonly memoryBytes: number;
  /** What it may come to have (xl's `maxmem`). */
  readonly maxmemBytes: number;
  readonly vcpus: number;
  readonly kind: 'pv' | 'pvh' | 'hvm';
}): number {
  const kib = Math.floor(guest.memoryBytes / KIB) + xlPagingKib(guest) + EXTRA_KIB[guest.kind];
  return Math.ceil(kib / ROUNDED_KIB) * ROUNDED_KIB * KIB;
}
