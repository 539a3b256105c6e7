// Policy `tight` as a step of VM.build: the plan, its booking until the build has taken the memory,
// and the soft affinity. Part of the box numa_placement; xapi has no such policy, so the rules are
// planner/tight's own.
import { formatList } from '../../base/bitset.js';
import { XenError } from '../../base/errors.js';
import { PAGE_BYTES } from '../../base/units.js';
import type { PlannerHost } from '../../planner/policy.js';
import { busyCores, NODE_0_RESERVE_BYTES } from '../../planner/tight/busy-cores.js';
import type { NodeShare } from '../../planner/tight/request.js';
import { type TightState, tight } from '../../planner/tight/tight.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';
import type { Profile } from '../api/profiles.js';
import { nodeMemory, plannerHost } from './numa-hierarchy.js';
import type { StartRun } from './start-run.js';

const WEIGHED_SHOWN = 24;

export interface TightPlacement {
  /** CPUs that every vCPU prefers; null without a plan. */
  readonly cpus: readonly number[] | null;
  /** The node to claim the memory on: a plan of one node has one. */
  readonly node: number | undefined;
}

/**
 * What policy `tight` remembers between starts: who has been promised memory that is not taken yet,
 * and whose vCPUs keep which cores busy.
 */
export class TightBookings {
  #host: PlannerHost | undefined;
  #state: TightState | null | undefined;
  /** By domid: the shares of a plan whose build is in progress. */
  readonly #booked = new Map<number, readonly NodeShare[]>();
  /** By domid: the shares of every living domain that was placed. */
  readonly #placed = new Map<number, readonly NodeShare[]>();

  get nodeUsage(): readonly number[] {
    return this.#state?.nodeUsage ?? [];
  }

  get availableBytes(): readonly number[] {
    return this.#state?.availableBytes ?? [];
  }

  /**
   * Plans, books and notes; nothing waits in here, so that two starts never see the same free
   * memory.
   */
  plan(run: StartRun, domid: number, bytes: number, allowedCpus: readonly number[] | undefined): TightPlacement {
    const { vm, record } = run;
    this.#host ??= plannerHost(run.doors.xc);
    this.#state ??= tight({ reserveBytes: [NODE_0_RESERVE_BYTES] }).prepare(this.#host);
    const state = this.#state;
    if (state === null) {
      record.node('numa_placement', { domid, numa: false });
      record.note('no numa', { domid });
      return { cpus: null, node: undefined };
    }
    const { freeBytes, claimedBytes } = nodeMemory(run.doors.xc);
    const booked = this.#bookedBytes(run.doors.xc, freeBytes.length);
    const request = {
      vcpus: vm.vcpusMax,
      cores: 0,
      memoryBytes: bytes,
      freeBytes,
      claimedBytes: claimedBytes.map((claimed, node) => claimed + booked[node]!),
      busyCores: busyCores(this.#plannedVcpus(freeBytes.length)),
      ...(allowedCpus === undefined ? {} : { allowedCpus }),
    };
    const usageBefore = [...state.nodeUsage];
    const weighed = state.weigh(request, WEIGHED_SHOWN);
    const plan = state.plan(request);
    record.node('numa_placement', {
      domid,
      numa: true,
      ...{ vcpus: request.vcpus, cores: 0, memoryBytes: bytes, freeBytes, claimedBytes: request.claimedBytes },
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
    if (plan !== null) {
      this.#booked.set(domid, plan.split);
      this.#placed.set(domid, plan.split);
    }
    return { cpus: plan?.cpus ?? null, node: plan?.nodes.length === 1 ? plan.nodes[0] : undefined };
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
   * Planned minus allocated bytes of each node, over the builds that go on; what a domain has
   * already counts against its shares evenly.
   */
  #bookedBytes(xc: Xenctrl, nodes: number): number[] {
    const bytes = new Array<number>(nodes).fill(0);
    for (const [domid, shares] of this.#booked) {
      const planned = shares.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
      const taken = (xc.domainInfo(domid)?.totPages ?? 0) * PAGE_BYTES;
      const left = planned === 0 ? 0 : Math.max(0, 1 - taken / planned);
      for (const { node, memoryBytes } of shares) bytes[node] = bytes[node]! + Math.ceil(memoryBytes * left);
    }
    return bytes;
  }
}

/**
 * Claims a plan's memory on its node where Xen has such claims.
 * @returns the node for the builder, undefined without a claim
 */
export function claimPlanned(
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
