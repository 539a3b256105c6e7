// A new start that brings a VM onto one node, as commands of `xe`: a mask of the CPUs of a node
// with room for the VM, and a reboot. Pure.
import { MIB, PAGE_BYTES } from '../base/units.js';
import type { DomainFigures } from '../map/figures.js';
import type { HostMap, MapDomain } from '../map/host-map.js';

export interface Restart {
  readonly node: number;
  /** CPUs of that node that each vCPU may run on, ascending. */
  readonly cpus: readonly number[];
  /** Its masks keep it on that node already. */
  readonly isHeld: boolean;
}

/** A new domain takes memory for its tables too: 1 MiB a vCPU and 8 bytes a page, generously. */
const overheadPages = (pages: number): number => Math.ceil(pages / 64) + (16 * MIB) / PAGE_BYTES;

/** New starts of several VMs: what one was promised, no other is. */
export class RestartPlan {
  readonly #map: HostMap;
  /** Index = node; pages. */
  readonly #room: number[];
  readonly #known = new Map<readonly number[], readonly (readonly number[])[]>();

  constructor(map: HostMap) {
    this.#map = map;
    this.#room = map.nodes.map(({ freePages, claimedPages }) => freePages - claimedPages);
  }

  /**
   * Takes the node with the most of the domain's memory among those that hold all of it and have a
   * CPU for each vCPU; then the one with the most room. A hard affinity is kept.
   * @returns null where there is none
   */
  take(domain: MapDomain, { totalPages, vcpus }: DomainFigures): Restart | null {
    const reaches = [...new Set(vcpus.map(({ effective }) => effective))];
    const byNode = reaches.length === 1 ? this.#byNode(reaches[0]!) : cpusByNode(this.#map, inAll(reaches));
    const found = this.#map.nodes.flatMap((_, node) => {
      const cpus = byNode[node]!;
      const own = domain.pages[node] ?? 0;
      const room = this.#room[node]! + own;
      const needed = totalPages + (own === totalPages ? 0 : overheadPages(totalPages));
      return cpus.length >= vcpus.length && cpus.length > 0 && room >= needed ? [{ node, cpus, own, room, needed }] : [];
    });
    const [best] = found.sort((a, b) => b.own - a.own || b.room - a.room || a.node - b.node);
    if (best === undefined) return null;
    this.#room[best.node]! -= best.needed - best.own;
    return {
      node: best.node,
      cpus: best.cpus,
      isHeld: reaches.every((one) => one.every((cpu) => this.#map.cpus[cpu]?.node === best.node)),
    };
  }

  /** VMs with the same masks share the list. */
  #byNode(cpus: readonly number[]): readonly (readonly number[])[] {
    let byNode = this.#known.get(cpus);
    if (byNode === undefined) {
      byNode = cpusByNode(this.#map, cpus);
      this.#known.set(cpus, byNode);
    }
    return byNode;
  }
}

function cpusByNode({ nodes, cpus: all }: HostMap, cpus: readonly number[]): number[][] {
  const byNode: number[][] = nodes.map(() => []);
  for (const cpu of cpus) byNode[all[cpu]?.node ?? -1]?.push(cpu);
  return byNode;
}

/** What all lists have, in the order of the first. */
function inAll([first = [], ...others]: readonly (readonly number[])[]): readonly number[] {
  const sets = others.map((one) => new Set(one));
  return first.filter((cpu) => sets.every((one) => one.has(cpu)));
}

/** Lines of shell. xapi ignores ranges in a mask: each CPU is written out. */
export function restartCommands(uuid: string, { cpus, isHeld }: Restart): string[] {
  const reboot = `xe vm-reboot uuid=${uuid}`;
  return isHeld ? [reboot] : [`xe vm-param-set uuid=${uuid} VCPUs-params:mask=${cpus.join(',')}`, reboot];
}
