// The owner of a host: the one that has the last word on claims. Pure: entries of its own host come
// in (in the order of the log), entries to send go out.
//
// An owner takes the host by an entry for a new epoch. The first entry of the greatest epoch is the
// owner; a daemon that reads a greater epoch than its own is replaced, and readers pass over its
// maps. A claim is admitted against the host's own memory, and started. The map that contains its
// memory names it, and when that map is in the log the claim is deleted. Claims of a placer that
// was not heard of for its lease and a margin are freed in the same way: named as dead by a map,
// then deleted. A claim named as dead is never started.
import {
  type Claim,
  claimsOf,
  decodeDeletion,
  decodeMap,
  encodeDeletion,
  encodeMap,
  type MapOrder,
  MOST_NAMED,
  type Parts,
  takeOff,
} from './entries.js';
import { Leases } from './leases.js';
import type { LogEntry } from './log.js';
import type { OwnerOptions } from './owner-options.js';
import { claimSubject, MOST_EPOCH, mapSubject, ownerSubject, placeOf } from './subjects.js';

interface OwnedClaim {
  /** The process that made the claim. */
  readonly process: string;
  /** Id of its entry in the log, which several claims may share. */
  readonly entry: string;
  readonly claim: Claim | null;
  readonly place: number;
  seenMs: number;
  state: 'open' | 'starting' | 'absorbed' | 'dead';
  /** The map that names it as absorbed or dead. */
  settledBy: number;
}

type OwnerEntry = { readonly epoch: number; readonly owner: string; readonly place: number };

const NO_OWNER: OwnerEntry = { epoch: 0, owner: '', place: 0 };

/** `later`: the log was not read far enough; ask again. `started`: it has been done before. */
export type Admission = 'start' | 'started' | 'later' | { readonly refused: string };

/** Ids of claims that were settled, for entries that the network brings twice. */
const REMEMBERED = 10_000;

export class Owner {
  readonly #options: OwnerOptions;
  #state: 'reading' | 'taking' | 'owner' | 'replaced' = 'reading';
  /** Greatest that was read, and who was first with it. */
  #read: OwnerEntry = NO_OWNER;
  #epoch = 0;
  /** Numbers of the last map that was sent, and of the last one read back. */
  #number = 0;
  #echoed = 0;
  #last = 0;
  readonly #claims = new Map<string, OwnedClaim>();
  /** Entries of several claims: those that are not deleted. */
  readonly #together = new Map<string, Set<string>>();
  readonly #leases = new Leases();
  readonly #settledIds = new Map<string, 'absorbed' | 'dead'>();
  /** Named by the last map of an earlier owner. */
  #deadBefore: ReadonlySet<string> = new Set();
  /** A deletion names a map of this epoch that was never sent: readers ignore those that were. */
  #isHidden = false;
  /** Content of the last map. */
  #sent = '';
  #sentMs = 0;
  /** When the one that replaced this daemon was last heard of. */
  #otherMs = 0;

  constructor(options: OwnerOptions) {
    this.#options = options;
  }

  get isOwner(): boolean {
    return this.#state === 'owner';
  }

  get wasReplaced(): boolean {
    return this.#state === 'replaced';
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Place of the last entry that was read. */
  get last(): number {
    return this.#last;
  }

  get openClaims(): number {
    return this.#claims.size;
  }

  /**
   * Takes the host, when all that the log had of it has been read; again after a lost entry.
   * @throws Error when somebody has taken the last epoch
   */
  take(): void {
    if (this.#state !== 'reading' && this.#state !== 'taking') return;
    this.#state = 'taking';
    const { host, name, send } = this.#options;
    const epoch = Math.max(this.#read.epoch, this.#epoch) + 1;
    if (epoch > MOST_EPOCH) throw new Error(`no epoch is left for this host: purge ${this.newest?.subject} from the stream of the fleet`);
    this.#epoch = epoch;
    send(ownerSubject(host, this.#epoch, name), '{}');
  }

  /** Whether it has not read all of the log yet. */
  get isReading(): boolean {
    return this.#state === 'reading';
  }

  /** The newest entry of an owner that was read; the log never forgets one. null = none yet. */
  get newest(): { readonly subject: string; readonly place: number } | null {
    const { epoch, owner, place } = this.#read;
    return epoch === 0 ? null : { subject: ownerSubject(this.#options.host, epoch, owner), place };
  }

  /**
   * The log is another one, or has lost entries that were read: it is read from its beginning, and
   * the host is taken again with a greater epoch. Claims of the old log are nobody's promise any
   * more, but for those whose VMs are being started.
   */
  restart(): void {
    this.#state = 'reading';
    this.#read = NO_OWNER;
    this.#last = 0;
    this.#sent = '';
    this.#together.clear();
    for (const [id, claim] of [...this.#claims]) {
      if (claim.state === 'absorbed' || claim.state === 'dead') this.#settledIds.set(id, claim.state);
      if (claim.state === 'starting') this.#claims.set(id, { ...claim, entry: id });
      else this.#claims.delete(id);
    }
  }

  read(entry: LogEntry, nowMs: number): void {
    if (entry.place <= this.#last) return;
    this.#last = entry.place;
    const where = placeOf(entry.subject);
    if (where === null || where.host !== this.#options.host) return;
    if (this.#state === 'replaced' && where.kind !== 'claim') this.#otherMs = nowMs;
    if (where.kind === 'map') this.#readMap(entry.text);
    else if (where.kind === 'claim') this.#readClaim(where.id, where.process, entry, nowMs);
    else this.#readOwner(where.epoch, where.owner, entry.place, nowMs);
  }

  /** The process of a placer lives. */
  heard(process: string, nowMs: number): void {
    this.#leases.heard(process, nowMs);
  }

  /** After a time in which nothing could be heard: leases begin again. */
  restartLeases(nowMs: number): void {
    for (const claim of this.#claims.values()) claim.seenMs = nowMs;
    this.#leases.restart(nowMs);
  }

  /** @param start digest of the start that is to use the claim */
  admit(id: string, start: string): Admission {
    const { figures } = this.#options;
    const known = this.#claims.get(id);
    if (figures().started.has(id) || known?.state === 'starting') return 'started';
    if (this.#state !== 'owner') return { refused: 'this daemon does not own the host' };
    if (known === undefined) return this.#settledIds.has(id) ? { refused: 'the claim was settled before' } : 'later';
    if (known.claim === null || known.claim.start !== start) return { refused: 'the claim was made for another start' };
    if (known.state === 'dead' || known.state === 'absorbed') return { refused: `the claim is ${known.state}` };
    if (figures().watched) return { refused: 'the host is only watched: nothing of the fleet starts VMs there' };
    if (figures().draining) return { refused: 'the host is being drained' };
    // Claims before it in the log may hold a promise.
    if (!this.#fits(known, () => false)) return { refused: "the host's memory is taken" };
    if (!this.#fits(known, ({ place, state }) => place < known.place || state === 'starting')) return 'later';
    known.state = 'starting';
    return 'start';
  }

  /** Content of a claim; null = unreadable. */
  partsOf(id: string): Parts | null {
    return this.#claims.get(id)?.claim?.parts ?? null;
  }

  /** The start has ended; the host's figures contain it, or do not. */
  ended(id: string, started: boolean): void {
    const known = this.#claims.get(id);
    if (known !== undefined) known.state = started ? 'absorbed' : 'dead';
    this.publish();
  }

  /** Never to be started. */
  refuse(id: string): void {
    const known = this.#claims.get(id);
    if (known?.state !== 'open') return;
    known.state = 'dead';
    this.#options.freed?.(id);
    this.publish();
  }

  /** Frees what dead placers left, and repeats what was lost on the way. */
  tick(nowMs: number): void {
    const { leaseMs, marginMs } = this.#options;
    this.#leases.forget(nowMs, 10 * leaseMs);
    // An entry of a daemon that is dead may come late, and replace one that lives.
    if (this.#state === 'replaced' && nowMs - this.#otherMs > 2 * leaseMs + marginMs) this.#state = 'taking';
    if (this.#isHidden && this.#state === 'owner') this.#state = 'taking';
    if (this.#state === 'taking') this.take();
    if (this.#state !== 'owner') return;
    for (const [id, claim] of this.#claims) {
      const sinceMs = nowMs - Math.max(claim.seenMs, this.#leases.lastMs(claim.process));
      if (claim.state !== 'open' || sinceMs <= leaseMs + marginMs) continue;
      claim.state = 'dead';
      this.#options.freed?.(id);
    }
    this.#deleteSettled();
    // A map a lease says that the owner lives, and how far it has read.
    if (this.#echoed < this.#number || nowMs - this.#sentMs > leaseMs) this.#sent = '';
    if (this.#sent === '') this.#sentMs = nowMs;
    this.publish();
  }

  /**
   * Sends the host's current map if it has changed.
   * @throws Error when the host has more than a map of the fleet may say
   */
  publish(): void {
    if (this.#state !== 'owner') return;
    const { figures, host, send } = this.#options;
    const { nodes, vms, drifted, draining, watched, runs, tags, undecided, cpuPercent, started } = figures();
    for (const [id, claim] of this.#claims) if (started.has(id)) claim.state = 'absorbed';
    const named = this.#named();
    const idsOf = (state: OwnedClaim['state']) => named.flatMap(([id, claim]) => (claim.state === state ? [id] : []));
    const [absorbed, dead] = [idsOf('absorbed'), idsOf('dead')];
    const marks = { ...(watched ? { watched } : {}), ...(undecided ? { undecided } : {}) };
    const content = { nodes, vms, drifted, draining, ...marks, runs, tags, absorbed, dead };
    // `settled` alone is no reason for a map: it moves with each own entry. Nor is the use of the
    // CPUs, which always moves: a map a lease carries it.
    const said = JSON.stringify(content);
    if (said === this.#sent) return;
    const order = { epoch: this.#epoch, number: this.#number + 1, settled: this.#settled() };
    const text = encodeMap({ ...content, ...order, ...(cpuPercent === undefined ? {} : { cpuPercent }), together: true });
    // Nobody could read it, this owner included: it would send it again and again.
    if (decodeMap(text) === null) throw new Error('the host has more nodes, CPUs, tags or text than a map of the fleet may say');
    this.#sent = said;
    this.#number++;
    for (const [, claim] of named) if (claim.settledBy === 0) claim.settledBy = this.#number;
    send(mapSubject(host), text);
  }

  /**
   * Claims for the next map, the first of the log first. Those beyond the limit come in later maps:
   * a claim that no map names goes on holding its memory for every reader.
   */
  #named(): (readonly [string, OwnedClaim])[] {
    const ended = [...this.#claims].filter(([, { state }]) => state === 'absorbed' || state === 'dead');
    return ended.slice(0, MOST_NAMED);
  }

  #settled(): number {
    let least = this.#last + 1;
    for (const { place } of this.#claims.values()) least = Math.min(least, Math.floor(place));
    return least - 1;
  }

  #fits(known: OwnedClaim, counts: (other: OwnedClaim) => boolean): boolean {
    const free = this.#options.figures().nodes.map(({ freeMib }) => freeMib);
    for (const other of this.#claims.values()) {
      if (other === known || !this.#holds(other) || !counts(other)) continue;
      if (other.claim === null) return false;
      takeOff(free, other.claim.parts);
    }
    return known.claim!.parts.every(([node, mib]) => (free[node] ?? -1) >= mib);
  }

  /** A claim that will not start holds its memory until the log says so: it may be a promise. */
  #holds({ state, settledBy }: OwnedClaim): boolean {
    if (state === 'dead') return settledBy === 0 || settledBy > this.#echoed;
    return state !== 'absorbed';
  }

  #isSettled({ state, settledBy }: OwnedClaim): boolean {
    return settledBy !== 0 && settledBy <= this.#echoed && (state === 'absorbed' || state === 'dead');
  }

  #readMap(text: string): void {
    const map = decodeMap(text);
    if (this.#state !== 'owner') {
      if (map !== null) this.#deadBefore = new Set(map.dead);
    } else if (map !== null && map.epoch === this.#epoch) {
      this.#echoed = Math.max(this.#echoed, map.number);
      this.#deleteSettled();
    } else {
      // An earlier owner's, or a stranger's: it must not stay the last one.
      this.#sent = '';
      this.publish();
    }
  }

  #readClaim(id: string, process: string, { place, text }: LogEntry, nowMs: number): void {
    const settledBy = decodeDeletion(text);
    if (settledBy !== undefined) {
      this.#isHidden ||= settledBy?.epoch === this.#epoch && settledBy.number > this.#number;
      this.#delete(id);
      return;
    }
    this.#leases.follow(process, nowMs);
    const claims = claimsOf(id, place, text);
    const before = new Map(claims.map((one) => [one.id, this.#claims.get(one.id)]));
    this.#delete(id);
    if (claims[0]!.id !== id) this.#together.set(id, new Set(claims.map((one) => one.id)));
    let settled = false;
    for (const { id: own, place: its, claim } of claims) {
      const known = before.get(own);
      const state: OwnedClaim['state'] = this.#settledIds.get(own) ?? (this.#deadBefore.has(own) ? 'dead' : 'open');
      // Brought twice, or written over: a start that was admitted is not admitted again.
      const made = known === undefined || known.state === 'open' ? { claim, state, settledBy: 0 } : known;
      this.#claims.set(own, { ...made, process, entry: id, place: its, seenMs: nowMs });
      settled ||= made.state !== 'open';
    }
    if (settled) this.publish();
  }

  /** A claim, or an entry with all of its claims. */
  #delete(id: string): void {
    for (const one of this.#together.get(id) ?? []) this.#claims.delete(one);
    this.#together.delete(id);
    const entry = this.#claims.get(id)?.entry;
    this.#claims.delete(id);
    if (entry !== undefined) this.#together.get(entry)?.delete(id);
  }

  #readOwner(epoch: number, owner: string, place: number, nowMs: number): void {
    const first = epoch > this.#read.epoch;
    if (first) this.#read = { epoch, owner, place };
    if (this.#state === 'reading' || this.#state === 'replaced') return;
    const own = owner === this.#options.name;
    if (own && first) this.#own(epoch);
    else if (this.#read.owner !== this.#options.name && (own || this.#state === 'owner')) this.#replace(nowMs);
  }

  /** Also for a later epoch of its own: an attempt that was thought lost. */
  #own(epoch: number): void {
    this.#state = 'owner';
    this.#isHidden = false;
    this.#epoch = epoch;
    this.#sent = '';
    for (const [id, claim] of this.#claims) {
      if (this.#deadBefore.has(id)) claim.state = 'dead';
      claim.settledBy = 0;
    }
    this.#number = 0;
    this.#echoed = 0;
    this.publish();
  }

  #replace(nowMs: number): void {
    this.#state = 'replaced';
    this.#otherMs = nowMs;
    this.#options.replaced?.(this.#read);
  }

  /** Claims that a map in the log names; an entry of several when all of them are settled. */
  #deleteSettled(): void {
    const { host, send } = this.#options;
    const by: MapOrder = { epoch: this.#epoch, number: this.#echoed };
    for (const [id, claim] of this.#claims) {
      if (!this.#isSettled(claim)) continue;
      this.#settledIds.set(id, claim.state as 'absorbed' | 'dead');
      if (claim.entry === id) send(claimSubject(host, id), encodeDeletion(by));
    }
    for (const [entry, ids] of this.#together) {
      // Without claims, their placer has deleted each.
      if ([...ids].every((id) => this.#isSettled(this.#claims.get(id)!))) send(claimSubject(host, entry), encodeDeletion(by));
    }
    for (const id of this.#settledIds.keys()) {
      if (this.#settledIds.size <= REMEMBERED) break;
      this.#settledIds.delete(id);
    }
  }
}
