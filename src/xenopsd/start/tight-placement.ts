// Policy `tight` as a step of VM.build: the plan, its booking until the build has taken the memory,
// and the soft affinity. Part of the box numa_placement; xapi has no such policy, so the rules are
// planner/tight's own.
import { formatList } from '../../base/bitset.js';
import { XenError } from '../../base/errors.js';
import { PAGE_BYTES } from '../../base/units.js';
import type { VirtualNode, VmSpec } from '../../machine/vm.js';
import type { PlannerHost } from '../../planner/policy.js';
import { busyCores } from '../../planner/tight/busy-cores.js';
import type { NodeShare, TightPlan } from '../../planner/tight/request.js';
import { type TightState, tight } from '../../planner/tight/tight.js';
import type { Profile } from '../api/profiles.js';
import { pagesByNode } from './landing.js';
import { machineHost, nodeMemory } from './numa-hierarchy.js';
import type { StartRun } from './start-run.js';
import { largestPartBytes, plannedNodes, refused } from './virtual-nodes.js';

const WEIGHED_SHOWN = 24;

/** What of a start the plan needs; the agent has no more of it. */
export interface PlannedStart {
  readonly vm: Pick<VmSpec, 'vcpusMax'> & Partial<Pick<VmSpec, 'memoryStaticMaxBytes' | 'virtualNodes'>>;
  readonly record: StartRun['record'];
  readonly doors: Pick<StartRun['doors'], 'xc' | 'pagesByNode'>;
}

export interface TightPlacement {
  /** CPUs that every vCPU prefers; null without a plan. */
  readonly cpus: readonly number[] | null;
  /** The node to claim the memory on: a plan of one node has one. */
  readonly node: number | undefined;
  /** The guest's virtual nodes, one on each node of the plan. */
  readonly vnodes?: readonly VirtualNode[];
}

interface Booking {
  readonly shares: readonly NodeShare[];
  /** The guest has virtual nodes: each share is taken from its node alone, one after the other. */
  readonly exact: boolean;
}

/**
 * What policy `tight` remembers between starts: who has been promised memory that is not taken yet,
 * and whose vCPUs keep which cores busy.
 */
export class TightBookings {
  readonly #node0ReserveBytes: number;
  #host: PlannerHost | undefined;
  #state: TightState | null | undefined;
  /** By domid: the shares of a plan whose build is in progress. */
  readonly #booked = new Map<number, Booking>();
  /** By domid: the shares of every living domain that was placed. */
  readonly #placed = new Map<number, readonly NodeShare[]>();

  /** @param node0ReserveBytes as the profile's own planner keeps them */
  constructor(node0ReserveBytes: number | undefined) {
    this.#node0ReserveBytes = node0ReserveBytes ?? 0;
  }

  get nodeUsage(): readonly number[] {
    return this.#state?.nodeUsage ?? [];
  }

  get availableBytes(): readonly number[] {
    return this.#state?.availableBytes ?? [];
  }

  /**
   * Plans, books and notes; nothing waits in here, so that two starts never see the same free
   * memory.
   * @throws StepError when so many virtual nodes have no room
   */
  plan(run: PlannedStart, domid: number, bytes: number, allowedCpus: readonly number[] | undefined): TightPlacement {
    const { vm, record } = run;
    this.#host ??= machineHost(run.doors.xc);
    this.#state ??= tight({ reserveBytes: [this.#node0ReserveBytes] }).prepare(this.#host);
    const state = this.#state;
    const parts = typeof vm.virtualNodes === 'number' ? vm.virtualNodes : undefined;
    if (state === null) {
      if (parts !== undefined) throw refused('VM.build', 'the planner sees no NUMA on this host');
      record.node('numa_placement', { domid, numa: false });
      record.note('no numa', { domid });
      return { cpus: null, node: undefined };
    }
    const { freeBytes, claimedBytes } = nodeMemory(run.doors.xc);
    const booked = this.#bookedBytes(run.doors, freeBytes.length);
    const request = {
      vcpus: vm.vcpusMax,
      cores: 0,
      memoryBytes: parts === undefined ? bytes : Math.max(bytes, parts * largestPartBytes(vm.memoryStaticMaxBytes!, parts)),
      freeBytes,
      claimedBytes: claimedBytes.map((claimed, node) => claimed + booked[node]!),
      busyCores: busyCores(this.#plannedVcpus(freeBytes.length)),
      ...(allowedCpus === undefined ? {} : { allowedCpus }),
      ...(parts === undefined ? {} : { parts }),
    };
    const usageBefore = [...state.nodeUsage];
    const weighed = state.weigh(request, WEIGHED_SHOWN);
    const plan = state.plan(request);
    record.node('numa_placement', {
      domid,
      numa: true,
      ...{ vcpus: request.vcpus, cores: 0, memoryBytes: request.memoryBytes, freeBytes, claimedBytes: request.claimedBytes },
      availableBytes: state.availableBytes,
      usageBefore,
      weighed: weighed.map(({ nodes, averageDistance, freeBytes: free, cpus, verdict }) => ({
        nodes,
        averageDistance,
        freeBytes: free,
        cpus,
        verdict,
      })),
      nodes: plan?.nodes ?? null,
      cpus: plan === null ? null : formatList(plan.cpus),
    });
    const vnodes = plan === null ? null : this.#virtualNodes(vm, plan);
    if (parts !== undefined && vnodes === null)
      throw refused('VM.build', `no ${parts} nodes have room for an equal part of the guest each`);
    if (plan !== null) {
      this.#booked.set(domid, { shares: plan.split, exact: vnodes !== null });
      this.#placed.set(domid, plan.split);
    }
    const node = plan?.nodes.length === 1 ? plan.nodes[0] : undefined;
    return { cpus: plan?.cpus ?? null, node, ...(vnodes === null ? {} : { vnodes }) };
  }

  /** `auto`: where the plan has several nodes, each with the memory of its vCPUs. */
  #virtualNodes({ virtualNodes, memoryStaticMaxBytes }: PlannedStart['vm'], plan: TightPlan): VirtualNode[] | null {
    if (virtualNodes === undefined) return null;
    if (virtualNodes === 'auto' && (plan.nodes.length === 1 || !plan.balanced)) return null;
    return plannedNodes(plan.split, memoryStaticMaxBytes!, this.availableBytes, this.#host!.distances);
  }

  /** A domain that runs already, and was placed by somebody else. */
  adopt(domid: number, shares: readonly NodeShare[]): void {
    this.#placed.set(domid, shares);
  }

  /** Domains that this knows of. */
  get domids(): number[] {
    return [...this.#placed.keys()];
  }

  /** The domain has its memory: nothing is promised to it any more. */
  built(domid: number): void {
    this.#booked.delete(domid);
  }

  gone(domid: number): void {
    this.#booked.delete(domid);
    this.#placed.delete(domid);
  }

  /** By node, as the plans divided them. */
  #plannedVcpus(nodes: number): number[] {
    const planned = new Array<number>(nodes).fill(0);
    for (const shares of this.#placed.values()) for (const { node, vcpus } of shares) planned[node] = planned[node]! + vcpus;
    return planned;
  }

  /**
   * Planned minus allocated bytes of each node, over the builds that go on. What a domain has
   * already counts against its shares evenly, or with virtual nodes against the share of its node.
   */
  #bookedBytes(doors: PlannedStart['doors'], nodes: number): number[] {
    const bytes = new Array<number>(nodes).fill(0);
    for (const [domid, { shares, exact }] of this.#booked) {
      const planned = shares.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
      const taken = (doors.xc.domainInfo(domid)?.totPages ?? 0) * PAGE_BYTES;
      const left = planned === 0 ? 0 : Math.max(0, 1 - taken / planned);
      const pages = exact ? pagesByNode(doors, domid) : [];
      for (const { node, memoryBytes } of shares) {
        const open = exact ? Math.max(0, memoryBytes - (pages[node] ?? 0) * PAGE_BYTES) : memoryBytes * left;
        bytes[node] = bytes[node]! + Math.ceil(open);
      }
    }
    return bytes;
  }
}

/**
 * Claims a plan's memory on its node where Xen has such claims.
 * @returns the node for the builder, undefined without a claim
 */
export function claimForPlan(
  run: StartRun,
  domid: number,
  bytes: number,
  node: number | undefined,
  { nodeClaim }: Profile,
): number | undefined {
  if (node === undefined || !nodeClaim) return undefined;
  const pages = Math.ceil(bytes / PAGE_BYTES);
  try {
    run.xc.domainClaimPages(domid, pages, node);
    run.record.note('claim', { domid, node, pages, errno: null });
    return node;
  } catch (error) {
    if (!(error instanceof XenError)) throw error;
    run.record.note('claim', { domid, node, pages, errno: error.errno });
    return undefined;
  }
}
