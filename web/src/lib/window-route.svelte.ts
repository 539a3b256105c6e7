// The route of this window, which is its address.
import { untrack } from 'svelte';
import { formatRoute, parseRoute, type Route, START } from './route.js';

/**
 * Browsers refuse an address that changes too often: Chromium more than 200 times in 30 s, Safari
 * more than 100 times in 10 s. So this many changes have it at once, however quickly they come, and
 * of more only one each ADDRESS_MS: of a held key, and not of a person who types or clicks.
 */
const AT_ONCE = 40;
const ADDRESS_MS = 250;

/** The route of this window; changes to it change the address. */
export class WindowRoute {
  /** Each field changes by itself: who reads one of them is not asked about the others. */
  readonly now: Route = $state({ ...START });
  /** Whether an address without a view means another one than the first host's. */
  #opens = false;
  #changedMs = performance.now();
  /** How many more changes it has at once: AT_ONCE, and one more each ADDRESS_MS. */
  #left = AT_ONCE;
  /** null = the address is that of the route. */
  #waiting: { readonly timer: ReturnType<typeof setTimeout>; readonly isEntry: boolean } | null = null;

  constructor() {
    this.#set(parseRoute(location.hash));
    addEventListener('hashchange', () => {
      this.#end();
      this.#set(parseRoute(location.hash));
    });
    // Who leaves gets no more entries.
    addEventListener('pagehide', () => {
      if (this.#waiting !== null) this.#write(false);
    });
  }

  /** The view that the data opens with, where the address names none. */
  begin(view: string): void {
    this.#opens = view !== '';
    if (location.hash === '') this.#set(parseRoute(view));
  }

  /** For other data, which may open with a view of its own. */
  restart(): void {
    this.#opens = false;
    this.go(START, true);
  }

  /**
   * `replace`: without an entry of its own in the history, as for each letter of a search. Of a held
   * key, whose choices come faster than an address may change, several are one entry.
   */
  go(change: Partial<Route>, replace = false): void {
    // A replacement that waits belongs to the entry before.
    if (!replace && this.#waiting?.isEntry === false) this.#write(false);
    this.#set(change);
    if (this.#waiting !== null) return;
    const left = this.#leftNow();
    if (left >= 1) this.#write(!replace);
    else this.#waiting = { isEntry: !replace, timer: setTimeout(() => this.#write(!replace), (1 - left) * ADDRESS_MS) };
  }

  #leftNow(): number {
    return Math.min(AT_ONCE, this.#left + (performance.now() - this.#changedMs) / ADDRESS_MS);
  }

  #set(change: Partial<Route>): void {
    Object.assign(this.now, change);
  }

  #end(): void {
    clearTimeout(this.#waiting?.timer);
    this.#waiting = null;
  }

  #write(isEntry: boolean): void {
    this.#end();
    this.#left = Math.max(0, this.#leftNow() - 1);
    this.#changedMs = performance.now();
    const text = untrack(() => formatRoute(this.now)) || (this.#opens ? '#view=host' : '');
    const address = `${location.pathname}${location.search}${text}`;
    if (isEntry) history.pushState(null, '', address);
    else history.replaceState(null, '', address);
  }
}
