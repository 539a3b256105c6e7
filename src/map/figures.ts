// Figures of a host at one moment: where each vCPU may run and prefers to run, how far its memory
// is, and what XenServer publishes for each VM. Pure.

import { Bitset } from '../base/bitset.js';
import { PAGE_BYTES } from '../base/units.js';
import { UNREACHABLE } from '../machine/model.js';
import { type HostMap, isPlaceUnknown, type MapDomain } from './host-map.js';
import { type NumaMetrics, numaMetrics } from './numa-metrics.js';

/**
 * A distance of the SLIT; 'unreachable' where Xen knows none; null where there is nothing to
 * measure (no memory, or no CPU to run on).
 */
export type Distance = number | 'unreachable' | null;

/** Where a vCPU may run. vCPUs with the same masks share one such object. */
export interface VcpuReach {
  /**
   * CPUs of the hard affinity that are online and in the VM's pool: Xen runs it nowhere else.
   * Ascending.
   */
  readonly effective: readonly number[];
  /**
   * Those of `effective` that the soft affinity names, or all of `effective` when it names none of
   * them. Ascending.
   */
  readonly preferred: readonly number[];
  /** Nodes of `preferred`, ascending. */
  readonly nodes: readonly number[];
  /**
   * Index = node; share of `preferred` on that node; sums to 1, or all 0 when it can run nowhere.
   */
  readonly nodeShares: readonly number[];
  /** Does the hard affinity allow every CPU that is online and in the pool? */
  readonly anywhere: boolean;
  /** Is every CPU that it may run on in its soft affinity? False: it may run outside of it. */
  readonly affine: boolean;
}

export interface VcpuFigures extends VcpuReach {
  readonly id: number;
  /** Sum over nodes i, j of nodeShares[i] * (pages[j] / all pages) * distances[i][j]. */
  readonly meanDistance: Distance;
}

/** XenServer's own figures, under its own names. */
export interface XenServerFigures extends NumaMetrics {
  /**
   * vCPUs that may run outside of their soft affinity. XenServer's figure of this name is a rate,
   * the share of a second that vCPUs ran there; a map holds no time, so this is the most that the
   * rate can be.
   */
  readonly numa_node_nonaffine_vcpus: number;
}

export interface DomainFigures {
  readonly domid: number;
  readonly name: string;
  readonly vcpus: readonly VcpuFigures[];
  readonly totalPages: number;
  /** Nodes with pages, ascending. */
  readonly memoryNodes: readonly number[];
  /** Nodes of the vCPUs' preferred CPUs, ascending. */
  readonly vcpuNodes: readonly number[];
  /** Pages on nodes where no vCPU has a preferred CPU. */
  readonly remotePages: number;
  readonly localPages: number;
  /** Index = node: are pages there remote? */
  readonly remoteNode: readonly boolean[];
  /** The memory and the preferred CPUs of all vCPUs are on one and the same node. */
  readonly onOneNode: boolean;
  /**
   * Mean of the vCPUs' mean distances, over those that can run somewhere; all vCPUs count, online
   * or not, as for Xen's node affinity.
   */
  readonly meanDistance: Distance;
  /**
   * Greatest distance from the node of a preferred CPU to a node with pages, few as they may be.
   */
  readonly worstDistance: Distance;
  readonly xenserver: XenServerFigures;
}

export interface NodeFigures {
  readonly id: number;
  readonly totalPages: number;
  readonly freePages: number;
  /** Pages of domains, Domain-0 included. */
  readonly domainPages: number;
  /** Memory that is neither free nor a domain's: Xen itself, its tables, holes. */
  readonly xenPages: number;
  /** Pages here of VMs that have no preferred CPU here; Domain-0 not counted. */
  readonly remotePages: number;
}

export interface HostFigures {
  readonly nodes: readonly NodeFigures[];
  /** Same order as the map's. */
  readonly domains: readonly DomainFigures[];
  /** Sums over the VMs, Domain-0 left out. */
  readonly vms: number;
  readonly vmsOnOneNode: number;
  readonly vmsOptimised: number;
  readonly vcpus: number;
  readonly localPages: number;
  readonly remotePages: number;
  readonly nonaffineVcpus: number;
  /** Mean over the VMs of their mean distance, each weighted with its pages. */
  readonly meanDistance: Distance;
  readonly worstDistance: Distance;
}

/** All figures of a map, in one pass. */
export function hostFigures(map: HostMap): HostFigures {
  const reachOf = reachFinder(map);
  const domains = map.domains.map((domain) => domainFigures(map, domain, reachOf));
  const vms = domains.filter(({ domid }) => domid !== 0);
  const sum = (value: (vm: DomainFigures) => number) => vms.reduce((total, vm) => total + value(vm), 0);
  return {
    nodes: map.nodes.map((node, index) => {
      const totalPages = Math.floor(node.memoryBytes / PAGE_BYTES);
      const domainPages = map.domains.reduce((total, { pages }) => total + (pages[index] ?? 0), 0);
      return {
        id: node.id,
        totalPages,
        freePages: node.freePages,
        domainPages,
        xenPages: Math.max(0, totalPages - node.freePages - domainPages),
        remotePages: map.domains.reduce(
          (total, { domid, pages }, at) => total + (domid !== 0 && domains[at]!.remoteNode[index]! ? (pages[index] ?? 0) : 0),
          0,
        ),
      };
    }),
    domains,
    vms: vms.length,
    vmsOnOneNode: sum((vm) => (vm.onOneNode ? 1 : 0)),
    vmsOptimised: sum((vm) => (vm.xenserver.numa_optimised ? 1 : 0)),
    vcpus: sum((vm) => vm.vcpus.length),
    localPages: sum((vm) => vm.localPages),
    remotePages: sum((vm) => vm.remotePages),
    nonaffineVcpus: sum((vm) => vm.xenserver.numa_node_nonaffine_vcpus),
    meanDistance: meanOf(vms.map((vm) => [vm.meanDistance, vm.totalPages])),
    worstDistance: worstOf(vms.map((vm) => vm.worstDistance)),
  };
}

/** The nodes and the CPUs of a host. */
export type CpuMap = Pick<HostMap, 'nodes' | 'cpus' | 'poolNames'>;

export type ReachFinder = (hard: readonly number[], soft: readonly number[], pool: number) => VcpuReach;

/** Figures of one domain; `hostFigures` gives all of them at less cost. */
export function domainFigures(map: HostMap, domain: MapDomain, reachOf: ReachFinder = reachFinder(map)): DomainFigures {
  const { pages } = domain;
  const totalPages = pages.reduce((sum, count) => sum + count, 0);
  const memoryNodes = map.nodes.flatMap((_, node) => ((pages[node] ?? 0) > 0 ? [node] : []));
  const meanByReach = new Map<VcpuReach, Distance>();
  const vcpus = domain.vcpus.map((vcpu): VcpuFigures => {
    const reach = reachOf(vcpu.hard, vcpu.soft, domain.pool);
    let meanDistance = meanByReach.get(reach);
    if (meanDistance === undefined) {
      meanDistance = meanToMemory(map, reach, memoryNodes, pages);
      meanByReach.set(reach, meanDistance);
    }
    return { id: vcpu.id, ...reach, meanDistance };
  });
  const reached = new Set([...meanByReach.keys()].flatMap(({ nodes }) => nodes));
  const vcpuNodes = [...reached].sort((a, b) => a - b);
  const isUnknown = isPlaceUnknown(domain);
  const remoteNode = map.nodes.map((_, node) => !isUnknown && !reached.has(node));
  const remotePages = memoryNodes.reduce((sum, node) => sum + (remoteNode[node]! ? pages[node]! : 0), 0);
  return {
    domid: domain.domid,
    name: domain.name,
    vcpus,
    totalPages,
    memoryNodes,
    vcpuNodes,
    remotePages,
    localPages: totalPages - remotePages,
    remoteNode,
    onOneNode: !isUnknown && memoryNodes.length === 1 && vcpuNodes.length === 1 && memoryNodes[0] === vcpuNodes[0],
    meanDistance: isUnknown ? null : meanOf(vcpus.map((vcpu) => [vcpu.meanDistance, 1])),
    worstDistance: isUnknown ? null : worstToMemory(map, vcpuNodes, memoryNodes),
    xenserver: {
      ...numaMetrics(
        map.nodes.map((_, node) => pages[node] ?? 0),
        map.nodes.length,
      ),
      numa_node_nonaffine_vcpus: vcpus.reduce((sum, vcpu) => sum + (vcpu.affine ? 0 : 1), 0),
    },
  };
}

/**
 * Finds the reach of masks, each distinct pair once: large hosts have thousands of vCPUs but few
 * masks.
 */
export function reachFinder(map: CpuMap): ReachFinder {
  const width = map.cpus.length;
  const bits = new WeakMap<readonly number[], { set: Bitset; key: string }>();
  const bitsOf = (mask: readonly number[]) => {
    let found = bits.get(mask);
    if (found === undefined) {
      const set = Bitset.of(
        width,
        mask.filter((cpu) => cpu >= 0 && cpu < width),
      );
      found = { set, key: set.words.join('.') };
      bits.set(mask, found);
    }
    return found;
  };
  const usable = new Map<number, Bitset>();
  const usableOf = (pool: number) => {
    let found = usable.get(pool);
    if (found === undefined) {
      found = new Bitset(width);
      for (const cpu of map.cpus) if (cpu?.online && cpu.pool === pool) found.add(cpu.id);
      usable.set(pool, found);
    }
    return found;
  };
  const known = new Map<string, VcpuReach>();
  return (hardMask, softMask, pool) => {
    const hard = bitsOf(hardMask);
    const soft = bitsOf(softMask);
    const key = `${pool}/${hard.key}/${soft.key}`;
    let reach = known.get(key);
    if (reach === undefined) {
      const pooled = usableOf(pool);
      const effective = hard.set.clone().and(pooled);
      const both = effective.clone().and(soft.set);
      const preferred = (both.isEmpty ? effective : both).toArray();
      const counts = map.nodes.map(() => 0);
      for (const cpu of preferred) counts[map.cpus[cpu]!.node]! += 1;
      reach = {
        effective: effective.toArray(),
        preferred,
        nodes: counts.flatMap((count, node) => (count > 0 ? [node] : [])),
        nodeShares: counts.map((count) => (count === 0 ? 0 : count / preferred.length)),
        anywhere: effective.equals(pooled),
        affine: both.equals(effective),
      };
      known.set(key, reach);
    }
    return reach;
  };
}

function distance(map: HostMap, from: number, to: number): Distance {
  const value = map.distances[from]?.[to] ?? UNREACHABLE;
  return value === UNREACHABLE ? 'unreachable' : value;
}

// Plain loops: a large host asks for millions of pairs of nodes.
function meanToMemory(map: HostMap, reach: VcpuReach, memoryNodes: readonly number[], pages: readonly number[]): Distance {
  let sum = 0;
  let weight = 0;
  for (const from of reach.nodes) {
    for (const to of memoryNodes) {
      const value = distance(map, from, to);
      if (value === 'unreachable') return value;
      const share = reach.nodeShares[from]! * pages[to]!;
      sum += (value ?? 0) * share;
      weight += share;
    }
  }
  return weight === 0 ? null : sum / weight;
}

function worstToMemory(map: HostMap, vcpuNodes: readonly number[], memoryNodes: readonly number[]): Distance {
  let worst: Distance = null;
  for (const from of vcpuNodes) {
    for (const to of memoryNodes) {
      const value = distance(map, from, to);
      if (value === 'unreachable') return value;
      if (value !== null && value > (worst ?? -1)) worst = value;
    }
  }
  return worst;
}

/**
 * Weighted mean; one unreachable part of any weight makes the whole unreachable; null parts and
 * parts without weight do not count.
 */
function meanOf(parts: readonly (readonly [Distance, number])[]): Distance {
  let sum = 0;
  let weight = 0;
  for (const [value, share] of parts) {
    if (value === null || share === 0) continue;
    if (value === 'unreachable') return 'unreachable';
    sum += value * share;
    weight += share;
  }
  return weight === 0 ? null : sum / weight;
}

function worstOf(values: readonly Distance[]): Distance {
  if (values.includes('unreachable')) return 'unreachable';
  return values.reduce<number | null>((worst, value) => (typeof value === 'number' && value > (worst ?? -1) ? value : worst), null);
}

/** "10", "14.5", "unreachable", "-" for nothing to measure. */
export function formatDistance(value: Distance): string {
  if (value === null) return '-';
  return typeof value === 'number' ? String(Number(value.toFixed(1))) : value;
}
