// The union rule: the nodes that Xen gives a domain with automatic node affinity, from the affinity
// of all its vCPUs. Source: domain_update_node_aff(), xen/common/sched/core.c:1809-1876
// (7cf163879).
import type { HostMap, MapDomain } from './host-map.js';

/** CPU lists of one vCPU as Xen stores them; CPUs that are offline or absent may be among them. */
export interface VcpuMasks {
  readonly hard: Iterable<number>;
  readonly soft: Iterable<number>;
}

/** The CPUs that a domain could use. */
export interface DomainCpus {
  /** The online CPUs of its pool. */
  readonly poolCpus: Iterable<number>;
  /** undefined = the CPU is on no node that Xen knows. */
  nodeOf(cpu: number): number | undefined;
}

/**
 * Let `hard` be the union of all hard masks within the pool's CPUs, and `soft` the union of all
 * soft masks within `hard`. The node affinity is the nodes of `soft`, or those of `hard` when
 * `soft` is empty. So one vCPU without restrictions makes the domain span every node of its pool.
 * @returns node numbers, ascending; null without vCPUs, when Xen leaves the node affinity as it is
 */
export function unionRule(vcpus: readonly VcpuMasks[], { poolCpus, nodeOf }: DomainCpus): number[] | null {
  if (vcpus.length === 0) return null;
  const hardUnion = new Set<number>();
  const softUnion = new Set<number>();
  for (const { hard, soft } of vcpus) {
    for (const cpu of hard) hardUnion.add(cpu);
    for (const cpu of soft) softUnion.add(cpu);
  }
  const hard = [...poolCpus].filter((cpu) => hardUnion.has(cpu));
  const soft = hard.filter((cpu) => softUnion.has(cpu));
  const nodes = new Set<number>();
  for (const cpu of soft.length > 0 ? soft : hard) {
    const node = nodeOf(cpu);
    if (node !== undefined) nodes.add(node);
  }
  return [...nodes].sort((a, b) => a - b);
}

/** The union rule on a domain of a host map. */
export function automaticNodeAffinity(map: Pick<HostMap, 'cpus'>, { vcpus, pool }: Pick<MapDomain, 'vcpus' | 'pool'>): number[] | null {
  return unionRule(vcpus, {
    poolCpus: map.cpus.flatMap((cpu) => (cpu?.online === true && cpu.pool === pool ? [cpu.id] : [])),
    nodeOf: (cpu) => map.cpus[cpu]?.node,
  });
}
