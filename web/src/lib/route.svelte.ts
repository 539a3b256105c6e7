// The state of the view, which is the URL's fragment: a copied address shows the same.

export type SortKey = 'name' | 'memory' | 'remote' | 'distance' | 'vcpus' | 'domid';

export interface Route {
  host: number;
  /** domid of the chosen VM. */
  vm: number | null;
  node: number | null;
  search: string;
  sort: SortKey;
  down: boolean;
}

const SORT_KEYS: readonly SortKey[] = ['name', 'memory', 'remote', 'distance', 'vcpus', 'domid'];
const START: Route = { host: 0, vm: null, node: null, search: '', sort: 'remote', down: true };

export function parseRoute(hash: string): Route {
  const query = new URLSearchParams(hash.replace(/^#/, ''));
  const number = (name: string): number | null => (/^\d{1,9}$/.test(query.get(name) ?? '') ? Number(query.get(name)) : null);
  const [key = '', direction] = (query.get('sort') ?? '').split('.');
  const sort = SORT_KEYS.find((one) => one === key);
  return {
    host: number('host') ?? START.host,
    vm: number('vm'),
    node: number('node'),
    search: (query.get('q') ?? '').slice(0, 200),
    sort: sort ?? START.sort,
    down: sort === undefined ? START.down : direction === 'down',
  };
}

export function formatRoute({ host, vm, node, search, sort, down }: Route): string {
  const query = new URLSearchParams();
  if (host !== START.host) query.set('host', String(host));
  if (vm !== null) query.set('vm', String(vm));
  if (node !== null) query.set('node', String(node));
  if (search !== '') query.set('q', search);
  if (sort !== START.sort || down !== START.down) query.set('sort', down ? `${sort}.down` : sort);
  const text = query.toString();
  return text === '' ? '' : `#${text}`;
}

/** The route of this window; changes to it change the address. */
export class WindowRoute {
  now: Route = $state({ ...START });

  constructor() {
    this.now = parseRoute(location.hash);
    addEventListener('hashchange', () => {
      this.now = parseRoute(location.hash);
    });
  }

  /** `replace`: without an entry of its own in the history, as for each letter of a search. */
  go(change: Partial<Route>, replace = false): void {
    this.now = { ...this.now, ...change };
    const address = `${location.pathname}${location.search}${formatRoute(this.now)}`;
    history[replace ? 'replaceState' : 'pushState'](null, '', address);
  }
}
