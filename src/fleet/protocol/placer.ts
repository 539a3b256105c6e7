// A placer's claims, from the entry to the end. Pure: entries come in, entries to send go out.
//
// A claim is sent under an id that was never used. When the placer reads its own entry, it has the
// promise if the host's free memory, less all claims before it in the log, still holds it. Every
// reader of the log comes to the same answer, so no two placers are promised the same memory. A
// claim without room, and one that was given up, is deleted.
//
// While the log brings more than the placer reads, its picture is seldom whole: entries that were
// replaced leave gaps. Waiting for the gaps before the own entry only is not enough, since the
// deletion of a claim in a gap may itself be replaced or purged before it is read. Nor is reading
// the host's entries again: one after the other, they may come from replicas that lag differently.
// The host's owner has read all entries before any that it knows, and admits a start only behind
// all earlier claims, as a promise is made. So a claim without a decision can be left to it.
import { type Claim, encodeClaim, encodeClaims, encodeDeletion, idTogether, MOST_TOGETHER } from './entries.js';
import type { WatchedEntry } from './log.js';
import { Picture, type PictureEvents, type Settled } from './picture.js';
import { claimSubject } from './subjects.js';

/**
 * `gone`: the owner, or the administrator, has deleted a promise that was not used. `lost`: the log
 * is another one, and the owner may have started the VM.
 */
export type ClaimEnd = 'refused' | 'given up' | 'absorbed' | 'gone' | 'lost';

interface OwnClaim {
  readonly host: string;
  readonly claim: Claim;
  /** Place of its entry in the log; null = not read yet. */
  place: number | null;
  state: 'sent' | 'granted' | 'left to owner' | 'given up';
  readonly events: ClaimEvents;
}

export interface ClaimEvents {
  /** The promise is there. */
  granted(id: string): void;
  /** Its entry is there, and the picture is not whole: `leaveToOwner` may decide it sooner. */
  undecided?(id: string): void;
  /** Without a promise, or after it. */
  ended(id: string, how: ClaimEnd): void;
}

export interface PlacerOptions {
  /** Name of the NATS user. */
  readonly name: string;
  /** A token that no other process of that name has had. */
  readonly process: string;
  readonly send: (subject: string, text: string) => void;
  readonly events?: PictureEvents;
  /**
   * Claims on one host that come before `flush` is called share an entry, MOST_TOGETHER at most;
   * absent = each has its own. Called for the first claim of an entry.
   */
  readonly gather?: (flush: () => void) => void;
}

/** Claims that wait for their entry to be sent. */
interface Gathered {
  readonly entry: string;
  readonly claims: Claim[];
}

export class Placer {
  /** PLACER.PROCESS, whose lease its claims have. */
  readonly process: string;
  readonly picture: Picture;
  readonly #send: PlacerOptions['send'];
  readonly #own = new Map<string, OwnClaim>();
  /** Read, and waiting for the picture to be whole. */
  readonly #undecided = new Set<string>();
  readonly #gather: PlacerOptions['gather'];
  /** By host. */
  readonly #gathered = new Map<string, Gathered>();
  /** The claims whose entry is being read. */
  #fresh: string[] = [];
  #next = 1;

  constructor({ name, process, send, events = {}, gather }: PlacerOptions) {
    this.process = `${name}.${process}`;
    this.#gather = gather;
    this.#send = send;
    this.picture = new Picture({
      ...events,
      claimed: (host, claim) => {
        events.claimed?.(host, claim);
        this.#claimed(claim.id, claim.place);
      },
      settled: (host, id, how) => {
        events.settled?.(host, id, how);
        this.#settled(id, how);
      },
    });
  }

  /** Claims that the placer has sent and that have not ended. */
  get open(): number {
    return this.#own.size;
  }

  claim(host: string, claim: Claim, events: ClaimEvents): string {
    const alone = this.#gather === undefined || this.picture.hosts.get(host)?.map?.together !== true;
    const id = alone ? this.#newId() : this.#together(host, claim);
    this.#own.set(id, { host, claim, place: null, state: 'sent', events });
    if (alone) this.#send(claimSubject(host, id), encodeClaim(claim));
    return id;
  }

  #newId(): string {
    return `${this.process}-${this.#next++}`;
  }

  /** @returns the claim's id in the host's next entry */
  #together(host: string, claim: Claim): string {
    const open = this.#gathered.get(host);
    const { entry, claims } = open ?? { entry: this.#newId(), claims: [] };
    claims.push(claim);
    if (open === undefined) {
      this.#gathered.set(host, { entry, claims });
      this.#gather!(() => this.#flush(host, entry));
    }
    if (claims.length === MOST_TOGETHER) this.#flush(host, entry);
    return idTogether(entry, claims.length - 1);
  }

  #flush(host: string, entry: string): void {
    const gathered = this.#gathered.get(host);
    // It was full, and is sent already.
    if (gathered?.entry !== entry) return;
    this.#gathered.delete(host);
    this.#send(claimSubject(host, entry), encodeClaims(gathered.claims));
  }

  /**
   * No promise is wanted any more. A claim whose entry was not read may still come: it is deleted
   * when it does. A promise whose start was handed over must not be given up: the owner settles it.
   */
  giveUp(id: string): void {
    const own = this.#own.get(id);
    if (own === undefined || own.state === 'given up') return;
    own.state = 'given up';
    this.#undecided.delete(id);
    this.#send(claimSubject(own.host, id), encodeDeletion(null));
    own.events.ended(id, 'given up');
  }

  /**
   * Deletions that the log does not have: a lost connection took them. While this process lives,
   * nobody else frees its claims.
   */
  repeatDeletions(): void {
    for (const [id, { host, place, state }] of this.#own)
      if (state === 'given up' && place !== null) this.#send(claimSubject(host, id), encodeDeletion(null));
  }

  /**
   * No promise any more: the start is handed over without one, and the owner's answer decides. As
   * for a promise, the claim must not be given up then.
   */
  leaveToOwner(id: string): void {
    const own = this.#own.get(id);
    if (own?.state === 'sent' && own.place !== null && this.#undecided.delete(id)) own.state = 'left to owner';
  }

  caughtUp(): void {
    this.picture.caughtUp();
  }

  /** Another log: promises of the old one are gone, and claims on their way may still come. */
  restart(): void {
    this.picture.restart();
  }

  read(entry: WatchedEntry): void {
    this.#fresh = [];
    this.picture.read(entry);
    if (!this.picture.whole) {
      for (const id of this.#fresh) this.#own.get(id)?.events.undecided?.(id);
      return;
    }
    for (const id of this.#undecided) this.#decide(id);
    this.#undecided.clear();
  }

  #claimed(id: string, place: number): void {
    const own = this.#own.get(id);
    // One that ended, brought twice by the network: the owner settles it.
    if (own === undefined) return;
    own.place = place;
    if (own.state === 'given up') this.#send(claimSubject(own.host, id), encodeDeletion(null));
    if (own.state !== 'sent') return;
    this.#undecided.add(id);
    this.#fresh.push(id);
  }

  #decide(id: string): void {
    const own = this.#own.get(id);
    if (own === undefined || own.place === null || own.state !== 'sent') return;
    if (this.picture.fits(own.host, own.claim.parts, own.place)) {
      own.state = 'granted';
      own.events.granted(id);
      return;
    }
    own.state = 'given up';
    this.#send(claimSubject(own.host, id), encodeDeletion(null));
    own.events.ended(id, 'refused');
  }

  #settled(id: string, how: Settled): void {
    const own = this.#own.get(id);
    if (own === undefined) return;
    this.#own.delete(id);
    this.#undecided.delete(id);
    if (own.state !== 'given up') own.events.ended(id, how === 'absorbed' || how === 'lost' ? how : 'gone');
  }
}
