// Steps 3 to 5 of the order of policy `tight`: which of several sets that are equally near.
import type { PlannerHost } from '../policy.js';
import { CROWDED } from './busy-cores.js';
import type { NodeRoom } from './capacity.js';
import type { NodeShare, TightRequest } from './request.js';
import type { Found } from './search.js';

export interface RankContext {
  readonly host: PlannerHost;
  readonly room: NodeRoom;
  readonly request: TightRequest;
  readonly coresPerVcpu: number;
}

type Candidate = Found & { readonly split: readonly NodeShare[] };

/** Best first. */
export function rank(candidates: readonly Candidate[], context: RankContext): Candidate[] {
  const keyed = candidates.map((candidate) => ({ candidate, key: keyOf(candidate, context) }));
  keyed.sort((a, b) => compare(a.key, b.key));
  return keyed.map(({ candidate }) => candidate);
}

/** Smaller is better, first number first. */
function keyOf({ nodes, split }: Candidate, { host, room, request, coresPerVcpu }: RankContext): number[] {
  let tier = 0;
  for (const { node, vcpus } of split) tier = Math.max(tier, tierOf(node, vcpus, host, request, coresPerVcpu));
  let free = 0;
  for (const node of nodes) free += room.memoryBytes[node]!;
  const prefersFree = nodes.length > 1 || request.vnuma === true || request.parts !== undefined;
  return [tier, prefersFree ? -free : free, ...nodes];
}

/**
 * The node that `rank` would put first of all that hold the VM alone.
 * @param distance only nodes of this own distance count
 * @returns -1 = there is none
 */
export function bestSingle(ownDistance: (node: number) => number, distance: number, context: RankContext): number {
  const { host, room, request, coresPerVcpu } = context;
  const sign = request.vnuma === true ? -1 : 1;
  let best = -1;
  let bestTier = 0;
  let bestFree = 0;
  for (let node = 0; node < room.vcpus.length; node++) {
    const holds = room.vcpus[node]!;
    if (holds === 0 || holds < request.vcpus || ownDistance(node) !== distance) continue;
    const tier = tierOf(node, request.vcpus, host, request, coresPerVcpu);
    const free = sign * room.memoryBytes[node]!;
    if (best !== -1 && (tier > bestTier || (tier === bestTier && free >= bestFree))) continue;
    best = node;
    bestTier = tier;
    bestFree = free;
  }
  return best;
}

/**
 * Of two nodes of one set of several, whether the first is to be in it rather than the other: steps
 * 3 to 5 for each node alone.
 * @param vcpus that either would get
 */
export function preferNode(vcpus: number, { host, room, request, coresPerVcpu }: RankContext): (a: number, b: number) => number {
  const tier = (node: number) => tierOf(node, vcpus, host, request, coresPerVcpu);
  return (a, b) => tier(a) - tier(b) || room.memoryBytes[b]! - room.memoryBytes[a]! || a - b;
}

/** 0: the node's cores cover the demand; 1: 1.5 times as many would; 2: more. */
function tierOf(node: number, vcpus: number, host: PlannerHost, { busyCores }: TightRequest, coresPerVcpu: number): number {
  const demand = (busyCores?.[node] ?? 0) + vcpus * coresPerVcpu;
  const cores = host.nodeCores[node] ?? 0;
  if (demand <= cores) return 0;
  return demand <= CROWDED * cores ? 1 : 2;
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let at = 0; at < a.length && at < b.length; at++) if (a[at] !== b[at]) return a[at]! - b[at]!;
  return a.length - b.length;
}
