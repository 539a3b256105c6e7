// Soft affinity for a running domain: the nodes of its memory, or the node of most of it, if the
// policy allows them, otherwise the nodes that the planner would choose if the domain started now.
// Memory stays where it is.

import { formatList } from '../base/bitset.js';
import { XenError } from '../base/errors.js';
import { nodeWords } from '../map/drift-rules.js';
import { type DomainFigures, domainFigures, type ReachFinder, reachFinder } from '../map/figures.js';
import type { HostMap, MapDomain } from '../map/host-map.js';
import { holdingNodes } from '../map/numa-metrics.js';
import { automaticNodeAffinity } from '../map/union-rule.js';
import { nodesWithMost } from '../planner/rebalance/free-moves.js';
import type { Xenctrl } from '../xenctrl/xenctrl.js';
import type { PolicyName } from '../xenopsd/api/profiles.js';
import { effectivePolicy, type Profile } from '../xenopsd/api/profiles.js';
import { PlaceHost } from './place-host.js';

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
 * Chooses for the domains of one map; what depends on the host alone is worked out once.
 */
export class PlaceChooser {
  readonly #map: HostMap;
  readonly #profile: Profile;
  readonly #policy: string;
  readonly #planner: PlaceHost;
  readonly #reachOf: ReachFinder;
  readonly #lists = new ShortLists();

  /**
   * @param policy a policy that sets soft affinity in the profile
   * @throws InputError for a policy that the profile does not have
   */
  constructor(map: HostMap, profile: Profile, policy: PolicyName) {
    const { name, placement } = effectivePolicy(profile, policy);
    this.#map = map;
    this.#profile = profile;
    this.#policy = name;
    this.#reachOf = reachFinder(map);
    this.#planner = new PlaceHost(map, profile, placement.cores === 'vcpus');
  }

  /**
   * @param before its figures, where they are known already
   * @throws PlannerException where the profile's planner raises an exception
   */
  choose(domain: MapDomain, before: DomainFigures = domainFigures(this.#map, domain, this.#reachOf)): Choice {
    const [map, profile] = [this.#map, this.#profile];
    const nothing = (reason: string): Choice => ({
      ...{ domain, verdict: 'none', reason, nodes: [], cpus: [], before, after: before },
      nodeAffinityAfter: domain.nodeAffinity,
    });
    if (domain.vcpus.length === 0) return nothing('it has no vCPUs');
    if (map.nodes.length === 1) return nothing('the host has one node, so no CPU is nearer to its memory than another');
    if (before.vcpus.some(({ anywhere }) => !anywhere)) return nothing(`its hard affinity is set, and ${this.#policy} places no such VM`);
    const total = before.totalPages;
    if (total === 0) return nothing('its memory by node is not known');
    const wide = domain.vcpus.length;
    const counts = this.#planner.cpuCounts(domain.pool);
    const count = (nodes: readonly number[]) => nodes.reduce((sum, node) => sum + counts[node]!, 0);
    const held = holdingNodes(domain.pages).filter((node) => domain.pages[node]! >= total * SHARE_THAT_COUNTS);
    const why = this.#objection(held, counts, wide);
    if (why === null) return this.#chosen('memory', domain, before, held, `its memory lies on ${nodeWords(held)}`);
    // As a free move of `rebalance`: a plan anew would take the vCPUs away from most of the memory.
    const most = nodesWithMost(domain.pages, held);
    if (most.length === 1 && count(most) >= wide) {
      return this.#chosen('memory', domain, before, most, `most of its memory lies on ${nodeWords(most)}`);
    }
    const plan = this.#planner.plan(domain);
    if (plan === null) return nothing(`${why}, and ${this.#policy} finds no nodes for it`);
    if (profile.multiNodePlanSetsNothing && plan.length > 1) return nothing(`${why}, and ${this.#policy} would need ${nodeWords(plan)}`);
    return this.#chosen('planner', domain, before, plan, `${why}; ${this.#policy} chooses ${nodeWords(plan)}`);
  }

  /**
   * Why a domain's vCPUs cannot all run on the nodes of its memory; null: they can.
   * @param counts CPUs that it may use, index = node
   */
  #objection(held: readonly number[], counts: readonly number[], wide: number): string | null {
    const { name, multiNodePlanSetsNothing } = this.#profile;
    if (multiNodePlanSetsNothing && held.length > 1) return `${name} sets nothing for more than one node`;
    if (held.some((node) => counts[node] === 0)) return `its memory lies on ${nodeWords(held)}, not all of which have CPUs for it`;
    const count = held.reduce((sum, node) => sum + counts[node]!, 0);
    if (count < wide) return `${nodeWords(held)} with its memory has ${count} CPUs for ${wide} vCPUs`;
    const everywhere = counts.filter((cpus) => cpus > 0).length;
    return everywhere > 1 && held.length === everywhere ? 'its memory lies on all nodes' : null;
  }

  #chosen(verdict: 'memory' | 'planner', domain: MapDomain, before: DomainFigures, nodes: readonly number[], reason: string): Choice {
    const map = this.#map;
    const cpus = this.#planner.cpusOf(domain.pool, nodes);
    const placed = { ...domain, vcpus: domain.vcpus.map((vcpu) => ({ ...vcpu, soft: cpus })) };
    const list = this.#lists.of(cpus, map);
    const unchanged = domain.vcpus.every(({ soft }) => this.#lists.of(soft, map) === list);
    return {
      ...{ domain, verdict: unchanged ? 'kept' : verdict, reason, nodes, cpus, before },
      after: domainFigures(map, placed, this.#reachOf),
      // When it is asked for: it takes longer than all the rest, and the page has no use for it.
      get nodeAffinityAfter() {
        const automatic = automaticNodeAffinity(map, domain);
        const real = domain.nodeAffinity.filter((node) => node < map.nodes.length);
        const follows = automatic !== null && formatList(automatic) === formatList(real);
        return follows ? automaticNodeAffinity(map, placed)! : real;
      },
    };
  }
}

/** Lists of CPUs as text, without absent CPUs; domains share few of them. */
class ShortLists {
  readonly #known = new WeakMap<readonly number[], string>();

  of(cpus: readonly number[], map: HostMap): string {
    let list = this.#known.get(cpus);
    if (list === undefined) {
      list = formatList(cpus.filter((cpu) => (map.cpus[cpu] ?? null) !== null));
      this.#known.set(cpus, list);
    }
    return list;
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
