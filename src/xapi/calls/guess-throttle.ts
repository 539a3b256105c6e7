// Slows down password guessing. Guesses count against their address, so that a stranger cannot lock
// a user out. A user is slowed down only for unknown addresses, and only while many addresses
// guess.
import type { StoredGuesses } from './login-memory.js';

export const GUESS_LIMITS = {
  /** Longest wait after a guess. */
  longestMs: 60_000,
  /** After this time without a wrong guess, an address is free again. */
  forgetMs: 15 * 60_000,
  /** Addresses and users remembered; those quiet longest are forgotten first. */
  names: 10_000,
} as const;

interface Failures {
  readonly count: number;
  readonly untilMs: number;
  readonly atMs: number;
}

export class GuessThrottle {
  readonly #failures = new Map<string, Failures>();
  readonly #now: () => number;
  readonly #free: number;

  /** @param now milliseconds that only grow; the wall clock may be set back */
  constructor(freeGuesses: number, now: () => number = () => performance.now()) {
    this.#free = freeGuesses;
    this.#now = now;
  }

  /** Milliseconds until another guess is taken; 0 = now. */
  waitMs(name: string): number {
    return Math.max(0, (this.#known(name)?.untilMs ?? 0) - this.#now());
  }

  /** @returns whether this guess was the first beyond the free ones */
  failed(name: string): boolean {
    const now = this.#now();
    const count = (this.#known(name)?.count ?? 0) + 1;
    const over = count - this.#free;
    const untilMs = over < 0 ? 0 : now + Math.min(GUESS_LIMITS.longestMs, 1000 * 2 ** Math.min(over, 20));
    this.#failures.delete(name);
    this.#failures.set(name, { count, untilMs, atMs: now });
    if (this.#failures.size > GUESS_LIMITS.names) this.#failures.delete(this.#failures.keys().next().value!);
    return over === 0;
  }

  succeeded(name: string): void {
    this.#failures.delete(name);
  }

  /** Those quiet longest first. */
  stored(): StoredGuesses[] {
    const now = this.#now();
    const rounded = (ms: number) => Math.max(0, Math.round(ms));
    return [...this.#failures].map(([name, { count, untilMs, atMs }]) => ({
      name,
      count,
      agoMs: rounded(now - atMs),
      waitMs: rounded(untilMs - now),
    }));
  }

  restore(stored: readonly StoredGuesses[]): void {
    const now = this.#now();
    for (const { name, count, agoMs, waitMs } of stored) {
      const waitedMs = Math.min(waitMs, GUESS_LIMITS.longestMs);
      if (agoMs < GUESS_LIMITS.forgetMs)
        this.#failures.set(name, { count, atMs: now - agoMs, untilMs: waitedMs === 0 ? 0 : now + waitedMs });
    }
  }

  #known(name: string): Failures | undefined {
    const known = this.#failures.get(name);
    if (known === undefined || this.#now() - known.atMs < GUESS_LIMITS.forgetMs) return known;
    this.#failures.delete(name);
    return undefined;
  }
}
