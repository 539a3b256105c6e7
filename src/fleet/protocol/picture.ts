// What a reader of the log knows of all hosts: their maps, and the claims that are not settled.
//
// Invariants of the fleet. `invariants.ts` states them over a whole fleet, the simulation checks
// them after every step, and the tests check them on real servers:
//   1. Granted claims and allocated memory together never exceed a node's memory.
//   2. A claim counts from its entry until its deletion, or until a map that settles it.
//   3. Nothing is decided from a picture older than the own claim's entry.
//   4. Without the log nothing is promised, and hosts go on. Clocks never grant anything.
//
// The log keeps only the last entry of a subject. A reader that was away may thus meet its own
// claim before the map that absorbed an earlier one, whose entry is gone: the picture would show
// room that is taken. A gap in the places of the log says that entries are missing. The picture is
// whole again when everything that was still to come at the gap has been read.
import {
  type Claim,
  claimsOf,
  decodeDeletion,
  decodeMap,
  idTogether,
  isBefore,
  type LightMap,
  type MapOrder,
  type Parts,
  takeOff,
} from './entries.js';
import type { WatchedEntry } from './log.js';
import { placeOf } from './subjects.js';

export interface PicturedClaim {
  readonly id: string;
  readonly place: number;
  /** null = unreadable: it takes the whole host until the owner settles it. */
  readonly claim: Claim | null;
}

export interface PicturedHost {
  readonly name: string;
  /** null = none, or only one that is older than what is known to have been settled. */
  readonly map: LightMap | null;
  /** In the order of the log. */
  readonly claims: ReadonlyMap<string, PicturedClaim>;
  /** Deletions that were read: the log keeps each until it is purged. */
  readonly deletions: number;
}

interface Host {
  readonly name: string;
  map: LightMap | null;
  readonly claims: Map<string, PicturedClaim>;
  /** Entries of several claims, with their number. */
  readonly together: Map<string, number>;
  deletions: number;
  /** The newest map that a deletion names. */
  newest: MapOrder;
  /** Greatest epoch of an owner. */
  epoch: number;
}

/** `lost`: the log was replaced by another one, so that only the host knows what became of it. */
export type Settled = 'absorbed' | 'dead' | 'deleted' | 'lost';

export interface PictureEvents {
  /** Map or claims of the host have changed. */
  changed?(host: string): void;
  /** The entry of a claim. */
  claimed?(host: string, claim: PicturedClaim): void;
  /** The claim does not count any more. */
  settled?(host: string, id: string, how: Settled): void;
}

export class Picture {
  readonly #hosts = new Map<string, Host>();
  readonly #events: PictureEvents;
  #last = 0;
  /** Entries to read until the picture is whole; null = not known yet. */
  #missing: number | null = null;

  constructor(events: PictureEvents = {}) {
    this.#events = events;
  }

  /** Whether it shows the log as it was at one moment. */
  get whole(): boolean {
    return this.#missing === 0;
  }

  /** Place of the last entry that was read. */
  get last(): number {
    return this.#last;
  }

  get hosts(): ReadonlyMap<string, PicturedHost> {
    return this.#hosts;
  }

  /** The log is another one: what was read of the old one does not count. */
  restart(): void {
    const before = [...this.#hosts.values()];
    this.#hosts.clear();
    this.#last = 0;
    this.#missing = null;
    for (const host of before) {
      for (const id of [...host.claims.keys()]) this.#settle(host, id, 'lost');
      this.#events.changed?.(host.name);
    }
  }

  /** The log had nothing to read. */
  caughtUp(): void {
    this.#missing ??= 0;
  }

  /** An entry of the watch; one that was read already changes nothing. */
  read(entry: WatchedEntry): void {
    if (entry.place <= this.#last) return;
    if (this.#missing === null || entry.place !== this.#last + 1) this.#missing = entry.pending;
    else if (this.#missing > 0) this.#missing--;
    this.#last = entry.place;
    const where = placeOf(entry.subject);
    if (where === null) return;
    const host = this.#host(where.host);
    if (where.kind === 'map') this.#readMap(host, entry.text);
    else if (where.kind === 'claim') this.#readClaim(host, where.id, entry);
    else this.#readOwner(host, where.epoch);
    this.#events.changed?.(host.name);
  }

  /** Free memory of the host's nodes in MiB, less the claims before that place; null = no map. */
  freeBefore(hostName: string, place: number): number[] | null {
    const host = this.#hosts.get(hostName);
    if (host === undefined || host.map === null) return null;
    const free = host.map.nodes.map(({ freeMib }) => freeMib);
    for (const { claim, place: its } of host.claims.values()) {
      if (its >= place) continue;
      if (claim === null) return free.map(() => 0);
      takeOff(free, claim.parts);
    }
    return free;
  }

  /** Whether the parts fit on the host behind all claims before that place. */
  fits(hostName: string, parts: Parts, place: number = Number.POSITIVE_INFINITY): boolean {
    const free = this.freeBefore(hostName, place);
    return free !== null && parts.every(([node, mib]) => (free[node] ?? -1) >= mib);
  }

  #host(name: string): Host {
    let host = this.#hosts.get(name);
    if (host === undefined) {
      host = { name, map: null, claims: new Map(), together: new Map(), deletions: 0, newest: { epoch: 0, number: 0 }, epoch: 0 };
      this.#hosts.set(name, host);
    }
    return host;
  }

  #readMap(host: Host, text: string): void {
    const map = decodeMap(text);
    // An owner that was replaced, or never was one (its entry comes before its maps), or a map that
    // was overtaken by a later one.
    if (map === null || map.epoch !== host.epoch || isBefore(map, host.newest)) return;
    host.map = map;
    host.newest = map;
    for (const id of map.absorbed) this.#settle(host, id, 'absorbed');
    for (const id of map.dead) this.#settle(host, id, 'dead');
    for (const { id, place } of [...host.claims.values()]) if (Math.floor(place) <= map.settled) this.#settle(host, id, 'deleted');
  }

  #readClaim(host: Host, id: string, entry: WatchedEntry): void {
    const settledBy = decodeDeletion(entry.text);
    if (settledBy === undefined) {
      const claims = claimsOf(id, entry.place, entry.text);
      this.#replace(host, id, claims);
      for (const claim of claims) this.#claim(host, claim);
      return;
    }
    host.deletions++;
    this.#replace(host, id, []);
    // In an epoch that nobody has taken it is forged: it would hide all maps of the host.
    if (settledBy === null || settledBy.epoch > host.epoch || !isBefore(host.newest, settledBy)) return;
    host.newest = settledBy;
    if (host.map !== null && isBefore(host.map, settledBy)) host.map = null;
  }

  /** Claims of an earlier entry on that subject that are not in this one do not count any more. */
  #replace(host: Host, id: string, claims: readonly PicturedClaim[]): void {
    const now = new Set(claims.map((claim) => claim.id));
    const before = Array.from({ length: host.together.get(id) ?? 0 }, (_, at) => idTogether(id, at));
    for (const one of [id, ...before]) if (!now.has(one)) this.#settle(host, one, 'deleted');
    if (claims.length > 0 && !now.has(id)) host.together.set(id, claims.length);
    else host.together.delete(id);
  }

  #claim(host: Host, claim: PicturedClaim): void {
    const { id } = claim;
    // Brought twice: the map settles the second one too.
    if (host.map?.absorbed.includes(id) || host.map?.dead.includes(id)) return;
    // An entry in place of an earlier one takes a new place in the order.
    host.claims.delete(id);
    host.claims.set(id, claim);
    this.#events.claimed?.(host.name, claim);
  }

  /** Nothing is placed on the host until the new owner's map comes. */
  #readOwner(host: Host, epoch: number): void {
    if (epoch <= host.epoch) return;
    host.epoch = epoch;
    host.map = null;
  }

  #settle(host: Host, id: string, how: Settled): void {
    if (host.claims.delete(id)) this.#events.settled?.(host.name, id, how);
  }
}
