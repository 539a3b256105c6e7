// The planners on the hosts of a fleet: what each remembers of a host, and what it is shown. The
// choice itself is the planner's own. Box of the chart: numa_placement.
import { INVALID_ID } from '../../base/ids.js';
import { BestEffortState } from '../../planner/best-effort.js';
import { makeCandidates } from '../../planner/candidates.js';
import type { PlacementRequest, PlacementState, Plan } from '../../planner/policy.js';
import { busyCores } from '../../planner/tight/busy-cores.js';
import type { TightPlan } from '../../planner/tight/request.js';
import { type TightState, tight } from '../../planner/tight/tight.js';
import { vcpusOnNodes, xlPlacement } from '../../planner/xl-placement.js';
import type { HostType } from './host-type.js';
import type { ReplayPolicy } from './policies.js';

export interface PlaceRequest {
  readonly host: number;
  /** Of the VM in the replay. */
  readonly id: number;
  readonly vcpus: number;
  readonly cores: number;
  readonly memoryBytes: number;
  /** What the build takes of the whole host. */
  readonly neededBytes: number;
  /** By node of the host. */
  readonly freeBytes: readonly number[];
}

export interface Placer {
  plan(request: PlaceRequest): Plan | null;
  /** The build has its memory; `nodes` are those of its node affinity. */
  built(request: PlaceRequest, plan: Plan | null, nodes: readonly number[]): void;
  /** The build failed. */
  failed(request: PlaceRequest): void;
  /** The VM was stopped; arguments as in `built`. */
  gone(host: number, vcpus: number, plan: Plan | null, nodes: readonly number[]): void;
}

/** null where the policy never places: it is off, or sees no NUMA on such hosts. */
export function placerOf({ profile, placement }: ReplayPolicy, type: HostType, hosts: number): Placer | null {
  if (placement.affinity === null) return null;
  if (placement.tight === true) {
    const online = new Set(type.onlineCpus);
    const cpuToNode = type.planner.cpuToNode.map((node, cpu) => (online.has(cpu) ? node : INVALID_ID));
    const reserveBytes = [profile.planner.node0ReserveBytes ?? 0];
    const state = tight({ reserveBytes }).prepare({ ...type.planner, cpuToNode, nodeCores: type.cores });
    return state === null ? null : new TightPlacer(state, type, hosts);
  }
  if (profile.toolstack === 'libxl') {
    const state = xlPlacement().prepare(type.planner);
    return state === null ? null : new XlPlacer(state, type, hosts);
  }
  const candidates = makeCandidates(type.planner, profile.planner.reading);
  return candidates === null
    ? null
    : new BestEffortPlacer(() => new BestEffortState(type.planner, candidates, profile.planner), type, hosts);
}

/** xenopsd's: what it counts and what it has seen of a host is the host's own. */
class BestEffortPlacer implements Placer {
  readonly #make: () => BestEffortState;
  readonly #states: (BestEffortState | undefined)[];
  readonly #noClaims: readonly number[];

  constructor(make: () => BestEffortState, { nodes }: HostType, hosts: number) {
    this.#make = make;
    this.#states = new Array<undefined>(hosts).fill(undefined);
    this.#noClaims = new Array<number>(nodes).fill(0);
  }

  plan({ host, id, vcpus, cores, memoryBytes, neededBytes, freeBytes }: PlaceRequest): Plan | null {
    let state = this.#states[host];
    if (state === undefined) {
      state = this.#make();
      this.#states[host] = state;
    }
    return state.plan({ vcpus, cores, memoryBytes, freeBytes, claimedBytes: this.#noClaims, build: { id, neededBytes } });
  }

  built({ host, id }: PlaceRequest): void {
    this.#states[host]?.buildFinished(id);
  }

  failed({ host, id }: PlaceRequest): void {
    this.#states[host]?.buildFailed(id);
  }

  /** xenopsd never takes a VM off its node_usage. */
  gone(): void {}
}

const NO_PLAN = { split: [] };

/** Nothing in a plan of `tight` depends on earlier ones but what is given: one state serves all. */
class TightPlacer implements Placer {
  readonly #state: TightState;
  readonly #nodes: number;
  readonly #noClaims: readonly number[];
  /** vCPUs of the plans of living VMs, by node of the fleet. */
  readonly #planned: Int32Array;

  constructor(state: TightState, { nodes }: HostType, hosts: number) {
    this.#state = state;
    this.#nodes = nodes;
    this.#noClaims = new Array<number>(nodes).fill(0);
    this.#planned = new Int32Array(hosts * nodes);
  }

  plan({ host, vcpus, memoryBytes, freeBytes }: PlaceRequest): Plan | null {
    const first = host * this.#nodes;
    const planned = new Array<number>(this.#nodes);
    for (let node = 0; node < this.#nodes; node++) planned[node] = this.#planned[first + node]!;
    return this.#state.plan({ vcpus, cores: 0, memoryBytes, freeBytes, claimedBytes: this.#noClaims, busyCores: busyCores(planned) });
  }

  built({ host }: PlaceRequest, plan: Plan | null): void {
    this.#count(host, plan, 1);
  }

  failed(): void {}

  gone(host: number, _vcpus: number, plan: Plan | null): void {
    this.#count(host, plan, -1);
  }

  #count(host: number, plan: Plan | null, sign: 1 | -1): void {
    const { split } = (plan ?? NO_PLAN) as Pick<TightPlan, 'split'>;
    for (const { node, vcpus } of split) this.#planned[host * this.#nodes + node]! += sign * vcpus;
  }
}

/** libxl's, which counts the vCPUs that Xen has: Domain-0's and the new domain's among them. */
class XlPlacer implements Placer {
  readonly #state: PlacementState;
  readonly #type: HostType;
  readonly #noClaims: readonly number[];
  readonly #allCpus: readonly number[];
  /** By node of the fleet. */
  readonly #vcpus: Int32Array;
  /** vCPUs of a domain of one vCPU by node, by its node affinity. */
  readonly #ofOne = new Map<readonly number[], readonly number[]>();

  constructor(state: PlacementState, type: HostType, hosts: number) {
    this.#state = state;
    this.#type = type;
    this.#noClaims = new Array<number>(type.nodes).fill(0);
    this.#allCpus = type.onlineCpus;
    this.#vcpus = new Int32Array(hosts * type.nodes);
    for (let host = 0; host < hosts; host++) this.#count(host, type.dom0Vcpus, type.cpuNodes.nodes, 1);
  }

  plan({ host, vcpus, memoryBytes, freeBytes }: PlaceRequest): Plan | null {
    const first = host * this.#type.nodes;
    // The new domain's vCPUs exist by now, and may run everywhere.
    const own = this.#nodesOfOne(this.#type.cpuNodes.nodes);
    const vcpusOnNode = Array.from(own, (one, node) => this.#vcpus[first + node]! + vcpus * one);
    const request: PlacementRequest = { vcpus, cores: 0, memoryBytes, freeBytes, claimedBytes: this.#noClaims, vcpusOnNode };
    return this.#state.plan(request);
  }

  built({ host, vcpus }: PlaceRequest, _plan: Plan | null, nodes: readonly number[]): void {
    this.#count(host, vcpus, nodes, 1);
  }

  failed(): void {}

  gone(host: number, vcpus: number, _plan: Plan | null, nodes: readonly number[]): void {
    this.#count(host, vcpus, nodes, -1);
  }

  #count(host: number, vcpus: number, nodes: readonly number[], sign: 1 | -1): void {
    const counts = this.#nodesOfOne(nodes);
    for (let node = 0; node < counts.length; node++) this.#vcpus[host * this.#type.nodes + node]! += sign * vcpus * counts[node]!;
  }

  #nodesOfOne(nodeAffinity: readonly number[]): readonly number[] {
    let counts = this.#ofOne.get(nodeAffinity);
    if (counts === undefined) {
      counts = vcpusOnNodes(this.#type.planner, [{ hard: [this.#allCpus], nodeAffinity, poolCpus: this.#allCpus }]);
      this.#ofOne.set(nodeAffinity, counts);
    }
    return counts;
  }
}
