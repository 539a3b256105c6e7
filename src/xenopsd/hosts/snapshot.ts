// The host at one moment, from typed calls alone.
import { XenError } from '../../base/errors.js';
import type { HostMap, MapCpu, MapDomain } from '../../map/host-map.js';
import type { DomainInfo } from '../../xenctrl/xenctrl.js';
import type { HostDoors, KnownDomain } from '../api/host-doors.js';

/** Calls for reading a host; building and starting need more. */
export type LookingDoors = Pick<HostDoors, 'kind' | 'name' | 'xc' | 'pagesByNode' | 'others' | 'domain0Assumed' | 'coresUnknown'>;

/** Domains that end meanwhile are left out. `known` wins over `doors.others`. */
export function snapshotOf(doors: LookingDoors, known: ReadonlyMap<number, KnownDomain>): HostMap {
  const { xc } = doors;
  const { nodes, distances } = xc.numaInfo();
  const poolOf = new Map(xc.cpupoolList().flatMap((pool) => pool.cpus.map((cpu) => [cpu, pool.id] as const)));
  const free = new Set(xc.cpupoolFreeCpus());
  const cpus = xc.cpuTopology().map((cpu, id): MapCpu | null => {
    if (cpu === null) return null;
    const pool = poolOf.get(id) ?? null;
    return { id, ...cpu, online: pool !== null || free.has(id), pool };
  });
  const pages =
    doors.pagesByNode ??
    ((): ((domid: number) => readonly number[] | null) => {
      const all = new Map(xc.domainMemory().map((one) => [one.domid, one.pagesByNode]));
      return (domid) => all.get(domid) ?? null;
    })();
  return {
    name: doors.name,
    hypervisor: doors.kind === 'embedded' ? `embedded Xen ${xc.version.xen}` : `Xen ${xc.version.xen} (${xc.door.name})`,
    nodes: nodes.map((node, id) => ({
      id,
      memoryBytes: node.sizeBytes ?? 0,
      freePages: Math.floor((node.freeBytes ?? 0) / 4096),
      claimedPages: Math.floor(node.claimedBytes / 4096),
    })),
    cpus,
    distances,
    ...(doors.domain0Assumed === true ? { domain0Assumed: true as const } : {}),
    ...(doors.coresUnknown === true ? { coresUnknown: true as const } : {}),
    domains: xc.domainList().flatMap((info) => {
      try {
        const knownAs = known.get(info.domid) ?? doors.others?.get(info.domid);
        return [mapDomain(doors, info, knownAs, pages(info.domid) ?? nodes.map(() => 0))];
      } catch (error) {
        if (error instanceof XenError && error.errno === 'ESRCH' && xc.domainInfo(info.domid) === null) return [];
        throw error;
      }
    }),
  };
}

function mapDomain(doors: LookingDoors, info: DomainInfo, known: KnownDomain | undefined, pages: readonly number[]): MapDomain {
  const { xc } = doors;
  const { domid } = info;
  const vcpus = Array.from({ length: info.maxVcpuId + 1 }, (_, id) => ({
    id,
    online: xc.vcpuInfo(domid, id).online,
    ...xc.vcpuGetAffinity(domid, id),
  }));
  return {
    domid,
    name: known?.name ?? (domid === 0 ? 'Domain-0' : `Domain-${domid}`),
    kind: known?.kind ?? (info.hvm ? 'hvm' : 'pv'),
    state: stateOf(info),
    pool: info.cpupool,
    vcpus,
    nodeAffinity: xc.domainNodeGetAffinity(domid),
    autoNodeAffinity: null,
    pages,
  };
}

function stateOf(info: DomainInfo): MapDomain['state'] {
  if (info.dying) return 'dying';
  if (info.shutdown !== null) return 'shutdown';
  if (info.paused) return 'paused';
  return info.running ? 'running' : 'blocked';
}
