// Policy `tight`: the nearest set of nodes that holds a VM's vCPUs with their memory beside them.
// Unlike the planners of xenopsd and libxl it works on any number of nodes up to 64, places a VM
// within its hard mask, and says how its memory is divided.
//
// The order of preference: 1. the VM fits, each vCPU with its share of the memory (else unbalanced:
// enough CPUs and enough memory in the set); 2. the smallest worst distance within the set, then
// the smallest mean over all its ordered pairs; 3. the lowest tier of CPU demand: the cores
// suffice, or 1.5 times as many would, or more; 4. one node: the least free memory left; several
// nodes, or a VM with vNUMA: the most free memory; 5. the lowest node numbers. CPU load only ranks:
// as a condition it would split small VMs that fit one node.
import type { PlacementPolicy, PlacementState, PlannerHost, Weighed } from '../policy.js';
import { boundedSearch, DEFAULT_BUDGET, type SearchBudget } from './bounded-search.js';
import { DEFAULT_CORES_PER_VCPU } from './busy-cores.js';
import { CpuCounts, cpusOfNodes, type NodeRoom, nodeRoom } from './capacity.js';
import { DistanceTable } from './distance-table.js';
import { bestSingle, preferNode, type RankContext, rank } from './rank.js';
import type { TightPlan, TightRequest } from './request.js';
import { type Found, isCloser } from './search.js';
import { balancedSplit, equalSplit, unbalancedSplit } from './split.js';
import { MAX_SUBSET_SEARCH_NODES, SubsetSearch } from './subset-search.js';
import { TreeSearch } from './tree-search.js';
import { withPreferredTwins } from './twins.js';
import { unbalancedSearch } from './unbalanced-search.js';

/** Sets of nodes are two 32-bit words in the inner loops. */
export const MAX_TIGHT_NODES = 64;

export interface TightOptions {
  /** Bytes of each node that no plan uses; xapi keeps 2 GiB of node 0. */
  readonly reserveBytes?: readonly number[];
  /** Cores that one vCPU keeps busy, on average: for the tiers of CPU demand. */
  readonly coresPerVcpu?: number;
  readonly budget?: SearchBudget;
}

export interface TightState extends PlacementState {
  plan(request: TightRequest): TightPlan | null;
  /**
   * All sets that are as near as the one that `plan` would choose, as far as the search knows them;
   * the chosen one first. Counts nothing as used.
   */
  plans(request: TightRequest): TightPlan[];
}

export interface TightPolicy extends PlacementPolicy {
  /** null on hosts without CPUs or with more than 64 nodes. */
  prepare(host: PlannerHost): TightState | null;
}

export function tight(options: TightOptions = {}): TightPolicy {
  return {
    name: 'tight',
    prepare: (host) =>
      host.distances.length > MAX_TIGHT_NODES || cpusOfNodes(host).every((cpus) => cpus.length === 0) ? null : new Tight(host, options),
  };
}

class Tight implements TightState {
  readonly nodeUsage: number[];
  availableBytes: readonly number[] = [];
  readonly #host: PlannerHost;
  readonly #options: TightOptions;
  readonly #table: DistanceTable;
  readonly #cpus: readonly (readonly number[])[];
  readonly #counts: CpuCounts;
  readonly #tree: TreeSearch | null;
  readonly #subsets: SubsetSearch | null;

  constructor(host: PlannerHost, options: TightOptions) {
    this.#host = host;
    this.#options = options;
    this.#table = new DistanceTable(host.distances);
    this.#cpus = cpusOfNodes(host);
    this.#counts = new CpuCounts(host, this.#cpus);
    this.#subsets = host.distances.length <= MAX_SUBSET_SEARCH_NODES ? new SubsetSearch(this.#table) : null;
    this.#tree = this.#subsets === null ? TreeSearch.of(this.#table) : null;
    this.nodeUsage = host.distances.map(() => 0);
  }

  plan(request: TightRequest): TightPlan | null {
    const room = this.#room(request);
    this.availableBytes = room.memoryBytes;
    const single = request.parts === undefined ? this.#onOneNode(request, room) : null;
    const plan = single ?? this.#ranked(request, room)[0] ?? null;
    for (const node of plan?.nodes ?? []) this.nodeUsage[node]!++;
    return plan;
  }

  plans(request: TightRequest): TightPlan[] {
    return this.#ranked(request, this.#room(request));
  }

  weigh(request: TightRequest, most: number): Weighed[] {
    const room = this.#room(request);
    const chosen = this.#ranked(request, room)[0] ?? null;
    const singles = this.#host.distances.map((_, node) => this.#weighed([node], request, room, chosen));
    const isChosen = ({ verdict }: Weighed) => verdict === 'chosen';
    if (chosen !== null && !singles.some(isChosen)) singles.unshift(this.#weighed(chosen.nodes, request, room, chosen));
    return singles.slice(0, most);
  }

  /** Most plans are of one node, and most machines number CPUs node by node: these are sorted. */
  #cpusOf(nodes: readonly number[]): readonly number[] {
    const [first] = nodes;
    if (nodes.length === 1) return this.#cpus[first!]!;
    const all: number[] = [];
    let sorted = true;
    for (const node of nodes) {
      const own = this.#cpus[node]!;
      if (own.length > 0 && all.length > 0 && own[0]! < all.at(-1)!) sorted = false;
      for (const cpu of own) all.push(cpu);
    }
    return sorted ? all : all.sort((a, b) => a - b);
  }

  #room(request: TightRequest): NodeRoom {
    const { reserveBytes = [], coresPerVcpu = DEFAULT_CORES_PER_VCPU } = this.#options;
    return nodeRoom(this.#counts, request, { reserveBytes, coresPerVcpu });
  }

  #context(request: TightRequest, room: NodeRoom): RankContext {
    return { host: this.#host, room, request, coresPerVcpu: this.#options.coresPerVcpu ?? DEFAULT_CORES_PER_VCPU };
  }

  /** Most VMs fit a node, and need no list of all sets: what #ranked puts first, at once. */
  #onOneNode(request: TightRequest, room: NodeRoom): TightPlan | null {
    const { count, worst, levels } = this.#table;
    const distance = levels[0]!;
    const node = bestSingle((one) => worst[one * count + one]!, distance, this.#context(request, room));
    if (node === -1) return null;
    return {
      nodes: [node],
      cpus: this.#cpus[node]!,
      split: [{ node, vcpus: request.vcpus, memoryBytes: request.memoryBytes }],
      balanced: true,
      worstDistance: distance,
      meanDistance: distance,
      worstAtLeast: distance,
      meanAtLeast: distance,
      exact: true,
    };
  }

  #ranked(request: TightRequest, room: NodeRoom): TightPlan[] {
    const { vcpus, memoryBytes, parts } = request;
    const balanced = parts === undefined ? this.#balanced(request, room) : this.#inParts(request, room, parts);
    const found = balanced.length > 0 || parts !== undefined ? balanced : this.#unbalanced(request, room);
    const balancedShares = parts === undefined ? balancedSplit : equalSplit;
    const split = balanced.length > 0 ? balancedShares : unbalancedSplit;
    const context = this.#context(request, room);
    const withSplit = (one: Found) => ({ ...one, split: split(one.nodes, room, vcpus, memoryBytes) });
    const candidates = found.map((one) => {
      const nodes = balanced.length > 0 ? this.#preferredTwins(one.nodes, context) : one.nodes;
      return nodes === one.nodes ? withSplit(one) : rank([withSplit(one), withSplit({ ...one, nodes })], context)[0]!;
    });
    return rank(candidates, context).map((one) => ({
      nodes: one.nodes,
      cpus: this.#cpusOf(one.nodes),
      split: one.split,
      balanced: balanced.length > 0,
      worstDistance: one.worst,
      meanDistance: one.mean,
      worstAtLeast: one.worstAtLeast,
      meanAtLeast: one.meanAtLeast,
      exact: one.exact,
    }));
  }

  /** The subset search lists all sets itself. */
  #preferredTwins(nodes: readonly number[], context: RankContext): readonly number[] {
    if (this.#subsets !== null || nodes.length === 1) return nodes;
    const { room, request } = context;
    const { vcpus, parts } = request;
    const needs = parts === undefined ? { capacity: room.vcpus, least: vcpus } : { capacity: partRoom(request, room, parts), least: parts };
    return withPreferredTwins(nodes, this.#table, needs, preferNode(Math.ceil(vcpus / nodes.length), context));
  }

  /** All sets that are equally near, as far as the search knows them. */
  #balanced({ vcpus }: TightRequest, { vcpus: capacity }: NodeRoom): Found[] {
    const singles = this.#singles(capacity, vcpus);
    if (singles.length > 0) return singles;
    if (this.#subsets !== null) return this.#subsets.best(capacity, [{ room: capacity, least: vcpus }]);
    if (this.#tree !== null) return this.#tree.best(capacity, vcpus);
    const found = boundedSearch(this.#table, capacity, vcpus, this.#options.budget ?? DEFAULT_BUDGET);
    return found === null ? [] : [found];
  }

  /**
   * The nearest sets of so many nodes, each with room for an equal part. Most free memory first
   * (rank.ts) starts as many such VMs as there can be, where all nodes are equally far: no VM may
   * use a node twice, so the nodes with most room must not be left over.
   */
  #inParts(request: TightRequest, room: NodeRoom, parts: number): Found[] {
    const holds = partRoom(request, room, parts);
    const exactly = (found: readonly Found[]) => found.filter(({ nodes }) => nodes.length === parts);
    if (this.#subsets !== null) return this.#subsets.best(holds, [{ room: holds, least: parts }], parts);
    if (this.#tree !== null) return exactly(this.#tree.best(holds, parts));
    const found = boundedSearch(this.#table, holds, parts, this.#options.budget ?? DEFAULT_BUDGET);
    return found === null ? [] : exactly([found]);
  }

  /** Single nodes at the smallest own distance: no set is nearer. */
  #singles(capacity: readonly number[], vcpus: number): Found[] {
    const { count, worst, levels } = this.#table;
    const distance = levels[0]!;
    return capacity.flatMap((room, node) =>
      room >= vcpus && room > 0 && worst[node * count + node] === distance
        ? [{ nodes: [node], worst: distance, mean: distance, worstAtLeast: distance, meanAtLeast: distance, exact: true }]
        : [],
    );
  }

  #unbalanced({ vcpus, memoryBytes }: TightRequest, room: NodeRoom): Found[] {
    const useful = room.cpus.map((cpus, node) => (cpus > 0 || room.memoryBytes[node]! > 0 ? 1 : 0));
    if (this.#subsets !== null) {
      return this.#subsets.best(useful, [
        { room: room.cpus, least: vcpus },
        { room: room.memoryBytes, least: memoryBytes },
      ]);
    }
    const holds = (nodes: readonly number[]) => roomOf(nodes, room.cpus) >= vcpus && roomOf(nodes, room.memoryBytes) >= memoryBytes;
    const found = unbalancedSearch(this.#table, useful, holds, (node) => [
      vcpus === 0 ? 0 : room.cpus[node]! / vcpus,
      memoryBytes === 0 ? 0 : room.memoryBytes[node]! / memoryBytes,
    ]);
    return found === null ? [] : [found];
  }

  #weighed(nodes: readonly number[], request: TightRequest, room: NodeRoom, chosen: TightPlan | null): Weighed {
    const freeBytes = roomOf(nodes, room.memoryBytes);
    const cpus = roomOf(nodes, room.cpus);
    const averageDistance = this.#table.meanOf(nodes);
    let verdict: Weighed['verdict'] = 'used more';
    if (chosen !== null && chosen.nodes.join() === nodes.join()) verdict = 'chosen';
    else if (freeBytes < request.memoryBytes) verdict = 'too little memory';
    else if (cpus < request.vcpus) verdict = 'too few CPUs';
    else if (
      chosen !== null &&
      isCloser({ worst: chosen.worstDistance, mean: chosen.meanDistance }, { worst: this.#table.worstOf(nodes), mean: averageDistance })
    )
      verdict = 'farther';
    return { nodes, averageDistance, freeBytes, cpus, verdict };
  }
}

/** By node: 1 where there is room for one of so many equal parts. */
function partRoom({ vcpus, memoryBytes }: TightRequest, room: NodeRoom, parts: number): number[] {
  const [cpusEach, bytesEach] = [Math.ceil(vcpus / parts), Math.ceil(memoryBytes / parts)];
  return room.cpus.map((cpus, node) => (cpus >= cpusEach && cpus > 0 && room.memoryBytes[node]! >= bytesEach ? 1 : 0));
}

function roomOf(nodes: readonly number[], room: readonly number[]): number {
  return nodes.reduce((sum, node) => sum + room[node]!, 0);
}
