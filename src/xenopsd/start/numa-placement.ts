// numa_placement: the choice of nodes, affinity and claim; and xenopsd's state between VMs, defects
// included (xen-api 90ef043c, ocaml/xenopsd/xc/domain.ml 862-897; e2ee48d6, 996-1101 and
// 1186-1251). Box of the chart: numa_placement.

import { formatList } from '../../base/bitset.js';
import { XenError } from '../../base/errors.js';
import { MIB, PAGE_BYTES } from '../../base/units.js';
import type { VirtualNode } from '../../machine/vm.js';
import { bestEffort } from '../../planner/best-effort.js';
import { MAX_SUBSET_NODES, PlannerException } from '../../planner/candidates.js';
import type { PlacementRequest, PlacementState, Plan, PlannerHost, Weighed } from '../../planner/policy.js';
import type { Placement, Profile } from '../api/profiles.js';
import { nodeMemory, plannerHost } from './numa-hierarchy.js';
import { placedMib, refusesNode } from './numa-rules.js';
import { calling, type StartRun } from './start-run.js';
import { claimForPlan, TightBookings } from './tight-placement.js';
import { TurnMutex } from './turns.js';
import { checkPlannedNodes, noteVirtualNodes, preferredCpus } from './virtual-nodes.js';

/** Sets of nodes that the record shows at most. */
const WEIGHED_SHOWN = 24;

/** What a failure says of a host whose table of CPUs has gaps, after the text of xenopsd's own. */
const WITHOUT_NODE = "xapi's planner fails on a host with CPUs that have no node, here CPUs ";

/** The CPUs, where the failure of a start names CPUs without a node; else null. */
export function cpusWithoutNode(failure: string): string | null {
  const [, cpus] = failure.split(WITHOUT_NODE);
  return cpus === undefined ? null : cpus;
}

/** @throws PlannerException that names the CPUs without a node, if there are any */
function prepared(host: PlannerHost, { name, planner }: Profile): PlacementState | null {
  try {
    return bestEffort(name, planner).prepare(host);
  } catch (error) {
    const gaps = host.cpuToNode.flatMap((node, cpu) => (node < host.distances.length ? [] : [cpu]));
    if (!(error instanceof PlannerException) || gaps.length === 0) throw error;
    throw new PlannerException(`${error.message}; ${WITHOUT_NODE}${formatList(gaps)}`, { cause: error });
  }
}

/** A placement's parameters for the builder. */
export interface BuildNodes {
  /** -mem_pnode: the node that the memory is claimed on. */
  readonly node?: number;
  /** The guest's virtual nodes, in their order. */
  readonly vnodes?: readonly VirtualNode[];
}

/** State of a running xenopsd. A restart, such as an upgrade, clears it. */
export class NumaState {
  readonly #mutex = new TurnMutex();
  readonly #profile: Profile;
  readonly #tight: TightBookings;
  #host: PlannerHost | undefined;
  #state: PlacementState | null | undefined;
  /** Nodes of the plan that each living domain was started with. */
  readonly #placed = new Map<number, readonly number[]>();
  /** Parts of #placed: living domains by node, and domains without memory yet. */
  readonly #living: number[] = [];
  readonly #unbuilt = new Set<number>();

  constructor(profile: Profile) {
    this.#profile = profile;
    this.#tight = new TightBookings(profile.planner.node0ReserveBytes);
  }

  get nodeUsage(): readonly number[] {
    return this.#state?.nodeUsage ?? this.#tight.nodeUsage;
  }

  get availableBytes(): readonly number[] {
    return this.#state?.availableBytes ?? this.#tight.availableBytes;
  }

  built(domid: number): void {
    this.#tight.built(domid);
    this.#state?.buildFinished?.(domid);
    this.#unbuilt.delete(domid);
  }

  /** Only for what the record says: xenopsd itself never takes a VM off its node_usage. */
  gone(domid: number): void {
    this.#tight.gone(domid);
    // A no-op once the domain is built.
    this.#state?.buildFailed?.(domid);
    for (const node of this.#placed.get(domid) ?? []) this.#living[node] = this.#living[node]! - 1;
    this.#placed.delete(domid);
    this.#unbuilt.delete(domid);
  }

  /**
   * Plans and sets the affinity of every vCPU; in later profiles claims the memory.
   * @param allowedCpus CPUs of the VM's hard mask; only policy `tight` places within one
   * @throws StepError for virtual nodes that the VM cannot have, or that no nodes have room for
   */
  async place(run: StartRun, domid: number, placement: Placement, allowedCpus?: readonly number[]): Promise<BuildNodes> {
    return calling('NUMA placement', async () => {
      const profile = this.#profile;
      if (placement.tight === true) return this.#placeTightly(run, domid, placement, allowedCpus);
      const claimed = profile.nodeClaim
        ? await this.#mutex.with(run.turn, () => this.#planAndClaim(run, domid, placement))
        : await this.#planOnly(run, domid, placement);
      if (claimed === undefined && profile.globalClaim) globalClaim(run, domid);
      return claimed === undefined ? {} : { node: claimed };
    });
  }

  async #placeTightly(run: StartRun, domid: number, placement: Placement, allowedCpus: readonly number[] | undefined): Promise<BuildNodes> {
    checkPlannedNodes(run);
    const bytes = placedBytes(run);
    const { cpus, node, vnodes } = this.#tight.plan(run, domid, bytes, allowedCpus);
    await run.step('plan made');
    if (cpus === null) return {};
    if (vnodes !== undefined) {
      noteVirtualNodes(run, domid, vnodes, 'tight');
      setAffinity(run, domid, preferredCpus(run, vnodes), placement, this.#profile);
      return { vnodes };
    }
    setAffinity(run, domid, sameForAll(run, cpus), placement, this.#profile);
    const claimed = claimForPlan(run, domid, bytes, node, this.#profile);
    return claimed === undefined ? {} : { node: claimed };
  }

  async #planOnly(run: StartRun, domid: number, placement: Placement): Promise<undefined> {
    const plan = await this.#mutex.with(run.turn, () => this.#plan(run, domid, placement));
    // The lock is free again: another start may plan before this one's affinity is set.
    await run.step('plan made');
    if (plan !== null) setAffinity(run, domid, sameForAll(run, plan.cpus), placement, this.#profile);
  }

  /**
   * The claim of a profile on a node, under xenopsd's NUMA mutex, so that no other start plans
   * between a plan and its booking (xen-api e2ee48d6, ocaml/xenopsd/xc/domain.ml 1067-1085;
   * v26.1.19, 1217-1237). Profiles that claim host-wide do so after it (`globalClaim`).
   * @returns the node that the memory is claimed on; undefined when there is none
   */
  async #planAndClaim(run: StartRun, domid: number, placement: Placement): Promise<number | undefined> {
    const profile = this.#profile;
    const plan = await this.#plan(run, domid, placement);
    if (plan === null) return undefined;
    if (profile.affinityBeforeClaim) setAffinity(run, domid, sameForAll(run, plan.cpus), placement, profile);
    const [node] = plan.nodes;
    if (plan.nodes.length !== 1) {
      if (profile.multiNodePlanSetsNothing) {
        run.record.surprise('multi-node-plan-sets-nothing', { domid, nodes: plan.nodes });
      }
      return undefined;
    }
    await run.step('claim on a node');
    const pages = Math.ceil(placedBytes(run) / PAGE_BYTES);
    let errno: XenError['errno'] | null = null;
    try {
      run.xc.domainClaimPages(domid, pages, node);
    } catch (error) {
      if (!(error instanceof XenError)) throw error;
      errno = error.errno;
    }
    run.record.note('claim', { domid, node: node!, pages, errno });
    if (errno !== null)
      run.record.surprise(refusesNode(profile, errno) ? 'claim-refused' : 'no-node-claims', { domid, node: node!, pages, errno });
    if (!profile.affinityBeforeClaim && !refusesNode(profile, errno))
      setAffinity(run, domid, sameForAll(run, plan.cpus), placement, profile);
    return errno === null ? node : undefined;
  }

  async #plan(run: StartRun, domid: number, placement: Placement): Promise<Plan | null> {
    const { vm, record } = run;
    this.#host ??= plannerHost(run.doors.xc);
    this.#state = this.#state === undefined ? prepared(this.#host, this.#profile) : this.#state;
    const state = this.#state;
    if (state === null) {
      record.node('numa_placement', { domid, numa: false });
      record.note('no numa', { domid });
      return null;
    }
    const request: PlacementRequest = {
      vcpus: vm.vcpusMax,
      cores: placement.cores === 'vcpus' ? vm.vcpusMax : 0,
      memoryBytes: placedBytes(run),
      build: { id: domid, neededBytes: run.memory.requiredHostFreeMib * MIB },
      ...nodeMemory(run.doors.xc),
    };
    const usageBefore = [...state.nodeUsage];
    const weighed = state.weigh(request, WEIGHED_SHOWN);
    const plan = state.plan(request);
    record.node('numa_placement', {
      domid,
      numa: true,
      vcpus: request.vcpus,
      cores: request.cores,
      memoryBytes: request.memoryBytes,
      freeBytes: request.freeBytes,
      claimedBytes: request.claimedBytes,
      availableBytes: state.availableBytes,
      usageBefore,
      weighed: weighed.map(weighedValues),
      nodes: plan?.nodes ?? null,
      cpus: plan === null ? null : formatList(plan.cpus),
    });
    this.#noteSurprises(run, domid, request, usageBefore, plan);
    if (plan !== null) this.#book(domid, plan);
    return plan;
  }

  #book(domid: number, { nodes }: Plan): void {
    this.#placed.set(domid, nodes);
    this.#unbuilt.add(domid);
    for (const node of nodes) this.#living[node] = (this.#living[node] ?? 0) + 1;
  }

  #noteSurprises(run: StartRun, domid: number, request: PlacementRequest, usageBefore: readonly number[], plan: Plan | null): void {
    const { record } = run;
    const { distances, cpuToNode } = this.#host!;
    const cpus = cpuToNode.filter((node) => node < distances.length).length;
    if (request.vcpus > cpus) record.surprise('more-vcpus-than-cpus', { domid, vcpus: request.vcpus, cpus });
    if (distances.length > MAX_SUBSET_NODES && plan === null) record.surprise('single-nodes-only', { domid, nodes: distances.length });
    if (this.#profile.planner.ratchet) {
      const seen = this.availableBytes;
      const lower = request.freeBytes.flatMap((free, node) =>
        seen[node]! < free ? [{ node, freeBytes: free, seenBytes: seen[node]! }] : [],
      );
      if (lower.length > 0) record.surprise('ratchet', { domid, nodes: lower });
    }
    const stale = usageBefore.flatMap((count, node) => {
      const living = this.#living[node] ?? 0;
      return count > living ? [{ node, count, living }] : [];
    });
    if (stale.length > 0) record.surprise('usage-never-falls', { domid, nodes: stale });
    const { deductClaims, trackBuilds } = this.#profile.planner;
    if (plan !== null && !deductClaims && trackBuilds !== true) {
      const racing = [...this.#unbuilt].filter((other) => this.#placed.get(other)!.some((node) => plan.nodes.includes(node)));
      if (racing.length > 0) record.surprise('plan-not-deducted', { domid, others: racing, nodes: plan.nodes });
    }
  }
}

function weighedValues(one: Weighed) {
  const { nodes, averageDistance, freeBytes, cpus, verdict } = one;
  return { nodes, averageDistance, freeBytes, cpus, verdict };
}

function placedBytes({ profile, memory }: StartRun): number {
  return placedMib(profile, memory) * MIB;
}

function sameForAll({ vm }: StartRun, cpus: readonly number[]): (readonly number[])[] {
  return new Array<readonly number[]>(vm.vcpusMax).fill(cpus);
}

/** @param masks CPUs by vCPU */
function setAffinity(run: StartRun, domid: number, masks: readonly (readonly number[])[], placement: Placement, profile: Profile): void {
  const { record, xc, vm } = run;
  if (vm.kind !== 'pv') record.surprise('pool-before-placement', { domid, bytes: run.memory.shadowMib * MIB });
  for (const [vcpu, cpus] of masks.entries()) {
    if (placement.affinity === 'hard') {
      xc.vcpuSetAffinity(domid, vcpu, { hard: cpus });
      continue;
    }
    record.edge('numa_placement -> XEN_VCPUAFFINITY_SOFT');
    try {
      xc.vcpuSetAffinity(domid, vcpu, { soft: cpus });
    } catch (error) {
      if (!(error instanceof XenError) || !profile.softFailureIgnored) throw error;
      record.note('soft affinity failed', { domid, vcpu, errno: error.errno });
    }
  }
  const all = [...new Set(masks)].flat().sort((a, b) => a - b);
  if (placement.affinity === 'soft') record.surprise('soft-is-a-preference', { domid, cpus: formatList(all) });
}

/**
 * So that this build does not take memory that others claimed. ENOMEM fails the build, any other
 * error is noted and ignored (xen-api e2ee48d6, ocaml/xenopsd/xc/domain.ml 1186-1251).
 */
function globalClaim(run: StartRun, domid: number): void {
  const pages = Math.ceil(placedBytes(run) / PAGE_BYTES);
  let errno: XenError['errno'] | null = null;
  try {
    run.xc.domainClaimPages(domid, pages);
  } catch (error) {
    if (!(error instanceof XenError)) throw error;
    errno = error.errno;
    if (errno === 'ENOMEM') {
      run.record.note('claim', { domid, node: null, pages, errno });
      throw error;
    }
  }
  run.record.note('claim', { domid, node: null, pages, errno });
}
