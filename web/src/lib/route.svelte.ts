// The state of the view, which is the URL's fragment: a copied address shows the same.

export type SortKey = 'name' | 'memory' | 'remote' | 'distance' | 'vcpus' | 'domid';

export const VIEWS = ['host', 'why', 'plan', 'time', 'report'] as const;
export type ViewName = (typeof VIEWS)[number];

export interface Route {
  view: ViewName;
  host: number;
  /** The moment that is shown; null = now. */
  at: number | null;
  /** domid of the chosen VM; below zero for one that could not start. */
  vm: number | null;
  /** The VM whose path is laid over the chosen one's. */
  beside: number | null;
  /** Place of the chosen step of the path. */
  step: number | null;
  node: number | null;
  /** What the plan changes (lib/changes.ts); '' = nothing. */
  change: string;
  /** The mask that is edited: of a VM by its name, '' = the host's. */
  edit: string | null;
  search: string;
  sort: SortKey;
  down: boolean;
}

const SORT_KEYS: readonly SortKey[] = ['name', 'memory', 'remote', 'distance', 'vcpus', 'domid'];
export const START: Route = {
  view: 'host',
  host: 0,
  at: null,
  vm: null,
  beside: null,
  step: null,
  node: null,
  change: '',
  edit: null,
  search: '',
  sort: 'remote',
  down: true,
};

export function parseRoute(hash: string): Route {
  const query = new URLSearchParams(hash.replace(/^#/, ''));
  const number = (name: string, form = /^\d{1,9}$/): number | null => (form.test(query.get(name) ?? '') ? Number(query.get(name)) : null);
  const [key = '', direction] = (query.get('sort') ?? '').split('.');
  const sort = SORT_KEYS.find((one) => one === key);
  return {
    view: VIEWS.find((one) => one === query.get('view')) ?? START.view,
    host: number('host') ?? START.host,
    at: number('at'),
    vm: number('vm', /^-?\d{1,9}$/),
    beside: number('beside'),
    step: number('step'),
    node: number('node'),
    change: query.get('change') ?? '',
    edit: query.get('edit'),
    search: (query.get('q') ?? '').slice(0, 200),
    sort: sort ?? START.sort,
    down: sort === undefined ? START.down : direction === 'down',
  };
}

export function formatRoute({ view, host, at, vm, beside, step, node, change, edit, search, sort, down }: Route): string {
  const query = new URLSearchParams();
  if (view !== START.view) query.set('view', view);
  if (host !== START.host) query.set('host', String(host));
  if (at !== null) query.set('at', String(at));
  if (vm !== null) query.set('vm', String(vm));
  if (beside !== null) query.set('beside', String(beside));
  if (step !== null) query.set('step', String(step));
  if (node !== null) query.set('node', String(node));
  if (change !== '') query.set('change', change);
  if (edit !== null) query.set('edit', edit);
  if (search !== '') query.set('q', search);
  if (sort !== START.sort || down !== START.down) query.set('sort', down ? `${sort}.down` : sort);
  const text = query.toString();
  return text === '' ? '' : `#${text}`;
}

/** Choosing another VM ends what was chosen of the one before. */
export const ofVm = (vm: number | null): Partial<Route> => ({ vm, beside: null, step: null });

/** The route of this window; changes to it change the address. */
export class WindowRoute {
  now: Route = $state({ ...START });

  constructor() {
    this.now = parseRoute(location.hash);
    addEventListener('hashchange', () => {
      this.now = parseRoute(location.hash);
    });
  }

  /** The view that the data opens with, where the address names none. */
  begin(view: string): void {
    if (location.hash === '') this.now = parseRoute(view);
  }

  /** `replace`: without an entry of its own in the history, as for each letter of a search. */
  go(change: Partial<Route>, replace = false): void {
    this.now = { ...this.now, ...change };
    const address = `${location.pathname}${location.search}${formatRoute(this.now)}`;
    history[replace ? 'replaceState' : 'pushState'](null, '', address);
  }
}
