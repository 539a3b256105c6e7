// The pool's rule for the host of a new VM, before any policy places the VM on a node.
import { seededNumbers } from '../../base/random.js';
import { PAGES_PER_MIB } from '../../base/units.js';
import { busyCores } from '../../planner/tight/busy-cores.js';
import type { HostType } from '../fleet/host-type.js';
import { HostOrder } from './host-order.js';

export const CHOOSE_RULES = ['random', 'best-fit', 'local-fit'] as const;
export type ChooseRule = (typeof CHOOSE_RULES)[number];

/** Whether the rule looks at the nodes of hosts, and not at the sizes of their VMs alone. */
export function readsNodes(rule: ChooseRule): boolean {
  return rule === 'local-fit';
}

/** Data of the fleet's nodes for a rule. */
export interface NodeFigures {
  freePages(host: number, node: number): number;
  /** vCPUs that run on the node, on average. */
  vcpus(host: number, node: number): number;
}

/** Nodes that local-fit looks at before it takes the best-fitting host. */
const LOCAL_TRIES = 64;

export class HostChooser {
  readonly #rule: ChooseRule;
  readonly #type: HostType;
  readonly #nodes: NodeFigures;
  readonly #random: () => number;
  /** By the memory that the hosts' VMs leave by their sizes, in MiB. */
  readonly #hosts: HostOrder;
  /** Nodes of the fleet by their free MiB; -1 while their cores are taken. */
  readonly #local: HostOrder | null;

  constructor(rule: ChooseRule, type: HostType, hosts: number, nodes: NodeFigures, seed: number) {
    this.#rule = rule;
    this.#type = type;
    this.#nodes = nodes;
    this.#random = seededNumbers(seed);
    this.#hosts = new HostOrder(hosts, type.freeMib, () => type.freeMib);
    const value = (member: number) => this.#localValue(Math.floor(member / type.nodes), member % type.nodes);
    this.#local = rule === 'local-fit' ? new HostOrder(hosts * type.nodes, type.freeMib, value) : null;
  }

  /** @param mib memory and overhead of the VM. @returns -1 = no host has room */
  choose(vcpus: number, mib: number): number {
    const fitting = this.#hosts.countAtLeast(mib);
    if (fitting === 0) return -1;
    if (this.#rule === 'random') return this.#hosts.at(this.#biased(fitting));
    return this.#localFit(vcpus, mib) ?? this.#hosts.at(fitting - 1);
  }

  /** A VM came to the host (or left it, with a negative size). */
  changed(host: number, mib: number): void {
    this.#hosts.update(host, this.#hosts.valueOf(host) - mib);
    if (this.#local === null) return;
    const { nodes } = this.#type;
    for (let node = 0; node < nodes; node++) this.#local.update(host * nodes + node, this.#localValue(host, node));
  }

  /**
   * xapi's choice among the hosts that have room, those with the most free memory first: the square
   * of a random number below 1 times their count (xen-api e2ee48d6, ocaml/xapi/vm_placement.ml,
   * select_host_from_category and biased_random_fn; called by xapi_vm_placement.ml:80-100). The
   * pool's coordinator is treated like the others.
   */
  #biased(count: number): number {
    const uniform = this.#random() / 2 ** 32;
    return Math.floor(count * uniform * uniform);
  }

  /** The node with the least memory that holds the VM, within its cores. */
  #localFit(vcpus: number, mib: number): number | null {
    if (this.#local === null) return null;
    const { nodes, cores } = this.#type;
    let at = this.#local.countAtLeast(mib) - 1;
    for (let tries = 0; tries < LOCAL_TRIES && at >= 0; tries++, at--) {
      const member = this.#local.at(at);
      const [host, node] = [Math.floor(member / nodes), member % nodes];
      const [demand] = busyCores([this.#nodes.vcpus(host, node) + vcpus]);
      if (demand! <= cores[node]! && this.#hosts.valueOf(host) >= mib) return host;
    }
    return null;
  }

  #localValue(host: number, node: number): number {
    const [demand] = busyCores([this.#nodes.vcpus(host, node)]);
    return demand! >= this.#type.cores[node]! ? -1 : Math.floor(this.#nodes.freePages(host, node) / PAGES_PER_MIB);
  }
}
