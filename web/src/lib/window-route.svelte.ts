// The route of this window, which is its address.
import { formatRoute, parseRoute, type Route, START } from './route.js';

/** The route of this window; changes to it change the address. */
export class WindowRoute {
  now: Route = $state({ ...START });
  /** Whether an address without a view means another one than the first host's. */
  #opens = false;

  constructor() {
    this.now = parseRoute(location.hash);
    addEventListener('hashchange', () => {
      this.now = parseRoute(location.hash);
    });
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
    this.now = { ...this.now, ...change };
    const text = formatRoute(this.now) || (this.#opens ? '#view=host' : '');
    const address = `${location.pathname}${location.search}${text}`;
    history[replace ? 'replaceState' : 'pushState'](null, '', address);
  }
}
