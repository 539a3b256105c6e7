// Places VMs over the hosts of a picture: chooses a host, claims memory, sends the start to the
// host's own daemon, and tries the next host if that one refuses.

import { digestOf, type FleetVm } from '../member/requests.js';
import type { Parts } from '../protocol/entries.js';
import type { PicturedHost } from '../protocol/picture.js';
import type { ClaimEnd } from '../protocol/placer.js';
import { type Choice, FleetChooser, type FleetRule, type RoomOfHost } from './chooser.js';
import type { FleetClient } from './fleet-client.js';
import { addVcpus, stormOrder } from './storm.js';

export interface VmToPlace {
  readonly vm: FleetVm;
  /** Memory that a host needs for it, with what Xen and the toolstack add. */
  readonly mib: number;
  /** VMs of one group go to different hosts. */
  readonly apart?: string;
}

export type PlacementResult =
  | { readonly vm: string; readonly host: string; readonly parts: Parts; readonly claim: string }
  | { readonly vm: string; readonly host: null; readonly reason: string; readonly claim?: string };

export interface PlacementOptions {
  readonly rule: FleetRule;
  /** Hosts with all of these only. */
  readonly tags: readonly string[];
  /** Choose only. */
  readonly dryRun?: boolean;
  /** A promise was made, before its start is handed over. */
  readonly granted?: (host: string, claim: string, parts: Parts) => void;
  /** A claim has ended in the log. */
  readonly ended?: (claim: string, how: ClaimEnd) => void;
  /** A promise is given back. */
  readonly returned?: (claim: string) => void;
  /** Hosts that are not chosen: those that do not answer, and the one that is emptied. */
  readonly except?: ReadonlySet<string>;
}

/** The entry of a claim comes within this, or is given up. */
const ENTRY_MS = 8000;
/** The outcome of a start, after its answer. */
const END_MS = 15_000;
const TRIES = 20;
/** Claims in a row whose entries did not come: half a minute without servers. */
const SILENT_TRIES = 3;
const TOGETHER = 64;

type Claimed =
  | { readonly id: string; readonly promised: boolean; readonly end: Promise<string> }
  | {
      readonly id: null;
      readonly why: string;
      /** The claim whose entry did not come. */
      readonly late?: string;
    };

/** Places that the picture does not show yet. */
type Flight = ReadonlyMap<string, { readonly parts: Parts; readonly vcpus: number }>;

export class Placement {
  readonly #client: FleetClient;
  readonly #options: PlacementOptions;
  #chooser: FleetChooser;
  /** By host, then by claim. */
  readonly #flights = new Map<string, Map<string, { parts: Parts; vcpus: number }>>();
  readonly #groups = new Map<string, Set<string>>();
  /** Hosts whose room is to be computed anew before the next choice. */
  readonly #stale = new Set<string>();

  constructor(client: FleetClient, options: PlacementOptions) {
    this.#client = client;
    this.#options = options;
    this.#chooser = new FleetChooser(options.rule, new Map());
    this.#rebuild();
    client.changed = (host) => this.#stale.add(host);
  }

  /** Starts the VMs as one batch (storm.ts). @returns results in the order of `vms` */
  async placeAll(vms: readonly VmToPlace[], done: (placed: PlacementResult) => void = () => {}): Promise<PlacementResult[]> {
    const results: PlacementResult[] = [];
    const order = stormOrder(
      vms.map(({ vm, mib, apart }) => ({ vcpus: vm.vcpus, mib, ...(apart === undefined ? {} : { apart }) })),
      this.#options.rule,
      this.#rooms(),
    );
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < order.length) {
        const at = order[next++]!;
        results[at] = await this.place(vms[at]!);
        done(results[at]!);
      }
    };
    // One after the other where nothing is claimed: the next choice needs the last one.
    await Promise.all(Array.from({ length: this.#options.dryRun ? 1 : TOGETHER }, worker));
    return results;
  }

  async place(placed: VmToPlace): Promise<PlacementResult> {
    const { vm, mib, apart } = placed;
    const passed = new Set<string>();
    let reason = this.#none();
    let silent = 0;
    for (let tries = 0; tries < TRIES; tries++) {
      const group = apart === undefined ? null : this.#group(apart);
      const free = (host: string) => !passed.has(host) && !group?.has(host);
      const choice = this.choose(vm.vcpus, mib, free);
      if (choice === null) return { vm: vm.name, host: null, reason };
      const { host, parts } = choice;
      group?.add(host);
      if (this.#options.dryRun) {
        this.#fly(host, `dry.${tries}-${vm.name}`, { parts, vcpus: vm.vcpus });
        return { vm: vm.name, host, parts, claim: '' };
      }
      const end = await this.#try(vm, host, parts);
      if ('done' in end) return end.done;
      group?.delete(host);
      reason = `${host}: ${end.refused}`;
      if (end.final) passed.add(host);
      silent = end.silent ? silent + 1 : 0;
      if (silent === SILENT_TRIES) {
        return {
          vm: vm.name,
          host: null,
          reason: `the servers of the fleet are away or have no leader: ${silent} claims did not reach the log`,
        };
      }
    }
    return { vm: vm.name, host: null, reason };
  }

  /** Among this placer's own hosts first. */
  choose(vcpus: number, mib: number, free: (host: string) => boolean = () => true): Choice | null {
    const { shards } = this.#client;
    for (const host of this.#stale) this.#changed(host);
    this.#stale.clear();
    return this.#chooser.choose(vcpus, mib, (host) => shards.mine(host) && free(host)) ?? this.#chooser.choose(vcpus, mib, free);
  }

  /** Why no host is chosen. Without a host that has the tags, room is not the reason. */
  #none(): string {
    const { tags } = this.#options;
    const tagged = [...this.#client.picture.hosts.values()].some(({ map }) => map !== null && tags.every((tag) => map.tags.includes(tag)));
    const room = this.#options.except?.size ? 'none of the hosts that are left has room' : 'no host has room';
    return tags.length === 0 || tagged ? room : `no host has the tag${tags.length > 1 ? 's' : ''} ${tags.join(', ')}`;
  }

  #group(name: string): Set<string> {
    const group = this.#groups.get(name) ?? new Set();
    this.#groups.set(name, group);
    return group;
  }

  async #try(
    vm: FleetVm,
    host: string,
    parts: Parts,
  ): Promise<{ readonly done: PlacementResult } | { readonly refused: string; readonly final: boolean; readonly silent?: boolean }> {
    const { placer } = this.#client;
    const claim = await this.claim(host, parts, vm, true);
    if (claim.id === null) {
      const why = claim.late === undefined ? null : await this.#client.whyNotStored(host, claim.late);
      if (why === null) return { refused: claim.why, final: false, silent: claim.late !== undefined };
      return { done: { vm: vm.name, host: null, reason: `the servers of the fleet store no more claims: ${why}` } };
    }
    const { id } = claim;
    if (claim.promised) this.#options.granted?.(host, id, parts);
    let reason = 'the host has freed the claim';
    try {
      const answer = await this.#client.start(host, { id, vm, parts });
      if (answer.started) return { done: { vm: vm.name, host, parts, claim: id } };
      // The log has the last word: a daemon that was replaced may have answered first.
      reason = answer.reason ?? reason;
    } catch (error) {
      // Nobody has the message: the promise can be given back.
      if (/no responders/i.test(String(error))) {
        this.#options.returned?.(id);
        placer.giveUp(id);
        return { refused: 'its member does not answer', final: true };
      }
    }
    const end = await Promise.race([claim.end, pause(END_MS, 'unknown' as const)]);
    if (end === 'absorbed') return { done: { vm: vm.name, host, parts, claim: id } };
    if (end !== 'unknown' && end !== 'lost') return { refused: reason, final: true };
    return { done: { vm: vm.name, host: null, reason: `not known whether ${host} has started it`, claim: id } };
  }

  /**
   * Until it is granted, refused or given up. @param orLeft also without a promise, while the log
   * brings more than is read: the owner decides by the start
   */
  claim(host: string, parts: Parts, { vcpus, ...vm }: FleetVm, orLeft = false) {
    const { placer } = this.#client;
    let ended = (_: string) => {};
    const end = new Promise<string>((done) => {
      ended = done;
    });
    return new Promise<Claimed>((done) => {
      const there = (promised: boolean) => {
        clearTimeout(late);
        this.#endFlight(host, id);
        done({ id, promised, end });
      };
      const id = placer.claim(
        host,
        { parts, vcpus, start: digestOf({ vcpus, ...vm }, parts) },
        {
          granted: () => there(true),
          undecided: () => {
            if (!orLeft) return;
            placer.leaveToOwner(id);
            there(false);
          },
          ended: (_, how) => {
            clearTimeout(late);
            this.#endFlight(host, id);
            ended(how);
            this.#options.ended?.(id, how);
            const why = how === 'refused' ? 'another claim was first' : `the claim was ${how}`;
            done({ id: null, why, ...(how === 'given up' ? { late: id } : {}) });
          },
        },
      );
      this.#fly(host, id, { parts, vcpus });
      const late = setTimeout(() => placer.giveUp(id), ENTRY_MS);
    });
  }

  #fly(host: string, id: string, flight: { parts: Parts; vcpus: number }): void {
    const flights = this.#flights.get(host) ?? new Map();
    flights.set(id, flight);
    this.#flights.set(host, flights);
    this.#stale.add(host);
  }

  #endFlight(host: string, id: string): void {
    this.#flights.get(host)?.delete(id);
    this.#stale.add(host);
  }

  #takes({ name, map }: PicturedHost): boolean {
    if (map === null || map.draining || this.#options.except?.has(name)) return false;
    return this.#options.tags.every((tag) => map.tags.includes(tag));
  }

  #changed(name: string): void {
    const host = this.#client.picture.hosts.get(name);
    if (host !== undefined && this.#takes(host)) {
      if (!this.#chooser.changed(name, this.#room(host))) this.#rebuild();
    } else if (this.#chooser.has(name)) this.#rebuild();
  }

  #rebuild(): void {
    this.#chooser = new FleetChooser(this.#options.rule, this.#rooms());
  }

  /** Of the hosts that take VMs. */
  #rooms(): Map<string, RoomOfHost> {
    const takers = [...this.#client.picture.hosts.values()].filter((host) => this.#takes(host));
    return new Map(takers.map((host) => [host.name, this.#room(host)]));
  }

  #room(host: PicturedHost): RoomOfHost {
    return roomOf(host, this.#client.picture.freeBefore(host.name, Number.POSITIVE_INFINITY)!, this.#flights.get(host.name) ?? new Map());
  }
}

/** @param flights claims whose entries were not read; those that were are in `free` */
function roomOf({ map, claims }: PicturedHost, free: readonly number[], flights: Flight): RoomOfHost {
  const room = { freeMib: [...free], vcpus: map!.nodes.map((node) => node.vcpus), cores: map!.nodes.map(({ cores }) => cores) };
  for (const { claim } of claims.values()) if (claim !== null) addVcpus(room.vcpus, claim.parts, claim.vcpus);
  for (const [id, { parts, vcpus }] of flights) {
    if (claims.has(id)) continue;
    for (const [node, mib] of parts) room.freeMib[node] = (room.freeMib[node] ?? 0) - mib;
    addVcpus(room.vcpus, parts, vcpus);
  }
  return room;
}

function pause<T>(ms: number, value: T): Promise<T> {
  return new Promise((done) => setTimeout(() => done(value), ms).unref());
}
