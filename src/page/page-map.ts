// A host's map in the page's form: JSON, made small by storing each list of CPUs once.
import { formatList, parseList } from '../base/bitset.js';
import type { HostMap, MapDomain } from '../map/host-map.js';
import { lastOf } from './steps.js';

/** Far more than Xen has. */
export const CPUS_MOST = 16_384;

export interface PageDomain extends Omit<MapDomain, 'vcpus' | 'domid' | 'pool'> {
  readonly domid: number;
  readonly pool: number;
  /** [online, place of the hard list in `lists`, place of the soft one] of each vCPU. */
  readonly vcpus: readonly (readonly [boolean, number, number])[];
}

export interface PageMap extends Pick<HostMap, 'name' | 'hypervisor' | 'nodes' | 'distances' | 'poolNames'> {
  /** [node, core, socket, online, pool]; null = absent. Index = CPU. */
  readonly cpus: readonly (readonly [number, number, number, boolean, number | null] | null)[];
  /** CPU lists, such as "0-3,8". */
  readonly lists: readonly string[];
  readonly domains: readonly PageDomain[];
}

export function encodeMap(map: HostMap): PageMap {
  return lastOf(encodeMapSteps(map));
}

/** As encodeMap, in small steps: others may run between them. */
export function* encodeMapSteps(map: HostMap): Generator<void, PageMap> {
  const lists: string[] = [];
  const at = new Map<string, number>();
  // Domains share few arrays: each is formatted once.
  const known = new Map<readonly number[], number>();
  const listOf = (cpus: readonly number[]): number => {
    let index = known.get(cpus);
    if (index !== undefined) return index;
    const text = formatList(cpus);
    index = at.get(text);
    if (index === undefined) {
      index = lists.push(text) - 1;
      at.set(text, index);
    }
    known.set(cpus, index);
    return index;
  };
  const domains: PageDomain[] = [];
  for (const { vcpus, ...domain } of map.domains) {
    domains.push({
      ...domain,
      nodeAffinity: [...domain.nodeAffinity],
      pages: [...domain.pages],
      vcpus: vcpus.map(({ online, hard, soft }): [boolean, number, number] => [online, listOf(hard), listOf(soft)]),
    });
    yield;
  }
  return {
    name: map.name,
    hypervisor: map.hypervisor,
    nodes: map.nodes.map(({ id, memoryBytes, freePages, claimedPages }) => ({ id, memoryBytes, freePages, claimedPages })),
    cpus: map.cpus.map((cpu) => (cpu === null ? null : [cpu.node, cpu.core, cpu.socket, cpu.online, cpu.pool])),
    distances: map.distances.map((row) => [...row]),
    lists,
    ...namesOf(map),
    domains,
  };
}

const namesOf = ({ poolNames }: Pick<HostMap, 'poolNames'>) => (poolNames === undefined ? {} : { poolNames });

/** @throws InputError for a list that names CPUs which no host can have */
export function decodeMap(map: PageMap): HostMap {
  // A stored mask may name CPUs that the host does not have.
  const lists = map.lists.map((text) => (text === '' ? [] : parseList(text, CPUS_MOST).toArray()));
  const list = (index: number): readonly number[] => lists[index] ?? [];
  const nodes = map.nodes.length;
  return {
    name: map.name,
    hypervisor: map.hypervisor,
    nodes: map.nodes,
    cpus: map.cpus.map((cpu, id) =>
      cpu === null || cpu[0] >= nodes ? null : { id, node: cpu[0], core: cpu[1], socket: cpu[2], online: cpu[3], pool: cpu[4] },
    ),
    ...namesOf(map),
    distances: map.nodes.map((_, from) => map.nodes.map((__, to) => map.distances[from]?.[to] ?? 0)),
    domains: map.domains.map(
      (domain): MapDomain => ({
        ...domain,
        pages: map.nodes.map((_, node) => domain.pages[node] ?? 0),
        vcpus: domain.vcpus.map(([online, hard, soft], id) => ({ id, online, hard: list(hard), soft: list(soft) })),
      }),
    ),
  };
}
