// The fleet's log in memory, with the faults of a real one: three replicas that lag, readers that
// change from one to another and miss what was replaced meanwhile, and entries that are lost, late,
// brought twice or in another order than they were sent in.
import type { Random } from '../../base/random.js';
import type { LogEntry, WatchedEntry } from '../protocol/log.js';

export class SimulatedLog {
  readonly entries: LogEntry[] = [];
  /** By index: that of the next entry on the same subject. */
  readonly #replacedAt: number[] = [];
  readonly #lastOf = new Map<string, number>();
  /** How many entries each replica has. */
  readonly #applied = [0, 0, 0];

  append(subject: string, text: string): void {
    const index = this.entries.length;
    this.entries.push({ place: index + 1, subject, text });
    this.#replacedAt.push(Number.POSITIVE_INFINITY);
    const before = this.#lastOf.get(subject);
    if (before !== undefined) this.#replacedAt[before] = index;
    this.#lastOf.set(subject, index);
  }

  /** Claims on the host go, in the order of the log: a replica that lags has them. */
  purgeClaims(host: string, upTo: number): void {
    for (let index = 0; index < upTo; index++) {
      if (this.entries[index]!.subject.startsWith(`h.${host}.r.`))
        this.#replacedAt[index] = Math.min(this.#replacedAt[index]!, this.entries.length - 1);
    }
  }

  /** A replica catches up, a little or wholly. */
  replicate(random: Random): void {
    const replica = random.below(3);
    const behind = this.entries.length - this.#applied[replica]!;
    this.#applied[replica]! += random.chance(60) ? behind : random.below(behind + 1);
  }

  /** The first entry after that place which the replica keeps. */
  next(replica: number, after: number, matches: (subject: string) => boolean = () => true): WatchedEntry | null {
    const applied = this.#applied[replica]!;
    let found: LogEntry | null = null;
    let pending = 0;
    for (let index = after; index < applied; index++) {
      const entry = this.entries[index]!;
      if (this.#replacedAt[index]! < applied || !matches(entry.subject)) continue;
      if (found === null) found = entry;
      else pending++;
    }
    return found === null ? null : { ...found, pending };
  }

  /** All replicas have everything. */
  settle(): void {
    this.#applied.fill(this.entries.length);
  }
}

interface Letter {
  readonly subject: string;
  readonly text: string;
}

/** Entries that one process has sent and the log has not stored yet. */
export class Outbox {
  readonly #letters: Letter[] = [];

  send(subject: string, text: string): void {
    this.#letters.push({ subject, text });
  }

  get empty(): boolean {
    return this.#letters.length === 0;
  }

  /** One entry reaches the log, or is lost. */
  deliver(log: SimulatedLog, random: Random, faults: boolean): void {
    if (this.#letters.length === 0) return;
    // Over another connection, an entry overtakes those before it.
    const at = faults && random.chance(15) ? random.below(this.#letters.length) : 0;
    const [letter] = this.#letters.splice(at, 1);
    if (faults && random.chance(4)) return;
    log.append(letter!.subject, letter!.text);
    if (faults && random.chance(4)) this.#letters.push(letter!);
  }
}
