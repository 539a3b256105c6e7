// Refused logins in the audit log: at most one line per user and minute, with a count, so that a
// stranger cannot fill the disk.
import type { CallEnd } from './dispatch.js';

const WINDOW_MS = 60_000;
/** Names counted apart at one time; those beyond share one line. */
const MAX_NAMES = 100;

export interface RefusedLogin {
  readonly end: CallEnd;
  /** Refusals since the line before; the values of `end` are the last one's. */
  readonly count: number;
}

interface Window {
  sinceMs: number;
  count: number;
  last: CallEnd;
}

export class RefusedLogins {
  readonly #now: () => number;
  readonly #windows = new Map<string, Window>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @returns the line that is due; null while the user had one less than a minute ago */
  add(end: CallEnd): RefusedLogin | null {
    const now = this.#now();
    const name = String(end.args[0] ?? '');
    const key = this.#windows.has(name) || this.#windows.size < MAX_NAMES ? name : '';
    const last = key === name ? end : { ...end, args: ['(other names)'] };
    const window = this.#windows.get(key);
    if (window !== undefined && now - window.sinceMs < WINDOW_MS) {
      window.count++;
      window.last = last;
      return null;
    }
    this.#windows.set(key, { sinceMs: now, count: 0, last });
    return { end: last, count: (window?.count ?? 0) + 1 };
  }

  /** Lines whose minute is over, or all of them. */
  due(all = false): RefusedLogin[] {
    const now = this.#now();
    const lines: RefusedLogin[] = [];
    for (const [name, window] of this.#windows) {
      if (!all && now - window.sinceMs < WINDOW_MS) continue;
      if (window.count === 0) {
        this.#windows.delete(name);
        continue;
      }
      lines.push({ end: window.last, count: window.count });
      this.#windows.set(name, { sinceMs: now, count: 0, last: window.last });
    }
    return lines;
  }
}
