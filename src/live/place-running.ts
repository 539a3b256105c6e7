// Soft affinity for a running domain: the nodes of its memory, or the node of most of it, if the
// policy allows them, otherwise the nodes that the planner would choose if the domain started now.
// Memory stays where it is.

import { formatList } from '../base/bitset.js';
import { XenError } from '../base/errors.js';
import { INVALID_ID } from '../base/ids.js';
import { PAGE_BYTES } from '../base/units.js';
import { nodeWords } from '../map/drift-rules.js';
import { type DomainFigures, domainFigures, reachFinder } from '../map/figures.js';
import type { HostMap, MapDomain } from '../map/host-map.js';
import { holdingNodes } from '../map/numa-metrics.js';
import { automaticNodeAffinity } from '../map/union-rule.js';
import { bestEffort } from '../planner/best-effort.js';
import type { PlacementRequest, PlannerHost } from '../planner/policy.js';
import { nodesWithMost } from '../planner/rebalance/free-moves.js';
import { vcpusOnNodes, xlPlacement } from '../planner/xl-placement.js';
import type { Xenctrl } from '../xenctrl/xenctrl.js';
import type { PolicyName } from '../xenopsd/api/profiles.js';
import { effectivePolicy, type Profile } from '../xenopsd/api/profiles.js';

/** A node with less of a domain's memory than this share draws no vCPUs to it. */
const SHARE_THAT_COUNTS = 0.05;

export interface Choice {
  readonly domain: MapDomain;
  /**
   * memory: the nodes of its memory, or the node of most of it; planner: the nodes that the policy
   * chooses; kept: the soft affinity is right already; none: nothing is set.
   */
  readonly verdict: 'memory' | 'planner' | 'kept' | 'none';
  /** The reason, as a clause. */
  readonly reason: string;
  /** [] with verdict none. */
  readonly nodes: readonly number[];
  /** Soft affinity of every vCPU; [] with verdict none. */
  readonly cpus: readonly number[];
  readonly before: DomainFigures;
  readonly after: DomainFigures;
  /** Node affinity afterwards, if it follows the vCPUs. */
  readonly nodeAffinityAfter: readonly number[];
}

/**
 * @param policy a policy that sets soft affinity in the profile
 * @throws InputError for a policy that the profile does not have
 */
export function choosePlace(map: HostMap, domain: MapDomain, profile: Profile, policy: PolicyName): Choice {
  const { name, placement } = effectivePolicy(profile, policy);
  const before = domainFigures(map, domain);
  const nothing = (reason: string): Choice => ({
    ...{ domain, verdict: 'none', reason, nodes: [], cpus: [], before, after: before },
    nodeAffinityAfter: domain.nodeAffinity,
  });
  if (domain.vcpus.length === 0) return nothing('it has no vCPUs');
  if (map.nodes.length === 1) return nothing('the host has one node, so no CPU is nearer to its memory than another');
  const reachOf = reachFinder(map);
  if (domain.vcpus.some(({ hard, soft }) => !reachOf(hard, soft, domain.pool).anywhere)) {
    return nothing(`its hard affinity is set, and ${name} places no such VM`);
  }
  const total = before.totalPages;
  if (total === 0) return nothing('its memory by node is not known');
  const host = plannerHost(map, domain.pool);
  const count = (nodes: readonly number[]) => nodes.reduce((sum, node) => sum + host.cpuToNode.filter((one) => one === node).length, 0);
  const wide = domain.vcpus.length;
  const held = holdingNodes(domain.pages).filter((node) => domain.pages[node]! >= total * SHARE_THAT_COUNTS);
  const everywhere = new Set(host.cpuToNode.filter((node) => node !== INVALID_ID));
  const several = profile.multiNodePlanSetsNothing && held.length > 1;
  let why: string | null = null;
  if (several) why = `${profile.name} sets nothing for more than one node`;
  else if (held.some((node) => !everywhere.has(node))) {
    why = `its memory lies on ${nodeWords(held)}, not all of which have CPUs for it`;
  } else if (count(held) < wide) why = `${nodeWords(held)} with its memory has ${count(held)} CPUs for ${wide} vCPUs`;
  else if (everywhere.size > 1 && held.length === everywhere.size) why = 'its memory lies on all nodes';
  if (why === null) return chosen('memory', held, `its memory lies on ${nodeWords(held)}`);
  // As a free move of `rebalance`: a plan anew would take the vCPUs away from most of the memory.
  const most = nodesWithMost(domain.pages, held);
  if (most.length === 1 && count(most) >= wide) return chosen('memory', most, `most of its memory lies on ${nodeWords(most)}`);
  const plan = planFor(map, domain, profile, host, placement.cores === 'vcpus');
  if (plan === null) return nothing(`${why}, and ${name} finds no nodes for it`);
  if (profile.multiNodePlanSetsNothing && plan.length > 1) return nothing(`${why}, and ${name} would need ${nodeWords(plan)}`);
  return chosen('planner', plan, `${why}; ${name} chooses ${nodeWords(plan)}`);

  function chosen(verdict: 'memory' | 'planner', nodes: readonly number[], reason: string): Choice {
    const cpus = host.cpuToNode.flatMap((node, cpu) => (nodes.includes(node) ? [cpu] : []));
    const placed = { ...domain, vcpus: domain.vcpus.map((vcpu) => ({ ...vcpu, soft: cpus })) };
    const list = formatList(cpus);
    const unchanged = domain.vcpus.every(({ soft }) => formatList(soft.filter((cpu) => (map.cpus[cpu] ?? null) !== null)) === list);
    const automatic = automaticNodeAffinity(map, domain);
    const real = domain.nodeAffinity.filter((node) => node < map.nodes.length);
    const follows = automatic !== null && formatList(automatic) === formatList(real);
    return {
      domain,
      verdict: unchanged ? 'kept' : verdict,
      reason,
      nodes,
      cpus,
      before,
      after: domainFigures(map, placed),
      nodeAffinityAfter: follows ? automaticNodeAffinity(map, placed)! : real,
    };
  }
}

/** In hundredths: a change below that is none. */
const rounded = (distance: DomainFigures['meanDistance']) => (typeof distance === 'number' ? Math.round(distance * 100) : null);

/**
 * Whether a change brings the domain's vCPUs nearer to its memory: a shorter mean distance, or the
 * same with more memory on the nodes of its vCPUs.
 */
export function bringsNearer({ before, after }: Pick<Choice, 'before' | 'after'>): boolean {
  const [now, then] = [rounded(before.meanDistance), rounded(after.meanDistance)];
  if (now !== null && then !== null && now !== then) return then < now;
  return after.remotePages < before.remotePages;
}

/**
 * The planner's nodes if the domain's memory were free again and it started now; null when it finds
 * none.
 */
function planFor(map: HostMap, domain: MapDomain, profile: Profile, host: PlannerHost, cores: boolean): readonly number[] | null {
  const policy = profile.toolstack === 'libxl' ? xlPlacement() : bestEffort(profile.name, profile.planner);
  const others = map.domains.filter(({ domid }) => domid !== domain.domid);
  const pool = map.cpus.flatMap((cpu) => (cpu !== null && cpu.pool === domain.pool ? [cpu.id] : []));
  const request: PlacementRequest = {
    vcpus: domain.vcpus.length,
    cores: cores ? domain.vcpus.length : 0,
    memoryBytes: domain.pages.reduce((sum, pages) => sum + pages, 0) * PAGE_BYTES,
    freeBytes: map.nodes.map(({ freePages }, node) => (freePages + (domain.pages[node] ?? 0)) * PAGE_BYTES),
    claimedBytes: map.nodes.map(({ claimedPages }) => claimedPages * PAGE_BYTES),
    vcpusOnNode: vcpusOnNodes(
      host,
      others.map(({ vcpus, nodeAffinity, pool: id }) => ({
        hard: vcpus.map(({ hard }) => hard),
        nodeAffinity,
        poolCpus: map.cpus.flatMap((cpu) => (cpu !== null && cpu.pool === id ? [cpu.id] : [])),
      })),
    ),
    suitableCpus: pool,
  };
  // best_effort raises for a CPU without a node, as xenopsd does, and reads no numbers of CPUs.
  // xl's placement reads those that the request names.
  const seen = profile.toolstack === 'libxl' ? host : { ...host, cpuToNode: host.cpuToNode.filter((node) => node !== INVALID_ID) };
  return policy.prepare(seen)?.plan(request)?.nodes ?? null;
}

/**
 * Online CPUs of the domain's pool; the others have INVALID_ID as their node. As in xenopsd, whose
 * planner this asks, core numbers are compared without their sockets (numa-hierarchy.ts).
 */
function plannerHost(map: HostMap, pool: number): PlannerHost {
  const usable = map.cpus.map((cpu) => (cpu?.online === true && cpu.pool === pool ? cpu : null));
  // In one pass: a page asks it for each VM of a host of thousands of CPUs.
  const cores = new Map(map.nodes.map(({ id }) => [id, new Set<number>()]));
  for (const cpu of usable) if (cpu !== null) cores.get(cpu.node)?.add(cpu.core);
  return {
    distances: map.distances,
    cpuToNode: usable.map((cpu) => cpu?.node ?? INVALID_ID),
    nodeCores: map.nodes.map(({ id }) => cores.get(id)!.size),
  };
}

/**
 * Sets the affinity of every vCPU, or of none: after a failure, the masks set before are restored.
 * @throws XenError when Xen refuses
 */
export function applyPlace(xc: Xenctrl, { domain, cpus }: Pick<Choice, 'domain' | 'cpus'>): void {
  const done: { id: number; soft: readonly number[] }[] = [];
  try {
    for (const { id } of domain.vcpus) {
      const { soft } = xc.vcpuGetAffinity(domain.domid, id);
      xc.vcpuSetAffinity(domain.domid, id, { soft: cpus });
      done.push({ id, soft });
    }
  } catch (error) {
    // The domain may be gone by now. Then there is nothing to restore.
    if (error instanceof XenError && xc.domainInfo(domain.domid) !== null) {
      for (const { id, soft } of done) xc.vcpuSetAffinity(domain.domid, id, { soft });
    }
    throw error;
  }
}
