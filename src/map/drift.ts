// Drift: where a running domain is no longer what was asked for it, or no longer fits together: its masks, its node affinity, its memory.
// Pure, over a HostMap. Box of the chart: what domain_node_affinity led to, and what became of it since.
import { formatList } from '../base/bitset.js';
import { formatBytes } from '../base/units.js';
import { holdingNodes, reachFinder, type VcpuReach } from './figures.js';
import type { HostMap, MapDomain } from './host-map.js';

/** Masks by vCPU; null = nothing is known of that vCPU. CPUs that the host does not have may be among them. */
export type AskedMasks = readonly (readonly number[] | null)[];

/** What was asked for a domain when it was made. */
export interface Asked {
  /** Where it was found: "xennuma's state", "XenStore", "libxl's userdata". */
  readonly source: string;
  /**
   * 'all': nothing was asked, so it must still be all CPUs. 'placed': nothing was asked, and a placement may have set whole nodes. null: not
   * known.
   */
  readonly hard: AskedMasks | 'all' | 'placed' | null;
  /** null: left to the placement, or not known. */
  readonly soft: AskedMasks | null;
  /** A mask that was asked for and that the toolstack did not understand. */
  readonly ignoredMask?: { readonly mask: string; readonly reason: string };
}

/** Each drift, by the name that scripts know it by. */
export const DRIFTS = {
  'hard-differs': 'hard affinity differs from what was asked',
  'soft-differs': 'soft affinity differs from what was asked',
  'mask-ignored': 'a mask was asked for and ignored',
  'hard-offline': 'hard affinity names CPUs that are offline or absent',
  'hard-other-pool': 'hard affinity names CPUs of another pool',
  'soft-ignored': 'soft affinity names no CPU that it may run on',
  'memory-outside-node-affinity': 'memory outside the node affinity',
  'soft-not-memory': "soft affinity does not match the memory's nodes",
  'memory-unreachable': 'vCPUs may not run where the memory is',
  'node-affinity-by-hand': 'node affinity was set by hand',
} as const;

export type DriftCode = keyof typeof DRIFTS;

export interface Drift {
  readonly code: DriftCode;
  /** A clause with the numbers: "hard affinity differs from what was asked: vCPU 0 has 4-5, asked was 2-3". */
  readonly text: string;
}

export interface DomainVerdict {
  readonly domain: MapDomain;
  /** null = nobody told. */
  readonly asked: Asked | null;
  /** [] = nothing found. */
  readonly drifts: readonly Drift[];
}

/** Judges the domains of `domids`, in the map's order; `asked` by domid. Domains that are being taken apart are passed over. */
export function judge(map: HostMap, asked: ReadonlyMap<number, Asked>, domids: ReadonlySet<number>): DomainVerdict[] {
  const reachOf = reachFinder(map);
  return map.domains
    .filter(({ domid, state }) => domids.has(domid) && state !== 'dying')
    .map((domain) => {
      const wanted = asked.get(domain.domid) ?? null;
      const reaches = domain.vcpus.map(({ hard, soft }) => reachOf(hard, soft, domain.pool));
      return {
        domain,
        asked: wanted,
        drifts: [
          ...(wanted === null ? [] : askedDrifts(map, domain, wanted)),
          ...maskDrifts(map, domain, reaches),
          ...memoryDrifts(map, domain, reaches),
        ],
      };
    });
}

const drift = (code: DriftCode, detail: string): Drift => ({ code, text: `${DRIFTS[code]}: ${detail}` });

/** "vCPU 0", "vCPUs 0-3" */
function vcpuWords(ids: readonly number[]): string {
  return `vCPU${ids.length === 1 ? '' : 's'} ${formatList(ids)}`;
}

/** "node 2", "nodes 0,2", "no node" */
export function nodeWords(nodes: readonly number[]): string {
  return nodes.length === 0 ? 'no node' : `node${nodes.length === 1 ? '' : 's'} ${formatList(nodes)}`;
}

function askedDrifts(map: HostMap, domain: MapDomain, asked: Asked): Drift[] {
  const present = new Set(map.cpus.flatMap((cpu) => (cpu === null ? [] : [cpu.id])));
  const listOf = (cpus: readonly number[]) => formatList(cpus.filter((cpu) => present.has(cpu)).sort((a, b) => a - b));
  const all = listOf([...present]);
  const shown = (list: string) => (list === all ? 'all' : list === '' ? 'none' : list);
  const compare = (code: DriftCode, kind: 'hard' | 'soft', wanted: AskedMasks | 'all'): Drift[] => {
    // vCPUs that differ in the same way are told together.
    const ways = new Map<string, number[]>();
    for (const vcpu of domain.vcpus) {
      const mask = wanted === 'all' ? null : wanted[vcpu.id];
      if (wanted !== 'all' && (mask === null || mask === undefined)) continue;
      const want = wanted === 'all' ? all : listOf([...new Set(mask)]);
      const have = listOf(vcpu[kind]);
      if (want === have) continue;
      const way = `has ${shown(have)}, asked was ${shown(want)}`;
      ways.set(way, [...(ways.get(way) ?? []), vcpu.id]);
    }
    return ways.size === 0 ? [] : [drift(code, [...ways].map(([way, ids]) => `${vcpuWords(ids)} ${way}`).join('; '))];
  };
  const found: Drift[] = [];
  if (asked.ignoredMask !== undefined) found.push(drift('mask-ignored', `'${asked.ignoredMask.mask}', for ${asked.ignoredMask.reason}`));
  if (asked.hard === 'placed') {
    if (!isWholeNodes(map, domain)) found.push(...compare('hard-differs', 'hard', 'all'));
  } else if (asked.hard !== null) found.push(...compare('hard-differs', 'hard', asked.hard));
  if (asked.soft !== null) found.push(...compare('soft-differs', 'soft', asked.soft));
  return found;
}

/** Have all vCPUs the same hard mask, and is that all CPUs of some nodes? So a placement sets it (best_effort_hard). */
function isWholeNodes(map: HostMap, { vcpus }: MapDomain): boolean {
  const present = map.cpus.filter((cpu) => cpu !== null);
  const first = new Set(vcpus[0]?.hard);
  const same = vcpus.every(({ hard }) => hard.length === first.size && hard.every((cpu) => first.has(cpu)));
  const nodes = new Set(present.filter(({ id }) => first.has(id)).map(({ node }) => node));
  return same && present.every(({ id, node }) => first.has(id) || !nodes.has(node));
}

function maskDrifts(map: HostMap, domain: MapDomain, reaches: readonly VcpuReach[]): Drift[] {
  const offline = new Map<string, number[]>();
  const elsewhere = new Map<string, number[]>();
  const useless = new Map<string, number[]>();
  const note = (into: Map<string, number[]>, cpus: readonly number[], vcpu: number) => {
    if (cpus.length > 0) into.set(formatList(cpus), [...(into.get(formatList(cpus)) ?? []), vcpu]);
  };
  domain.vcpus.forEach(({ id, hard, soft }, index) => {
    const { effective, anywhere } = reaches[index]!;
    // A mask of all is Xen's default, offline CPUs and other pools included.
    if (!anywhere) {
      note(
        offline,
        hard.filter((cpu) => map.cpus[cpu]?.online !== true),
        id,
      );
      note(
        elsewhere,
        hard.filter((cpu) => map.cpus[cpu]?.online === true && map.cpus[cpu]?.pool !== domain.pool),
        id,
      );
    }
    const allowed = new Set(effective);
    if (!soft.some((cpu) => allowed.has(cpu))) useless.set(formatList(soft), [...(useless.get(formatList(soft)) ?? []), id]);
  });
  const told = (code: DriftCode, found: ReadonlyMap<string, readonly number[]>, of: (cpus: string) => string) =>
    found.size === 0 ? [] : [drift(code, [...found].map(([cpus, ids]) => `${of(cpus)} (${vcpuWords(ids)})`).join('; '))];
  return [
    ...told('hard-offline', offline, (cpus) => `CPU ${cpus}`),
    ...told('hard-other-pool', elsewhere, (cpus) => `CPU ${cpus}, its pool is ${domain.pool}`),
    ...told('soft-ignored', useless, (cpus) => `it is ${cpus === '' ? 'empty' : cpus}`),
  ];
}

function memoryDrifts(map: HostMap, domain: MapDomain, reaches: readonly VcpuReach[]): Drift[] {
  const { pages } = domain;
  const holding = holdingNodes(pages);
  const amount = (nodes: readonly number[]) => {
    const total = pages.reduce((sum, count) => sum + count, 0);
    const there = nodes.reduce((sum, node) => sum + pages[node]!, 0);
    return `${formatBytes(there * 4096)} (${there === total ? 'all of it' : `${Math.min(99, Math.max(1, Math.round((100 * there) / total)))}%`}) on ${nodeWords(nodes)}`;
  };
  const nodesOf = (cpus: readonly number[]) =>
    [...new Set(cpus.map((cpu) => map.cpus[cpu]?.node ?? -1))].filter((node) => node >= 0).sort((a, b) => a - b);
  const found: Drift[] = [];
  const affinity = domain.nodeAffinity.filter((node) => node < map.nodes.length);
  const outside = holding.filter((node) => !affinity.includes(node));
  if (outside.length > 0)
    found.push(drift('memory-outside-node-affinity', `${amount(outside)}, the node affinity is ${formatList(affinity)}`));
  if (reaches.length === 0) return found;

  const withCpus = new Set(map.cpus.flatMap((cpu) => (cpu?.online === true ? [cpu.node] : [])));
  const mayRun = nodesOf([...new Set(reaches.flatMap(({ effective }) => effective))]);
  // A node without CPUs is out of reach for everybody: no pinning is to blame.
  const unreachable = holding.filter((node) => !mayRun.includes(node) && withCpus.has(node));
  if (unreachable.length > 0) found.push(drift('memory-unreachable', `${amount(unreachable)}, vCPUs may run on ${nodeWords(mayRun)} only`));

  const prefer = nodesOf([...new Set(reaches.flatMap(({ preferred }) => preferred))]);
  const forsaken = holding.filter((node) => mayRun.includes(node) && !prefer.includes(node));
  if (forsaken.length > 0) found.push(drift('soft-not-memory', `${amount(forsaken)}, vCPUs prefer ${nodeWords(prefer)}`));

  const automatic = automaticNodeAffinity(map, domain);
  if (automatic !== null && formatList(automatic) !== formatList(affinity)) {
    found.push(drift('node-affinity-by-hand', `it is ${nodeWords(affinity)}, the affinity of its vCPUs gives ${nodeWords(automatic)}`));
  }
  return found;
}

/**
 * The node affinity that Xen keeps while it is automatic (domain_update_node_affinity, xen/common/sched/core.c 1809-1876): nodes of what all
 * vCPUs' soft masks together have in common with their hard masks, or of the hard masks where that is nothing; null without vCPUs.
 */
export function automaticNodeAffinity(map: HostMap, { vcpus, pool }: Pick<MapDomain, 'vcpus' | 'pool'>): number[] | null {
  if (vcpus.length === 0) return null;
  const [hard, soft] = [new Set(vcpus.flatMap((vcpu) => vcpu.hard)), new Set(vcpus.flatMap((vcpu) => vcpu.soft))];
  const may = map.cpus.filter((cpu) => cpu !== null && cpu.pool === pool && hard.has(cpu.id));
  const both = may.filter((cpu) => soft.has(cpu!.id));
  return [...new Set((both.length > 0 ? both : may).map((cpu) => cpu!.node))].sort((a, b) => a - b);
}
