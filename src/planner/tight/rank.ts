// Steps 3 to 5 of the order of policy `tight`: which of several sets that are equally near.
import type { PlannerHost } from '../policy.js';
import type { NodeRoom } from './capacity.js';
import type { NodeShare, TightRequest } from './request.js';
import type { Found } from './search.js';

/** CPU demand for each core above which a node counts as crowded. */
const CROWDED = 1.5;

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
  const tier = Math.max(...split.map((share) => tierOf(share, host, request, coresPerVcpu)));
  const free = nodes.reduce((sum, node) => sum + room.memoryBytes[node]!, 0);
  const prefersFree = nodes.length > 1 || request.vnuma === true;
  return [tier, prefersFree ? -free : free, ...nodes];
}

/** 0: the node's cores cover the demand; 1: 1.5 times as many would; 2: more. */
function tierOf({ node, vcpus }: NodeShare, host: PlannerHost, { busyCores }: TightRequest, coresPerVcpu: number): number {
  const demand = (busyCores?.[node] ?? 0) + vcpus * coresPerVcpu;
  const cores = host.nodeCores[node] ?? 0;
  if (demand <= cores) return 0;
  return demand <= CROWDED * cores ? 1 : 2;
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let at = 0; at < a.length && at < b.length; at++) if (a[at] !== b[at]) return a[at]! - b[at]!;
  return a.length - b.length;
}
