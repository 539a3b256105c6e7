// The route of this window, which is its address.
import { formatRoute, parseRoute, type Route, START } from './route.js';

/** Browsers refuse an address that changes more often than a few times a second for long. */
const ADDRESS_MS = 250;

/** The route of this window; changes to it change the address. */
export class WindowRoute {
  now: Route = $state({ ...START });
  /** Whether an address without a view means another one than the first host's. */
  #opens = false;
  #replacedMs = Number.NEGATIVE_INFINITY;
  #waiting: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.now = parseRoute(location.hash);
    addEventListener('hashchange', () => {
      clearTimeout(this.#waiting);
      this.#waiting = undefined;
      this.now = parseRoute(location.hash);
    });
    addEventListener('pagehide', () => this.#flush());
  }

  /** The view that the data opens with, where the address names none. */
  begin(view: string): void {
    this.#opens = view !== '';
    if (location.hash === '') this.now = parseRoute(view);
  }

  /** For other data, which may open with a view of its own. */
  restart(): void {
    this.#opens = false;
    this.go(START, true);
  }

  /** `replace`: without an entry of its own in the history, as for each letter of a search. */
  go(change: Partial<Route>, replace = false): void {
    // What waits belongs to the entry before.
    if (!replace) this.#flush();
    this.now = { ...this.now, ...change };
    if (!replace) history.pushState(null, '', this.#address);
    else if (this.#waiting === undefined) {
      const waitMs = this.#replacedMs + ADDRESS_MS - performance.now();
      if (waitMs <= 0) this.#replace();
      else this.#waiting = setTimeout(() => this.#replace(), waitMs);
    }
  }

  get #address(): string {
    const text = formatRoute(this.now) || (this.#opens ? '#view=host' : '');
    return `${location.pathname}${location.search}${text}`;
  }

  #flush(): void {
    if (this.#waiting !== undefined) this.#replace();
  }

  #replace(): void {
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
    this.#replacedMs = performance.now();
    history.replaceState(null, '', this.#address);
  }
}
