// The one judge of drift: compares the request for a domain with the host's state, and its masks,
// node affinity and memory with each other. Pure; `verify` and `explain` of a host and of a pool
// call it.
import type { Actual, Drift, Expected } from './drift.js';
import { ignoredMaskDrifts, maskDrifts, memoryDrifts, nodeAffinityDrifts, requestDrifts, spreadDrifts } from './drift-rules.js';
import { type CpuMap, type ReachFinder, reachFinder } from './figures.js';
import type { HostMap, MapDomain } from './host-map.js';

export interface Judgement {
  /** [] = nothing found. */
  readonly drifts: readonly Drift[];
  /** Something was requested of the memory, and the host does not say where the memory is. */
  readonly unknown: boolean;
}

/**
 * @param host its nodes and CPUs
 * @param expected null = the request is not known
 * @param actual what the host does not say (null) is not judged; without masks, the requested hard
 *   affinity stands for them
 */
export function judge(host: CpuMap, expected: Expected | null, actual: Actual, reachOf: ReachFinder = reachFinder(host)): Judgement {
  const vcpus = actual.vcpus ?? requestedVcpus(host, expected);
  const { pool } = actual;
  const reaches = pool === null ? [] : vcpus.map(({ hard, soft }) => reachOf(hard, soft, pool));
  const drifts: Drift[] = [];
  if (expected !== null) drifts.push(...ignoredMaskDrifts(expected));
  if (actual.vcpus !== null) {
    if (expected !== null) drifts.push(...requestDrifts(host, actual.vcpus, expected));
    if (pool !== null) drifts.push(...maskDrifts(host, actual.vcpus, pool, reaches));
  }
  if (actual.pages !== null) {
    drifts.push(...memoryDrifts(host, actual.pages, actual.nodeAffinity, reaches));
    drifts.push(...spreadDrifts(actual.pages, expected?.fewestNodes));
  }
  if (actual.vcpus !== null && actual.nodeAffinity !== null && pool !== null) {
    drifts.push(...nodeAffinityDrifts(host, actual.vcpus, pool, actual.nodeAffinity));
  }
  const ofMemory = Array.isArray(expected?.hard) || expected?.fewestNodes !== undefined;
  return { drifts, unknown: actual.pages === null && ofMemory };
}

/** vCPUs with the requested hard affinity, where it is known for all of them. */
function requestedVcpus(host: CpuMap, expected: Expected | null): MapDomain['vcpus'] {
  const hard = expected?.hard ?? null;
  if (hard === null || typeof hard === 'string') return [];
  const all = [...host.cpus.keys()];
  return hard.flatMap((mask, id) => (mask === null ? [] : [{ id, online: true, hard: mask, soft: all }]));
}

export interface DomainVerdict {
  readonly domain: MapDomain;
  /** null = the request is not known. */
  readonly expected: Expected | null;
  /** [] = nothing found. */
  readonly drifts: readonly Drift[];
}

/**
 * Judges the domains of `domids`, in the map's order; `expected` by domid. Domains that Xen is
 * destroying are passed over.
 */
export function judgeDomains(map: HostMap, expected: ReadonlyMap<number, Expected>, domids: ReadonlySet<number>): DomainVerdict[] {
  const reachOf = reachFinder(map);
  return map.domains
    .filter(({ domid, state }) => domids.has(domid) && state !== 'dying')
    .map((domain) => {
      const request = expected.get(domain.domid) ?? null;
      // An inferred node affinity is judged by nobody: Xen may have another.
      const actual = {
        ...domain,
        nodeAffinity: domain.nodeAffinityInferred === true ? null : domain.nodeAffinity,
        pool: domain.poolUnknown === true ? null : domain.pool,
        vcpus: domain.masksUnknown === true ? null : domain.vcpus,
        pages: domain.pagesUnknown === true ? null : domain.pages,
      };
      return { domain, expected: request, drifts: judge(map, request, actual, reachOf).drifts };
    });
}
