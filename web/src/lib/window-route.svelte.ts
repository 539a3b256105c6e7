// The route of this window, which is its address.
import { untrack } from 'svelte';
import { formatRoute, parseRoute, type Route, START } from './route.js';

/**
 * Browsers refuse an address that changes more often than a few times a second for long, and each
 * change of it costs as much as drawing a node.
 */
const ADDRESS_MS = 250;

/** The route of this window; changes to it change the address. */
export class WindowRoute {
  /** Each field changes by itself: who reads one of them is not asked about the others. */
  readonly now: Route = $state({ ...START });
  /** Whether an address without a view means another one than the first host's. */
  #opens = false;
  #changedMs = Number.NEGATIVE_INFINITY;
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
   * `replace`: without an entry of its own in the history, as for each letter of a search. Choices
   * in quick succession, as by a held key, are one entry.
   */
  go(change: Partial<Route>, replace = false): void {
    // A replacement that waits belongs to the entry before.
    if (!replace && this.#waiting?.isEntry === false) this.#write(false);
    this.#set(change);
    if (this.#waiting !== null) return;
    const waitMs = this.#changedMs + ADDRESS_MS - performance.now();
    if (waitMs <= 0) this.#write(!replace);
    else this.#waiting = { isEntry: !replace, timer: setTimeout(() => this.#write(!replace), waitMs) };
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
    this.#changedMs = performance.now();
    const text = untrack(() => formatRoute(this.now)) || (this.#opens ? '#view=host' : '');
    const address = `${location.pathname}${location.search}${text}`;
    if (isEntry) history.pushState(null, '', address);
    else history.replaceState(null, '', address);
  }
}
