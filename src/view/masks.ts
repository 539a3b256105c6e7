// Masks and CPUs in few words: the masks of all vCPUs of a VM, and the CPUs of a node.
import { formatList } from '../base/bitset.js';
import { type HostMap, type MapCpu, type MapDomain, poolName } from '../map/host-map.js';

/** Most groups of vCPUs whose masks are written out. */
const SHOWN_GROUPS = 4;

/** Words for the masks of a host's domains. The words of each mask are worked out once. */
export class MaskWords {
  readonly #map: HostMap;
  readonly #online: readonly number[];
  readonly #texts = new WeakMap<readonly number[], string>();

  constructor(map: HostMap) {
    this.#map = map;
    this.#online = map.cpus.flatMap((cpu) => (cpu?.online ? [cpu.id] : []));
  }
  hard(domain: MapDomain): string {
    return collapse(domain.vcpus.map(({ hard }) => this.#mask(hard)));
  }
  soft(domain: MapDomain): string {
    return collapse(domain.vcpus.map(({ soft }) => this.#mask(soft)));
  }
  /**
   * "all", "none" or the list of nodes, with "explicit" if it was set and does not follow the
   * vCPUs.
   */
  nodes({ nodeAffinity, autoNodeAffinity }: MapDomain): string {
    const all = this.#map.nodes.every((_, node) => nodeAffinity.includes(node));
    const list = listOrWord(nodeAffinity, all);
    return autoNodeAffinity === false ? `${list} explicit` : list;
  }
  /** "all" for a mask with every online CPU of the host, otherwise the stored list. */
  #mask(mask: readonly number[]): string {
    let text = this.#texts.get(mask);
    if (text === undefined) {
      const members = new Set(mask);
      text = listOrWord(mask, this.#online.length > 0 && this.#online.every((cpu) => members.has(cpu)));
      this.#texts.set(mask, text);
    }
    return text;
  }
}

function listOrWord(members: readonly number[], all: boolean): string {
  if (all) return 'all';
  return members.length === 0 ? 'none' : formatList(members);
}

/** One text when all vCPUs have the same, else "v0-3=16-19 v4=24" for up to four groups. */
function collapse(texts: readonly string[]): string {
  const groups = new Map<string, number[]>();
  texts.forEach((text, vcpu) => {
    const group = groups.get(text);
    if (group === undefined) groups.set(text, [vcpu]);
    else group.push(vcpu);
  });
  if (groups.size === 0) return '-';
  if (groups.size === 1) return texts[0]!;
  const words = [...groups].slice(0, SHOWN_GROUPS).map(([text, vcpus]) => `v${formatList(vcpus)}=${text}`);
  if (groups.size > SHOWN_GROUPS) words.push(`and ${groups.size - SHOWN_GROUPS} more`);
  return words.join(' ');
}

/** CPUs of each node, ascending. */
export function cpusOfNodes(map: HostMap): MapCpu[][] {
  const found: MapCpu[][] = map.nodes.map(() => []);
  for (const cpu of map.cpus) if (cpu !== null) found[cpu.node]?.push(cpu);
  return found;
}

/** @param cpus those whose cores are known */
function describeCores(cpus: readonly MapCpu[]): string[] {
  if (cpus.length === 0) return ['cores not known'];
  const cores = new Set(cpus.map(({ socket, core }) => `${socket}/${core}`)).size;
  const sockets = [...new Set(cpus.map(({ socket }) => socket))].sort((a, b) => a - b);
  const parts = [`${cores} ${cores === 1 ? 'core' : 'cores'}`];
  if (cpus.length === 2 * cores) parts.push('2 threads each');
  else if (cpus.length !== cores) parts.push(`${cpus.length} threads`);
  return [...parts, `${sockets.length === 1 ? 'socket' : 'sockets'} ${formatList(sockets)}`];
}

/** "CPUs 0-7, 4 cores, 2 threads each, socket 0, offline 5, pool 1: 6-7". */
export function describeCpus(cpus: readonly MapCpu[], map: Pick<HostMap, 'poolNames' | 'coresUnknown'> = {}): string {
  if (cpus.length === 0) return 'no CPUs';
  const parts = [
    `${cpus.length === 1 ? 'CPU' : 'CPUs'} ${formatList(cpus.map(({ id }) => id))}`,
    ...describeCores(map.coresUnknown === true ? [] : cpus.filter(({ coreUnknown }) => coreUnknown !== true)),
  ];
  const offline = cpus.filter(({ online }) => !online);
  if (offline.length > 0) parts.push(`offline ${formatList(offline.map(({ id }) => id))}`);
  const pools = new Set(cpus.map(({ pool }) => pool));
  for (const pool of pools) {
    if (pool === 0) continue;
    const members = formatList(cpus.filter((cpu) => cpu.pool === pool && cpu.online).map(({ id }) => id));
    if (members !== '') parts.push(`${pool === null ? 'no pool' : `pool ${poolName(map, pool)}`}: ${members}`);
  }
  return parts.join(', ');
}
