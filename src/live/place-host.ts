// What the choice of nodes for running domains takes from their host: the CPUs of each node, and
// the planner that would choose for a domain that started now. Each part is worked out once, when
// it is first needed: a page asks for a thousand domains of a host of thousands of CPUs.

import { INVALID_ID } from '../base/ids.js';
import { PAGE_BYTES } from '../base/units.js';
import type { HostMap, MapDomain } from '../map/host-map.js';
import { type BestEffortState, bestEffort } from '../planner/best-effort.js';
import type { PlacementRequest, PlannerHost } from '../planner/policy.js';
import { ReachedNodes, type XlCountedDomain, type XlPlacementState, xlPlacement } from '../planner/xl-placement.js';
import type { Profile } from '../xenopsd/api/profiles.js';

export class PlaceHost {
  readonly #map: HostMap;
  readonly #profile: Profile;
  readonly #cores: boolean;
  readonly #pools = new Map<number, PlacePool>();

  /** @param cores whether a plan needs a core for each vCPU */
  constructor(map: HostMap, profile: Profile, cores: boolean) {
    this.#map = map;
    this.#profile = profile;
    this.#cores = cores;
  }

  /** Online CPUs of a pool; index = node. */
  cpuCounts(pool: number): readonly number[] {
    return this.#poolOf(pool).counts;
  }

  /** Online CPUs of a pool on some nodes, ascending; the same array for the same nodes. */
  cpusOf(pool: number, nodes: readonly number[]): readonly number[] {
    return this.#poolOf(pool).cpusOf(nodes);
  }

  /**
   * The planner's nodes if the domain's memory were free again and it started now; null when it
   * finds none.
   * @throws PlannerException where xenopsd's planner raises one
   */
  plan(domain: MapDomain): readonly number[] | null {
    const pool = this.#poolOf(domain.pool);
    const { nodes } = this.#map;
    const request: PlacementRequest = {
      vcpus: domain.vcpus.length,
      cores: this.#cores ? domain.vcpus.length : 0,
      memoryBytes: domain.pages.reduce((sum, pages) => sum + pages, 0) * PAGE_BYTES,
      freeBytes: nodes.map(({ freePages }, node) => (freePages + (domain.pages[node] ?? 0)) * PAGE_BYTES),
      claimedBytes: nodes.map(({ claimedPages }) => claimedPages * PAGE_BYTES),
    };
    return this.#profile.toolstack === 'libxl' ? pool.xlNodes(request, domain) : pool.bestEffortNodes(request, this.#profile);
  }

  #poolOf(id: number): PlacePool {
    let pool = this.#pools.get(id);
    if (pool === undefined) {
      pool = new PlacePool(this.#map, id);
      this.#pools.set(id, pool);
    }
    return pool;
  }
}

/** A CPU pool of the host. */
class PlacePool {
  readonly counts: readonly number[];
  readonly #map: HostMap;
  readonly #id: number;
  readonly #host: PlannerHost;
  readonly #lists = new Map<string, readonly number[]>();
  /** undefined = not made yet. */
  #bestEffort: BestEffortState | null | undefined;
  #xl: XlPool | undefined;

  constructor(map: HostMap, id: number) {
    this.#map = map;
    this.#id = id;
    this.#host = plannerHost(map, id);
    const counts = map.nodes.map(() => 0);
    for (const node of this.#host.cpuToNode) if (node < counts.length) counts[node]!++;
    this.counts = counts;
  }

  cpusOf(nodes: readonly number[]): readonly number[] {
    const key = nodes.join();
    let cpus = this.#lists.get(key);
    if (cpus === undefined) {
      const wanted = new Set(nodes);
      cpus = this.#host.cpuToNode.flatMap((node, cpu) => (wanted.has(node) ? [cpu] : []));
      this.#lists.set(key, cpus);
    }
    return cpus;
  }

  bestEffortNodes(request: PlacementRequest, { name, planner }: Profile): readonly number[] | null {
    if (this.#bestEffort === undefined) {
      // It raises for a CPU without a node, as xenopsd does, and reads no numbers of CPUs.
      const cpuToNode = this.#host.cpuToNode.filter((node) => node !== INVALID_ID);
      this.#bestEffort = bestEffort(name, planner).prepare({ ...this.#host, cpuToNode }) as BestEffortState | null;
    }
    return this.#bestEffort?.preview(request)?.nodes ?? null;
  }

  xlNodes(request: PlacementRequest, domain: MapDomain): readonly number[] | null {
    this.#xl ??= new XlPool(this.#map, this.#id, this.#host);
    return this.#xl.nodes(request, domain);
  }
}

/** xl's placement in a pool. */
class XlPool {
  readonly #map: HostMap;
  readonly #state: XlPlacementState | null;
  readonly #reached: ReachedNodes;
  readonly #suitable: readonly number[];
  /** CPUs of each pool, offline ones too. */
  readonly #poolCpus = new Map<number, readonly number[]>();
  /** vCPUs on each node, of all domains. */
  readonly #vcpus: readonly number[];

  constructor(map: HostMap, pool: number, host: PlannerHost) {
    this.#map = map;
    this.#state = xlPlacement().prepare(host) as XlPlacementState | null;
    this.#reached = new ReachedNodes(host);
    this.#suitable = this.#cpusOf(pool);
    const counts = map.nodes.map(() => 0);
    for (const domain of map.domains) this.#reached.count(this.#counted(domain), 1, counts);
    this.#vcpus = counts;
  }

  nodes(request: PlacementRequest, domain: MapDomain): readonly number[] | null {
    if (this.#state === null) return null;
    const vcpusOnNode = [...this.#vcpus];
    this.#reached.count(this.#counted(domain), -1, vcpusOnNode);
    return this.#state.plan({ ...request, vcpusOnNode, suitableCpus: this.#suitable })?.nodes ?? null;
  }

  #counted({ vcpus, nodeAffinity, pool }: MapDomain): XlCountedDomain {
    return { hard: vcpus.map(({ hard }) => hard), nodeAffinity, poolCpus: this.#cpusOf(pool) };
  }

  #cpusOf(pool: number): readonly number[] {
    let cpus = this.#poolCpus.get(pool);
    if (cpus === undefined) {
      cpus = this.#map.cpus.flatMap((cpu) => (cpu !== null && cpu.pool === pool ? [cpu.id] : []));
      this.#poolCpus.set(pool, cpus);
    }
    return cpus;
  }
}

/**
 * Online CPUs of the domain's pool; the others have INVALID_ID as their node. As in xenopsd, whose
 * planner this asks, core numbers are compared without their sockets (numa-hierarchy.ts).
 */
function plannerHost(map: HostMap, pool: number): PlannerHost {
  const usable = map.cpus.map((cpu) => (cpu?.online === true && cpu.pool === pool ? cpu : null));
  const cores = new Map(map.nodes.map(({ id }) => [id, new Set<number>()]));
  for (const cpu of usable) if (cpu !== null) cores.get(cpu.node)?.add(cpu.core);
  return {
    distances: map.distances,
    cpuToNode: usable.map((cpu) => cpu?.node ?? INVALID_ID),
    nodeCores: map.nodes.map(({ id }) => cores.get(id)!.size),
  };
}
