// A boot storm planned as one: in which order VMs start on a host so that policy `tight` places
// them best. Orders are tried on the planner's own figures; the given one is among them, so that
// the result is never worse than starting them one by one.
import type { PlannerHost } from '../policy.js';
import { DEFAULT_CORES_PER_VCPU } from './busy-cores.js';
import type { TightPlan } from './request.js';
import { type TightOptions, tight } from './tight.js';

export interface BatchVm {
  readonly vcpus: number;
  readonly memoryBytes: number;
  readonly allowedCpus?: readonly number[];
  /** Virtual nodes of the guest, an equal part of it each. */
  readonly parts?: number;
}

/** The host before the first of them starts. */
export interface BatchRoom {
  readonly freeBytes: readonly number[];
  readonly claimedBytes: readonly number[];
  readonly busyCores: readonly number[];
}

/** Smaller is better, first number first. */
type Score = readonly [failed: number, bytesNotOnOneNode: number, unbalanced: number, byteDistance: number];

export interface Batch {
  /** Positions of the VMs. */
  readonly order: readonly number[];
  /** By VM; null = it does not fit. */
  readonly plans: readonly (TightPlan | null)[];
}

/** A VM that was placed badly is moved to the front at most so often in all. */
const MOVES = 64;

/** @returns null when the policy places nothing on such a host */
export function planBatch(host: PlannerHost, vms: readonly BatchVm[], room: BatchRoom, options: TightOptions = {}): Batch | null {
  const state = tight(options).prepare(host);
  if (state === null) return null;
  const coresPerVcpu = options.coresPerVcpu ?? DEFAULT_CORES_PER_VCPU;

  const play = (order: readonly number[]): Batch & { readonly score: Score } => {
    const [freeBytes, busyCores] = [[...room.freeBytes], [...room.busyCores]];
    const plans = new Array<TightPlan | null>(vms.length).fill(null);
    for (const at of order) {
      const plan = state.plan({ ...vms[at]!, cores: 0, freeBytes, claimedBytes: room.claimedBytes, busyCores });
      plans[at] = plan;
      for (const { node, vcpus, memoryBytes } of plan?.split ?? []) {
        freeBytes[node]! -= memoryBytes;
        busyCores[node]! += vcpus * coresPerVcpu;
      }
    }
    return { order, plans, score: scoreOf(vms, plans) };
  };

  const given = [...vms.keys()];
  const by = (key: (vm: BatchVm) => number) => given.toSorted((a, b) => key(vms[b]!) - key(vms[a]!) || a - b);
  const allowed = ({ allowedCpus }: BatchVm) => allowedCpus?.length ?? host.cpuToNode.length;
  const orders = [
    given,
    by((vm) => vm.memoryBytes),
    by((vm) => vm.vcpus),
    by((vm) => -allowed(vm) * 2 ** 44 + vm.memoryBytes),
    by((vm) => -vm.memoryBytes),
  ];
  let best = orders.map(play).reduce((a, b) => (compare(b.score, a.score) < 0 ? b : a));
  const tried = new Set<number>();
  for (let moves = 0; moves < MOVES; moves++) {
    const badly = best.order.find((at) => !tried.has(at) && (best.plans[at]?.nodes.length ?? 0) !== 1);
    if (badly === undefined) break;
    tried.add(badly);
    const other = play([badly, ...best.order.filter((at) => at !== badly)]);
    if (compare(other.score, best.score) < 0) best = other;
  }
  return { order: best.order, plans: best.plans };
}

function scoreOf(vms: readonly BatchVm[], plans: readonly (TightPlan | null)[]): Score {
  let [failed, spread, unbalanced, distance] = [0, 0, 0, 0];
  plans.forEach((plan, at) => {
    const { memoryBytes } = vms[at]!;
    if (plan === null) failed++;
    else {
      if (plan.nodes.length > 1) spread += memoryBytes;
      if (!plan.balanced) unbalanced++;
      distance += memoryBytes * plan.meanDistance;
    }
  });
  return [failed, spread, unbalanced, distance];
}

function compare(a: Score, b: Score): number {
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return a[at]! - b[at]!;
  return 0;
}
