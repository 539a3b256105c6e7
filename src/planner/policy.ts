// The planner's one small interface: which nodes for this VM? One file a policy; all are pure (no
// clock, no I/O, no Xen).

/** The machine as a placement policy sees it. All arrays are by Xen's node number. */
export interface PlannerHost {
  /**
   * distances[i][j]; UNREACHABLE (0xffffffff) and anything else that a broken SLIT holds may occur.
   */
  readonly distances: readonly (readonly number[])[];
  /** Node of each CPU, index = CPU; 0xffffffff for an absent CPU. */
  readonly cpuToNode: readonly number[];
  /** Physical cores of each node. */
  readonly nodeCores: readonly number[];
}

/** What one VM asks for, and what the host has just before it starts. */
export interface PlacementRequest {
  readonly vcpus: number;
  /** Physical cores wanted (0 = not requested). Only best_effort of 25.39 and later uses it. */
  readonly cores: number;
  readonly memoryBytes: number;
  /** Free bytes of each node as Xen reports them now. */
  readonly freeBytes: readonly number[];
  /** Bytes of each node claimed by domains that are not built yet. */
  readonly claimedBytes: readonly number[];
  /** Existing vCPUs of each node (xl's order); absent for the others. */
  readonly vcpusOnNode?: readonly number[];
  /**
   * The build that follows the plan: an id of the caller's, and what it takes of the whole host.
   * Only the 26.1 line uses it.
   */
  readonly build?: { readonly id: number; readonly neededBytes: number };
  /**
   * CPUs of the domain's pool, the only ones that xl considers; absent = all. The others do not
   * know pools.
   */
  readonly suitableCpus?: readonly number[];
}

export interface Plan {
  /** Ascending. */
  readonly nodes: readonly number[];
  /** CPUs of those nodes, ascending. */
  readonly cpus: readonly number[];
}

/**
 * A candidate set as the policy weighed it, for `explain`; why it was passed over, or that it was
 * chosen.
 */
export interface Weighed {
  readonly nodes: readonly number[];
  readonly averageDistance: number;
  readonly freeBytes: number;
  readonly cpus: number;
  readonly verdict: 'chosen' | 'too little memory' | 'too few CPUs' | 'too few cores' | 'used more' | 'farther';
}

/**
 * The state of a policy on one host for as long as the toolstack runs (xenopsd's node_usage, its
 * ratchet of free memory).
 */
export interface PlacementState {
  /** The plan, or null when nothing fits. Changes the state, as the real planner does. */
  plan(request: PlacementRequest): Plan | null;
  /**
   * The same decision without changing the state, with the sets in the order they were weighed; at
   * most `most` of them.
   */
  weigh(request: PlacementRequest, most: number): Weighed[];
  /** The build of that id has its memory, or has failed. */
  buildFinished?(id: number): void;
  buildFailed?(id: number): void;
  /** VMs that this planner believes are on each node. Never decremented in xenopsd. */
  readonly nodeUsage: readonly number[];
  /**
   * Free memory of each node as the last plan saw it (the ratchet of 25.6 shows here); empty before
   * the first plan.
   */
  readonly availableBytes: readonly number[];
}

export interface PlacementPolicy {
  /** "best_effort (25.6)" */
  readonly name: string;
  /** null = the policy sees no NUMA on this host and will never place. */
  prepare(host: PlannerHost): PlacementState | null;
}
