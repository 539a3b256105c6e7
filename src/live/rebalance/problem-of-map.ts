// A running host in the form that the planner of rebalancing needs. Data that cannot be true is an
// error, because a plan on wrong figures would move VMs for nothing.

import { InputError } from '../../base/errors.js';
import { INVALID_ID } from '../../base/ids.js';
import { harmless } from '../../base/safe-text.js';
import { formatBytes, PAGE_BYTES } from '../../base/units.js';
import { type ReachFinder, reachFinder } from '../../map/figures.js';
import type { HostMap, MapDomain } from '../../map/host-map.js';
import { IGNORED_PAGES } from '../../map/numa-metrics.js';
import { overfullNodes, TOLERANCE } from '../../map/overfull.js';
import type { PlannerHost } from '../../planner/policy.js';
import type { RebalanceProblem, RebalanceVm } from '../../planner/rebalance/problem.js';
import { NODE_0_RESERVE_BYTES } from '../../planner/tight/busy-cores.js';
import { MAX_TIGHT_NODES } from '../../planner/tight/tight.js';
import type { DomainInfo } from '../../xenctrl/xenctrl.js';

/**
 * What the copy of a domain takes beside its memory: the paging pool of 1 MiB a vCPU and 1/128 of
 * the memory, and 2 MiB for Xen and the builder (xen-api 90ef043c,
 * ocaml/xapi-idl/memory/memory.ml).
 */
const POOL_PAGES_A_VCPU = 256;
const POOL_SHARE = 128;
const EXTRA_PAGES = 512;
const DUMP_MEND = 'read the host again, or add the output of `xl debug-keys u; xl dmesg`';

export interface HostProblem {
  readonly problem: RebalanceProblem;
  /** Why a domain stays as it is, by domid. */
  readonly stays: ReadonlyMap<number, string>;
}

/**
 * @param infos what Xen says of the domains, where it is known
 * @param wanted domids of the VMs that may be moved
 * @throws InputError for memory that is not known by node, or figures that do not fit together
 */
export function problemOfMap(map: HostMap, infos: readonly DomainInfo[], wanted: ReadonlySet<number>): HostProblem {
  if (map.nodes.length > MAX_TIGHT_NODES) {
    throw new InputError(`the host has ${map.nodes.length} NUMA nodes, and at most ${MAX_TIGHT_NODES} can be planned`);
  }
  checkFigures(map, infos);
  const reachOf = reachFinder(map);
  const host = plannerHost(map);
  const everywhere = map.cpus.reduce((count, cpu) => count + (cpu?.online === true ? 1 : 0), 0);
  const stays = new Map<number, string>();
  const vms: RebalanceVm[] = [];
  for (const domain of map.domains) {
    if (domain.domid === 0 || domain.state === 'dying') continue;
    if (map.nodes.length === 1 && !isKnown(domain)) {
      stays.set(domain.domid, 'the host has one node');
      continue;
    }
    const reason = reasonToStay(domain, reachOf);
    if (reason !== null) stays.set(domain.domid, reason);
    const [first] = reaches(domain, reachOf);
    if (first === undefined || first.effective.length === 0) continue;
    const isWanted = wanted.has(domain.domid);
    if (reason === null && !isWanted) stays.set(domain.domid, 'it is not among the VMs that may move');
    const isOneMask = reason !== MASKS_DIFFER;
    vms.push({
      id: domain.domid,
      vcpus: domain.vcpus.length,
      pages: map.nodes.map((_, node) => domain.pages[node] ?? 0),
      shares: meanShares(map, domain, reachOf),
      ...(first.effective.length === everywhere ? {} : { allowedCpus: first.effective }),
      sparePages: sparePages(domain),
      mayPin: isWanted && isOneMask,
      mayMove: isWanted && reason === null,
    });
  }
  return {
    problem: {
      host,
      freePages: map.nodes.map(({ freePages, claimedPages }) => freePages - claimedPages),
      reservePages: [NODE_0_RESERVE_BYTES / PAGE_BYTES],
      ignoredPages: IGNORED_PAGES,
      vms,
    },
    stays,
  };
}

const MASKS_DIFFER = 'its vCPUs have different hard masks';

function reasonToStay(domain: MapDomain, reachOf: ReachFinder): string | null {
  const found = reaches(domain, reachOf);
  if (found.length === 0) return 'it has no vCPUs';
  if (found.some(({ effective }) => effective.length === 0)) return 'its vCPUs have no CPU to run on';
  const [first] = found.map(({ effective }) => effective.join());
  if (found.some(({ effective }) => effective.join() !== first)) return MASKS_DIFFER;
  return domain.state === 'running' || domain.state === 'blocked' ? null : `it is ${domain.state}, and only a running VM can migrate`;
}

function reaches({ vcpus, pool }: MapDomain, reachOf: ReachFinder) {
  return vcpus.map(({ hard, soft }) => reachOf(hard, soft, pool));
}

function meanShares({ nodes }: HostMap, domain: MapDomain, reachOf: ReachFinder): number[] {
  const found = reaches(domain, reachOf);
  return nodes.map((_, node) => found.reduce((sum, { nodeShares }) => sum + nodeShares[node]!, 0) / found.length);
}

function sparePages({ vcpus, pages }: MapDomain): number {
  return vcpus.length * POOL_PAGES_A_VCPU + Math.ceil(totalOf(pages) / POOL_SHARE) + EXTRA_PAGES;
}

/** Online CPUs of all pools; a core is one within its socket. */
function plannerHost({ distances, cpus, nodes }: HostMap): PlannerHost {
  const online = cpus.map((cpu) => (cpu?.online === true ? cpu : null));
  return {
    distances,
    cpuToNode: online.map((cpu) => cpu?.node ?? INVALID_ID),
    nodeCores: nodes.map(({ id }) => new Set(online.flatMap((cpu) => (cpu?.node === id ? [`${cpu.socket}/${cpu.core}`] : []))).size),
  };
}

/** On a host of one node all memory is where all vCPUs run, whatever else the listings lack. */
const isKnown = ({ pages, masksUnknown, poolUnknown }: Pick<MapDomain, 'pages' | 'masksUnknown' | 'poolUnknown'>) =>
  masksUnknown !== true && poolUnknown !== true && totalOf(pages) > 0;
const totalOf = (pages: readonly number[]) => pages.reduce((sum, count) => sum + count, 0);
const words = (pages: number) => formatBytes(pages * PAGE_BYTES);

function checkFigures(map: HostMap, infos: readonly DomainInfo[]): void {
  for (const domain of map.domains) {
    const { domid, name, state, vcpus, pages, masksUnknown, poolUnknown } = domain;
    if (domid === 0 || state === 'dying' || vcpus.length === 0) continue;
    if (map.nodes.length === 1 && !isKnown(domain)) continue;
    // A plan on assumed masks would move VMs for nothing.
    if (masksUnknown === true)
      throw new InputError(`the affinity of all vCPUs of domain ${domid} (${harmless(name)}) is not known`, {}, 'add `xl vcpu-list`');
    if (poolUnknown === true) throw new InputError('the CPUs of the CPU pools are not known', {}, 'add `xl cpupool-list -c`');
    const total = totalOf(pages);
    if (total === 0) throw new InputError(`the memory by node of domain ${domid} (${harmless(name)}) is not known`, {}, DUMP_MEND);
    const known = infos.find((info) => info.domid === domid)?.totPages ?? total;
    if (Math.abs(known - total) > Math.max(known, total) * TOLERANCE + IGNORED_PAGES) {
      throw new InputError(
        `domain ${domid} (${harmless(name)}) has ${words(known)}, but its memory by node sums up to ${words(total)}`,
        {},
        DUMP_MEND,
      );
    }
  }
  const [overfull] = overfullNodes(map);
  if (overfull !== undefined)
    throw new InputError(overfull, {}, 'are all figures of the same host and the same moment? Read the host again');
  for (const { id, freePages, claimedPages } of map.nodes) {
    if (claimedPages > freePages) {
      throw new InputError(`node ${id} has ${words(freePages)} free, but ${words(claimedPages)} of it claimed`, {}, 'read the host again');
    }
  }
}
