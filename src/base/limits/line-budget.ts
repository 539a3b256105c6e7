// Lines of a log that others cause: so many of a kind a minute, and then a count. Whoever may send
// a request could else fill the log. Pure but for the clock.

const MINUTE_MS = 60_000;

interface Minute {
  readonly sinceMs: number;
  lines: number;
  left: number;
}

export class LineBudget {
  readonly #most: number;
  readonly #now: () => number;
  readonly #minutes = new Map<string, Minute>();

  /** @param most lines of a kind in a minute */
  constructor(most: number, now: () => number = () => performance.now()) {
    this.#most = most;
    this.#now = now;
  }

  /**
   * @param kind one of the few texts of the program
   * @returns how many lines were left out in the minute before, which the line is to say; null =
   *   this one is left out
   */
  take(kind: string): number | null {
    const now = this.#now();
    let minute = this.#minutes.get(kind);
    let before = 0;
    if (minute === undefined || now - minute.sinceMs >= MINUTE_MS) {
      before = minute?.left ?? 0;
      minute = { sinceMs: now, lines: 0, left: 0 };
      this.#minutes.set(kind, minute);
    }
    if (minute.lines >= this.#most) {
      minute.left++;
      return null;
    }
    minute.lines++;
    return before;
  }

  /** Kinds whose minute is over, with the lines that were left out in it. */
  due(): (readonly [kind: string, left: number])[] {
    const over = [...this.#minutes].filter(([, { sinceMs }]) => this.#now() - sinceMs >= MINUTE_MS);
    for (const [kind] of over) this.#minutes.delete(kind);
    return over.flatMap(([kind, { left }]) => (left === 0 ? [] : [[kind, left] as const]));
  }
}
