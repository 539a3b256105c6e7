// The daemon's only thread, shared between its clients. Work runs at once while a turn of the event
// loop has time left; the rest waits, and the client who has had the least time is next. So however
// much one client requests, another's request waits for a turn or two. Pure but for the clock.
import type { Principal } from './ledger.js';

/** Time for work of clients in one turn of the event loop; one long work may exceed it. */
export const TURN_MS = 20;

/** How much more time an administrator may take before others are next. */
const WEIGHTS: Readonly<Record<Principal['rank'], number>> = { stranger: 1, known: 1, admin: 2, root: 4 };

interface Line {
  /** Time that the client had, divided by its weight, since somebody last waited. */
  usedMs: number;
  readonly waiting: (() => void)[];
}

export class Turns {
  readonly #now: () => number;
  readonly #soon: (next: () => void) => void;
  readonly #lines = new Map<string, Line>();
  #waiting = 0;
  #scheduled = false;
  #usedMs = 0;
  /** Where a client starts that had no time: it gets none for the time when it wanted none. */
  #floorMs = 0;

  /** @param soon calls back in the next turn of the event loop */
  constructor(now: () => number = () => performance.now(), soon: (next: () => void) => void = (next) => void setImmediate(next)) {
    this.#now = now;
    this.#soon = soon;
  }

  /** Work that waits for its turn. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Runs work now or in its turn. @throws whatever it throws, or rejects with it */
  run<T>(principal: Pick<Principal, 'name' | 'rank'>, work: () => T): T | Promise<Awaited<T>> {
    if (this.#waiting === 0 && this.#usedMs < TURN_MS) return this.#timed(principal, work);
    return new Promise<T>((done, failed) => {
      const line = this.#lineOf(principal.name);
      if (line.waiting.length === 0) line.usedMs = Math.max(line.usedMs, this.#floorMs);
      line.waiting.push(() => {
        try {
          done(this.#timed(principal, work));
        } catch (error) {
          failed(error);
        }
      });
      this.#waiting++;
      this.#schedule();
    }) as Promise<Awaited<T>>;
  }

  #timed<T>({ name, rank }: Pick<Principal, 'name' | 'rank'>, work: () => T): T {
    const began = this.#now();
    try {
      return work();
    } finally {
      const spent = this.#now() - began;
      this.#usedMs += spent;
      this.#lineOf(name).usedMs += spent / WEIGHTS[rank];
      this.#schedule();
    }
  }

  #lineOf(name: string): Line {
    let line = this.#lines.get(name);
    if (line === undefined) {
      line = { usedMs: this.#floorMs, waiting: [] };
      this.#lines.set(name, line);
    }
    return line;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#soon(this.#next);
  }

  readonly #next = (): void => {
    this.#scheduled = false;
    this.#usedMs = 0;
    if (this.#waiting === 0) {
      this.#lines.clear();
      this.#floorMs = 0;
      return;
    }
    // Also when nothing is left to wait after it: the time of this turn is for those that come now.
    this.#schedule();
    while (this.#waiting > 0 && this.#usedMs < TURN_MS) {
      const line = this.#nextLine();
      this.#floorMs = Math.max(this.#floorMs, line.usedMs);
      this.#waiting--;
      line.waiting.shift()!();
    }
  };

  #nextLine(): Line {
    let least: Line | null = null;
    for (const line of this.#lines.values()) {
      if (line.waiting.length > 0 && (least === null || line.usedMs < least.usedMs)) least = line;
    }
    return least!;
  }
}
