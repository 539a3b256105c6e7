// The table's rows: those that the search finds, in the order of one column.
import type { Route } from './route.js';
import type { VmRow } from './view.js';

const VALUES: Readonly<Record<Exclude<Route['sort'], 'name'>, (row: VmRow) => number>> = {
  domid: ({ domain }) => domain.domid,
  vcpus: ({ domain }) => domain.vcpus.length,
  memory: ({ memoryBytes }) => memoryBytes,
  remote: ({ acrossBytes }) => acrossBytes,
  distance: ({ distance }) => distance,
};

/** Equal rows stand by domid, whatever the direction. */
export function sortedRows(rows: readonly VmRow[], { search, sort, down }: Pick<Route, 'search' | 'sort' | 'down'>): VmRow[] {
  const wanted = search.trim().toLocaleLowerCase();
  const found = rows.filter(({ domain }) => domain.name.toLocaleLowerCase().includes(wanted) || String(domain.domid) === wanted);
  const sign = down ? -1 : 1;
  const compare = sort === 'name' ? byName : byValue(VALUES[sort]);
  return found.sort((a, b) => sign * compare(a, b) || a.domain.domid - b.domain.domid);
}

const names = new Intl.Collator(undefined, { numeric: true });
const byName = (a: VmRow, b: VmRow): number => names.compare(a.domain.name, b.domain.name);
const byValue =
  (value: (row: VmRow) => number) =>
  (a: VmRow, b: VmRow): number =>
    value(a) === value(b) ? 0 : value(a) - value(b);
