// The choice of host and nodes for a VM: replay's host rules over light maps. `local-fit` takes the
// node with the least free memory that holds all of the VM within its cores. If there is none, and
// under the other rules, the free memory of hosts decides, and the VM gets as few nodes of the host
// as possible.
import { fewestNodes, largestSums } from '../../planner/fewest-nodes.js';
import { busyCores } from '../../planner/tight/busy-cores.js';
import { HostOrder } from '../../replay/choose/host-order.js';
import type { Parts } from '../protocol/entries.js';

export const FLEET_RULES = ['local-fit', 'pack', 'spread'] as const;
export type FleetRule = (typeof FLEET_RULES)[number];

/** What is free of a host now: after all claims, also those under way. */
export interface RoomOfHost {
  readonly freeMib: readonly number[];
  /** vCPUs of the VMs and of claims, by node. */
  readonly vcpus: readonly number[];
  readonly cores: readonly number[];
}

export interface Choice {
  readonly host: string;
  readonly parts: Parts;
}

/** Nodes, and hosts, that a rule looks at before it takes the next best way. */
const LOCAL_TRIES = 64;
/** A host's free memory, in MiB, at most: 64 TiB. */
const MOST_MIB = 2 ** 26;

export class FleetChooser {
  readonly #rule: FleetRule;
  readonly #names: readonly string[];
  readonly #index: ReadonlyMap<string, number>;
  readonly #rooms: RoomOfHost[];
  readonly #hosts: HostOrder;
  /** Nodes of all hosts by their free memory; -1 while their cores are taken. */
  readonly #local: HostOrder;
  /** First node of each host among all nodes, and the host of each node. */
  readonly #first: number[] = [];
  readonly #hostOf: number[] = [];

  /** @param hosts those that take VMs; the chooser is made anew when there are others */
  constructor(rule: FleetRule, hosts: ReadonlyMap<string, RoomOfHost>) {
    this.#rule = rule;
    this.#names = [...hosts.keys()];
    this.#index = new Map(this.#names.map((name, at) => [name, at]));
    this.#rooms = [...hosts.values()];
    for (const [host, { freeMib }] of this.#rooms.entries()) {
      this.#first.push(this.#hostOf.length);
      for (const _ of freeMib) this.#hostOf.push(host);
    }
    this.#hosts = new HostOrder(this.#names.length, MOST_MIB, (host) => total(this.#rooms[host]!));
    this.#local = new HostOrder(this.#hostOf.length, MOST_MIB, (member) => this.#localValue(member));
  }

  has(name: string): boolean {
    return this.#index.has(name);
  }

  /** @returns false when the host is not among them, or has other nodes */
  changed(name: string, room: RoomOfHost): boolean {
    const host = this.#index.get(name);
    if (host === undefined || room.freeMib.length !== this.#rooms[host]!.freeMib.length) return false;
    this.#rooms[host] = room;
    this.#hosts.update(host, total(room));
    for (let node = 0; node < room.freeMib.length; node++) {
      const member = this.#first[host]! + node;
      this.#local.update(member, this.#localValue(member));
    }
    return true;
  }

  /** @returns null = no host has room */
  choose(vcpus: number, mib: number, allowed: (host: string) => boolean = () => true): Choice | null {
    if (this.#names.length === 0) return null;
    return (this.#rule === 'local-fit' ? this.#localFit(vcpus, mib, allowed) : null) ?? this.#byHost(mib, allowed);
  }

  #localFit(vcpus: number, mib: number, allowed: (host: string) => boolean): Choice | null {
    let at = this.#local.countAtLeast(mib) - 1;
    for (let tries = 0; tries < LOCAL_TRIES && at >= 0; at--) {
      const member = this.#local.at(at);
      const host = this.#hostOf[member]!;
      if (!allowed(this.#names[host]!)) continue;
      tries++;
      const node = member - this.#first[host]!;
      const room = this.#rooms[host]!;
      const [demand] = busyCores([room.vcpus[node]! + vcpus]);
      if (demand! <= room.cores[node]!) return { host: this.#names[host]!, parts: [[node, mib]] };
    }
    return null;
  }

  /** The least free memory that holds it; `spread`: the most. */
  #byHost(mib: number, allowed: (host: string) => boolean): Choice | null {
    const fitting = this.#hosts.countAtLeast(mib);
    for (let rank = 0; rank < fitting; rank++) {
      const host = this.#hosts.at(this.#rule === 'spread' ? rank : fitting - 1 - rank);
      if (!allowed(this.#names[host]!)) continue;
      return { host: this.#names[host]!, parts: partsOn(this.#rooms[host]!.freeMib, mib, this.#rule === 'spread') };
    }
    return null;
  }

  #localValue(member: number): number {
    const host = this.#hostOf[member]!;
    const { freeMib, vcpus, cores } = this.#rooms[host]!;
    const node = member - this.#first[host]!;
    const [demand] = busyCores([vcpus[node]!]);
    return demand! >= cores[node]! ? -1 : Math.max(0, freeMib[node]!);
  }
}

const total = ({ freeMib }: RoomOfHost): number => freeMib.reduce((sum, mib) => sum + Math.max(0, mib), 0);

/**
 * The node that holds it, with the least free memory (`spread`: the most); else as few nodes as
 * hold it, filled evenly, as Xen takes memory from the nodes of an affinity in turn.
 */
export function partsOn(freeMib: readonly number[], mib: number, spread: boolean): Parts {
  const count = fewestNodes(largestSums(freeMib), mib);
  const byFree = [...freeMib.keys()].sort((a, b) => freeMib[b]! - freeMib[a]! || a - b);
  if (count === 1) {
    const holding = byFree.filter((node) => freeMib[node]! >= mib);
    return [[spread ? holding[0]! : holding.at(-1)!, mib]];
  }
  const parts: [number, number][] = [];
  let rest = mib;
  const nodes = byFree.slice(0, count).reverse();
  for (const [at, node] of nodes.entries()) {
    const share = Math.min(freeMib[node]!, Math.ceil(rest / (nodes.length - at)));
    parts.push([node, share]);
    rest -= share;
  }
  return parts.sort(([a], [b]) => a - b);
}
