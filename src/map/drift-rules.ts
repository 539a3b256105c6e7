// The rules of the judge, one function for each kind of drift.
import { formatList } from '../base/bitset.js';
import { percentOf } from '../base/phrases.js';
import { formatBytes, PAGE_BYTES } from '../base/units.js';
import { type Drift, type DriftCode, drift, type Expected, type ExpectedMasks } from './drift.js';
import type { CpuMap, VcpuReach } from './figures.js';
import { type MapDomain, type MapVcpu, poolName } from './host-map.js';
import { countedNodes, holdingNodes } from './numa-metrics.js';
import { automaticNodeAffinity } from './union-rule.js';

type Vcpus = MapDomain['vcpus'];

/** "vCPU 0", "vCPUs 0-3" */
function vcpuWords(ids: readonly number[]): string {
  return `vCPU${ids.length === 1 ? '' : 's'} ${formatList(ids)}`;
}

/** "node 2", "nodes 0,2", "no node" */
export function nodeWords(nodes: readonly number[]): string {
  if (nodes.length === 0) return 'no node';
  return `node${nodes.length === 1 ? '' : 's'} ${formatList(nodes)}`;
}

export function ignoredMaskDrifts({ ignoredMask }: Expected): Drift[] {
  return ignoredMask === undefined ? [] : [drift('mask-ignored', `'${ignoredMask.mask}', for ${ignoredMask.reason}`)];
}

/** Masks that are not the requested ones. */
export function requestDrifts(host: CpuMap, vcpus: Vcpus, { hard, soft }: Expected): Drift[] {
  const found: Drift[] = [];
  if (hard === 'placed') {
    if (!isWholeNodes(host, vcpus)) found.push(...differences(host, vcpus, 'hard', 'all'));
  } else if (hard !== null) {
    found.push(...differences(host, vcpus, 'hard', hard));
  }
  if (soft !== null) found.push(...differences(host, vcpus, 'soft', soft));
  return found;
}

/** vCPUs that differ in the same way are reported together. */
function differences(host: CpuMap, vcpus: Vcpus, kind: 'hard' | 'soft', expected: ExpectedMasks | 'all'): Drift[] {
  const present = new Set(host.cpus.flatMap((cpu) => (cpu === null ? [] : [cpu.id])));
  const listOf = (cpus: Iterable<number>) => formatList([...new Set(cpus)].filter((cpu) => present.has(cpu)).sort((a, b) => a - b));
  const all = listOf(present);
  const words = (list: string) => {
    if (list === all) return 'all';
    return list === '' ? 'none' : list;
  };
  const ways = new Map<string, number[]>();
  for (const vcpu of vcpus) {
    const mask = expected === 'all' ? present : (expected[vcpu.id] ?? null);
    if (mask === null) continue;
    const [want, have] = [listOf(mask), listOf(vcpu[kind])];
    if (want === have) continue;
    const way = `${words(have)} instead of ${words(want)}`;
    ways.set(way, [...(ways.get(way) ?? []), vcpu.id]);
  }
  if (ways.size === 0) return [];
  const clauses = [...ways].map(([way, ids]) => `${vcpuWords(ids)} ${ids.length === 1 ? 'has' : 'have'} ${way}`);
  return [drift(kind === 'hard' ? 'hard-differs' : 'soft-differs', clauses.join('; '))];
}

/**
 * Have all vCPUs the same hard mask, and is it all CPUs of some nodes? A placement sets such masks
 * (best_effort_hard).
 */
function isWholeNodes(host: CpuMap, vcpus: Vcpus): boolean {
  const present = host.cpus.filter((cpu) => cpu !== null);
  const first = new Set(vcpus[0]?.hard);
  const same = vcpus.every(({ hard }) => hard.length === first.size && hard.every((cpu) => first.has(cpu)));
  const nodes = new Set(present.filter(({ id }) => first.has(id)).map(({ node }) => node));
  return same && present.every(({ id, node }) => first.has(id) || !nodes.has(node));
}

/** Masks that name CPUs which the domain cannot use. */
export function maskDrifts(host: CpuMap, vcpus: Vcpus, pool: number, reaches: readonly VcpuReach[]): Drift[] {
  const offline = new Map<string, number[]>();
  const elsewhere = new Map<string, number[]>();
  const useless = new Map<string, number[]>();
  const add = (to: Map<string, number[]>, list: string, vcpu: MapVcpu) => to.set(list, [...(to.get(list) ?? []), vcpu.id]);
  vcpus.forEach((vcpu, index) => {
    const { effective, anywhere } = reaches[index]!;
    const isOnline = (cpu: number) => host.cpus[cpu]?.online === true;
    // A mask of all is Xen's default, offline CPUs and other pools included.
    if (!anywhere) {
      const dead = vcpu.hard.filter((cpu) => !isOnline(cpu));
      const foreign = vcpu.hard.filter((cpu) => isOnline(cpu) && host.cpus[cpu]?.pool !== pool);
      if (dead.length > 0) add(offline, formatList(dead), vcpu);
      if (foreign.length > 0) add(elsewhere, formatList(foreign), vcpu);
    }
    const allowed = new Set(effective);
    if (!vcpu.soft.some((cpu) => allowed.has(cpu))) add(useless, formatList(vcpu.soft), vcpu);
  });
  const report = (code: DriftCode, found: ReadonlyMap<string, readonly number[]>, clause: (cpus: string) => string) =>
    found.size === 0 ? [] : [drift(code, [...found].map(([cpus, ids]) => `${clause(cpus)} (${vcpuWords(ids)})`).join('; '))];
  return [
    ...report('hard-offline', offline, (cpus) => `CPU ${cpus}`),
    ...report('hard-other-pool', elsewhere, (cpus) => `CPU ${cpus}, its pool is ${poolName(host, pool)}`),
    ...report('soft-ignored', useless, (cpus) => `it is ${cpus === '' ? 'empty' : cpus}`),
  ];
}

/**
 * Memory away from the node affinity or from the vCPUs. `reaches`: of the vCPUs, none when their
 * masks are not known.
 */
export function memoryDrifts(
  host: CpuMap,
  pages: readonly number[],
  nodeAffinity: readonly number[] | null,
  reaches: readonly VcpuReach[],
): Drift[] {
  const holding = holdingNodes(pages);
  const nodesOf = (cpus: readonly number[]) =>
    [...new Set(cpus.map((cpu) => host.cpus[cpu]?.node ?? -1))].filter((node) => node >= 0).sort((a, b) => a - b);
  const found: Drift[] = [];
  if (nodeAffinity !== null) {
    const affinity = nodeAffinity.filter((node) => node < host.nodes.length);
    const outside = holding.filter((node) => !affinity.includes(node));
    if (outside.length > 0) {
      found.push(drift('memory-outside-node-affinity', `${amountOn(pages, outside)}, the node affinity is ${formatList(affinity)}`));
    }
  }
  if (reaches.length === 0) return found;

  const withCpus = new Set(host.cpus.flatMap((cpu) => (cpu?.online === true ? [cpu.node] : [])));
  const mayRun = nodesOf([...new Set(reaches.flatMap(({ effective }) => effective))]);
  // No vCPU can run on a node without CPUs: the pinning is not to blame.
  const unreachable = holding.filter((node) => !mayRun.includes(node) && withCpus.has(node));
  if (unreachable.length > 0) {
    found.push(drift('memory-unreachable', `${amountOn(pages, unreachable)}, vCPUs may run on ${nodeWords(mayRun)} only`));
  }
  const prefer = nodesOf([...new Set(reaches.flatMap(({ preferred }) => preferred))]);
  const forsaken = holding.filter((node) => mayRun.includes(node) && !prefer.includes(node));
  if (forsaken.length > 0) found.push(drift('soft-not-memory', `${amountOn(pages, forsaken)}, vCPUs prefer ${nodeWords(prefer)}`));
  return found;
}

/** "256 MiB (25%) on node 1" */
function amountOn(pages: readonly number[], nodes: readonly number[]): string {
  const total = pages.reduce((sum, count) => sum + count, 0);
  const there = nodes.reduce((sum, node) => sum + pages[node]!, 0);
  return `${formatBytes(there * PAGE_BYTES)} (${there === total ? 'all of it' : percentOf(there, total)}) on ${nodeWords(nodes)}`;
}

/** Memory on more nodes than the policy asks for. */
export function spreadDrifts(pages: readonly number[], fewestNodes: number | undefined): Drift[] {
  const counted = countedNodes(pages);
  if (fewestNodes === undefined || counted.length <= fewestNodes) return [];
  return [drift('memory-on-more-nodes', `it is on ${nodeWords(counted)}, and ${fewestNodes} could hold it`)];
}

/**
 * A node affinity that the union rule does not give. An explicit one that equals it passes for
 * automatic.
 */
export function nodeAffinityDrifts(host: CpuMap, vcpus: Vcpus, pool: number, nodeAffinity: readonly number[]): Drift[] {
  const affinity = nodeAffinity.filter((node) => node < host.nodes.length);
  const automatic = automaticNodeAffinity(host, { vcpus, pool });
  if (automatic === null || formatList(automatic) === formatList(affinity)) return [];
  return [drift('node-affinity-by-hand', `it is ${nodeWords(affinity)}, the affinity of its vCPUs gives ${nodeWords(automatic)}`)];
}
