// A copy of a running host in this process: an embedded Xen with the same nodes, CPUs and pools,
// the same domains with the same masks and memory, and as much free memory on each node. Starts are
// planned on the copy, without touching the host.

import { SCHEDULERS, type SchedulerName } from '../abi/commands.js';
import { InputError, XenError } from '../base/errors.js';
import { INVALID_ID } from '../base/ids.js';
import { PAGE_BYTES } from '../base/units.js';
import type { Host, HostCpu } from '../machine/model.js';
import type { HostMap, MapCpu, MapDomain } from '../map/host-map.js';
import { automaticNodeAffinity } from '../map/union-rule.js';
import type { CpupoolInfo, Xenctrl } from '../xenctrl/xenctrl.js';
import type { HostDoors } from '../xenopsd/api/host-doors.js';
import type { ProfileName } from '../xenopsd/api/profiles.js';
import { poolNameKey } from '../xenopsd/hosts/described-pools.js';
import { type EmbeddedHost, embeddedHost } from '../xenopsd/hosts/embedded-host.js';
import type { LiveMap } from './live-map.js';
import { withModelledXen } from './modelled-xen.js';

const SUPERPAGE_ORDER = 9;
const SUPERPAGE_PAGES = 1 << SUPERPAGE_ORDER;

/**
 * The machine of a map, as a host description: nodes in Xen's order, with their current free
 * memory.
 */
export function hostOf({ map, xenVersion, notes }: Pick<LiveMap, 'map' | 'xenVersion' | 'notes'>): Host {
  const cpus = map.cpus.flatMap((cpu) => (cpu === null ? [] : [cpu]));
  const described = ({ id, node, core, socket }: MapCpu): HostCpu => ({
    ...{ id, node },
    core: core === INVALID_ID ? null : core,
    socket: socket === INVALID_ID ? null : socket,
  });
  return withModelledXen({
    name: map.name,
    source: `the running ${map.hypervisor}`,
    nodes: map.nodes.map(({ id, memoryBytes, freePages }) => ({ id, memoryBytes, freeBytes: freePages * PAGE_BYTES })),
    cpus: cpus.filter(({ online }) => online).map(described),
    ...(cpus.every(({ online }) => online) ? {} : { offlineCpus: cpus.filter(({ online }) => !online).map(described) }),
    distances: map.distances,
    xenVersion,
    notes: [...notes],
  });
}

/**
 * Some things cannot be copied: the fragmentation of free memory, the order in which Xen would
 * allocate it, the state that the host's toolstack keeps to itself, and, on a full node, the few
 * pages that each domain costs Xen. Dying domains are left out, and their memory counts as used.
 */
export async function copyOfLive(live: LiveMap, profile: ProfileName): Promise<HostDoors> {
  const { map } = live;
  const domains = map.domains.filter(({ domid, state }) => domid !== 0 && state !== 'dying');
  const held = map.nodes.map(({ freePages }, node) => freePages + domains.reduce((sum, { pages }) => sum + (pages[node] ?? 0), 0));
  const first = await raiseCopy(live, profile, domains, held);
  // Each domain costs Xen a few pages. The copy's Xen takes them on top of those that the real one
  // has taken already.
  const free = first.xc.numaInfo().nodes.map(({ freeBytes }) => Math.floor((freeBytes ?? 0) / PAGE_BYTES));
  const missing = map.nodes.map(({ freePages }, node) => freePages - free[node]!);
  const exact = missing.every((pages) => pages === 0);
  const copy = exact
    ? first
    : await raiseCopy(
        live,
        profile,
        domains,
        held.map((pages, node) => pages + missing[node]!),
      );
  return { ...copy, name: map.name, others: new Map(map.domains.map(({ domid, name, kind }) => [domid, { name, kind }])) };
}

async function raiseCopy(
  live: LiveMap,
  profile: ProfileName,
  domains: readonly MapDomain[],
  freePages: readonly number[],
): Promise<EmbeddedHost> {
  const { map, pools } = live;
  const dom0 = map.domains.find(({ domid }) => domid === 0);
  const base = hostOf(live);
  const machine: Host = {
    ...base,
    // The place of a hole is a guess: memory that is in use is there.
    nodes: base.nodes.map((node, index) => {
      const freeBytes = freePages[index]! * PAGE_BYTES;
      return { ...node, freeBytes, memoryBytes: Math.max(node.memoryBytes, freeBytes) };
    }),
  };
  const copy = await embeddedHost(machine, {
    profile,
    xenVersion: base.xenVersion!,
    scheduler: schedulerName(pools.find(({ id }) => id === 0)?.scheduler),
    numberedByXen: true,
    ...(dom0 === undefined ? {} : { dom0: { vcpus: dom0.vcpus.length, pages: dom0.pages.reduce((sum, pages) => sum + pages, 0) } }),
  });
  const { xc } = copy;
  makePools(xc, live);
  for (const [id, name] of live.poolNames) await copy.xs.write(poolNameKey(id), name);
  if (dom0 !== undefined) setMasks(xc, map, dom0);
  const infos = new Map(live.infos.map((info) => [info.domid, info]));
  for (const domain of domains) {
    const { domid, kind, vcpus, pool, pages } = domain;
    const info = infos.get(domid);
    xc.domainCreate({
      domid,
      kind: kind === 'pv' ? 'pv' : 'pvh',
      maxVcpus: Math.max(1, vcpus.length),
      uuid: info?.uuid ?? new Uint8Array(16),
    });
    if (pool !== 0) xc.cpupoolMoveDomain(pool, domid);
    if (vcpus.length > 0) xc.domainMaxVcpus(domid, vcpus.length);
    xc.domainSetMaxmem(domid, Math.ceil(Math.max(info?.maxPages ?? 0, sum(pages)) * (PAGE_BYTES / 1024)));
    setMasks(xc, map, domain);
    pages.forEach((count, node) => {
      populate(xc, domid, node, count);
    });
    if ((info?.outstandingPages ?? 0) > 0) claim(xc, domid, info!.outstandingPages);
    if (domain.state !== 'paused') xc.domainUnpause(domid);
  }
  return copy;
}

function makePools(xc: Xenctrl, { map, pools }: LiveMap): void {
  const inPool0 = (id: number) => map.cpus[id]?.pool === 0;
  const present = map.cpus.flatMap((cpu) => (cpu === null ? [] : [cpu]));
  for (const { id, online } of present) {
    // CPU 0 cannot leave Pool-0, and no host runs without it.
    if (online && !inPool0(id)) xc.cpupoolRemoveCpu(0, id);
  }
  for (const pool of pools.filter(({ id }) => id !== 0)) {
    createPool(xc, pool);
    for (const cpu of pool.cpus) xc.cpupoolAddCpu(pool.id, cpu);
  }
}

/**
 * Placement does not depend on the scheduler, so a scheduler that the embedded Xen lacks is
 * replaced by its default.
 */
function createPool(xc: Xenctrl, { id, scheduler }: CpupoolInfo): void {
  try {
    xc.cpupoolCreate(schedulerName(scheduler), id);
  } catch (error) {
    if (!(error instanceof XenError) || error.errno !== 'ENOENT') throw error;
    xc.cpupoolCreate('credit2', id);
  }
}

function setMasks(xc: Xenctrl, map: HostMap, domain: MapDomain): void {
  const { domid, vcpus, nodeAffinity } = domain;
  // Xen reports no CPUs past the last online one, though masks may name them.
  const known = (cpus: readonly number[]) => cpus.filter((cpu) => cpu < map.cpus.length);
  for (const { id, hard, soft } of vcpus) xc.vcpuSetAffinity(domid, id, { hard: known(hard), soft: known(soft) });
  const automatic = automaticNodeAffinity(map, domain);
  const real = nodeAffinity.filter((node) => node < map.nodes.length);
  // Xen does not report whether it is automatic. It counts as automatic if it is what the rule
  // gives.
  if (automatic !== null && real.length > 0 && automatic.join() !== real.join()) xc.domainNodeSetAffinity(domid, real);
}

function populate(xc: Xenctrl, domid: number, node: number, pages: number): void {
  const superpages = Math.floor(pages / SUPERPAGE_PAGES);
  const at = { node, exactNode: true };
  const { done } = superpages === 0 ? { done: 0 } : xc.domainPopulatePhysmap(domid, { extents: superpages, order: SUPERPAGE_ORDER, ...at });
  const rest = pages - done * SUPERPAGE_PAGES;
  if (rest > 0) xc.domainPopulatePhysmap(domid, { extents: rest, order: 0, ...at });
}

/** A domain that is being built. Its total includes the pages that it holds already. */
function claim(xc: Xenctrl, domid: number, outstanding: number): void {
  try {
    xc.domainClaimPages(domid, (xc.domainInfo(domid)?.totPages ?? 0) + outstanding);
  } catch (error) {
    // The claim of a domain under construction may be gone by the time the memory is read.
    if (!(error instanceof XenError)) throw error;
  }
}

function schedulerName(id: number | undefined): SchedulerName {
  const found = Object.entries(SCHEDULERS).find(([, number]) => number === id);
  if (found === undefined) throw new InputError(`a pool of this host has scheduler ${id}, which xennuma does not know`);
  return found[0] as SchedulerName;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
