// The state of the view, which is the URL's fragment: a copied address shows the same.

export type SortKey = 'name' | 'memory' | 'remote' | 'distance' | 'vcpus' | 'domid';

export const VIEWS = ['host', 'why', 'plan', 'time', 'settings', 'fleet', 'report'] as const;
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
  /** Whose settings are shown: a uuid; null = the first host's. */
  of: string | null;
  /** Settings that are not saved (lib/draft.ts); '' = none. */
  draft: string;
  search: string;
  sort: SortKey;
  down: boolean;
  /** Of the list of hosts. */
  hosts: HostsRoute;
}

export type HostOrder = 'worst' | 'name' | 'vms' | 'drifted' | 'claims' | 'free' | 'memory';

export interface HostsRoute {
  search: string;
  /** Only hosts in this state, or with something to look at; '' = all. */
  only: string;
  order: HostOrder;
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
  of: null,
  draft: '',
  search: '',
  sort: 'remote',
  down: true,
  hosts: { search: '', only: '', order: 'worst', down: true },
};

const HOST_ORDERS: readonly HostOrder[] = ['worst', 'name', 'vms', 'drifted', 'claims', 'free', 'memory'];

/** "free.down" */
function orderOf<K extends string>(text: string | null, keys: readonly K[]): { readonly key: K; readonly down: boolean } | null {
  const [name = '', direction] = (text ?? '').split('.');
  const key = keys.find((one) => one === name);
  return key === undefined ? null : { key, down: direction === 'down' };
}
const orderText = (key: string, down: boolean): string => (down ? `${key}.down` : key);

export function parseRoute(hash: string): Route {
  const query = new URLSearchParams(hash.replace(/^#/, ''));
  const number = (name: string, form = /^\d{1,9}$/): number | null => (form.test(query.get(name) ?? '') ? Number(query.get(name)) : null);
  const sort = orderOf(query.get('sort'), SORT_KEYS);
  const hosts = orderOf(query.get('order'), HOST_ORDERS);
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
    of: query.get('of'),
    draft: query.get('draft') ?? '',
    search: (query.get('q') ?? '').slice(0, 200),
    sort: sort?.key ?? START.sort,
    down: sort?.down ?? START.down,
    hosts: {
      search: (query.get('find') ?? '').slice(0, 200),
      only: (query.get('only') ?? '').slice(0, 20),
      order: hosts?.key ?? START.hosts.order,
      down: hosts?.down ?? START.hosts.down,
    },
  };
}

export function formatRoute(route: Route): string {
  const { view, host, at, vm, beside, step, node, change, edit, of, draft, search, sort, down, hosts } = route;
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
  if (of !== null) query.set('of', of);
  if (draft !== '') query.set('draft', draft);
  if (search !== '') query.set('q', search);
  if (sort !== START.sort || down !== START.down) query.set('sort', orderText(sort, down));
  if (hosts.search !== '') query.set('find', hosts.search);
  if (hosts.only !== '') query.set('only', hosts.only);
  if (hosts.order !== START.hosts.order || hosts.down !== START.hosts.down) query.set('order', orderText(hosts.order, hosts.down));
  const text = query.toString();
  return text === '' ? '' : `#${text}`;
}

/** Choosing another VM ends what was chosen of the one before. */
export const ofVm = (vm: number | null): Partial<Route> => ({ vm, beside: null, step: null });
