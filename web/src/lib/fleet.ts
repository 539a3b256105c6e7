// The list of hosts: of a fleet, or of a page with several. Worst first, as the search and the filter
// leave them.
import { PAGE_BYTES } from '../../../src/base/units.js';
import { hostFigures } from '../../../src/map/figures.js';
import type { PageData } from '../../../src/page/page-data.js';
import type { PageFleetHost } from '../../../src/page/page-fleet.js';
import { decodeMap } from '../../../src/page/page-map.js';
import type { HostOrder, HostsRoute } from './route.js';

export interface HostRow extends PageFleetHost {
  /** Place in the page's hosts; null = the page has no map of it. */
  readonly at: number | null;
  readonly memoryMib: number;
  readonly freeMib: number;
  readonly needsLook: boolean;
}

const MIB = 2 ** 20;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function rowOf(host: PageFleetHost, at: number | null): HostRow {
  const [memoryMib, freeMib] = [0, 1].map((part) => sum(host.nodes.map((node) => node[part]!))) as [number, number];
  return { ...host, at, memoryMib, freeMib, needsLook: host.drifted > 0 || host.state === 'away' || host.state === 'starting' };
}

export function hostRows({ fleet, hosts }: PageData): HostRow[] {
  if (fleet !== undefined) return fleet.map((host) => rowOf(host, null));
  return hosts.map(({ map: encoded }, at) => {
    const map = decodeMap(encoded);
    const guests = hostFigures(map).domains.filter((_, index) => map.domains[index]!.domid !== 0);
    const mib = (pages: number): number => Math.floor((pages * PAGE_BYTES) / MIB);
    const nodes = map.nodes.map(
      ({ memoryBytes, freePages, claimedPages }) => [Math.floor(memoryBytes / MIB), Math.max(0, mib(freePages - claimedPages))] as const,
    );
    const drifted = guests.filter(({ remotePages }) => remotePages > 0).length;
    return rowOf({ name: map.name, state: 'one', nodes, vms: guests.length, drifted, claims: 0, runs: map.hypervisor, tags: [] }, at);
  });
}

const byName = new Intl.Collator(undefined, { numeric: true });
/** Of hosts without VMs to look at, those that do not answer come first. */
const STATE_WEIGHT: Readonly<Record<HostRow['state'], number>> = { away: 2, starting: 1, draining: 0, watched: 0, up: 0, one: 0 };
const VALUES: Readonly<Record<Exclude<HostOrder, 'name'>, (row: HostRow) => number>> = {
  worst: ({ state, drifted }) => STATE_WEIGHT[state] * 1e6 + drifted,
  vms: ({ vms }) => vms,
  drifted: ({ drifted }) => drifted,
  claims: ({ claims }) => claims,
  free: ({ freeMib }) => freeMib,
  memory: ({ memoryMib }) => memoryMib,
};

/** The search is for all of its words, in names, tags and what the host runs. Equal rows stand by name. */
export function shownHosts(rows: readonly HostRow[], { search, only, order, down }: HostsRoute): HostRow[] {
  const words = search.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const fits = ({ name, tags, runs, state, needsLook }: HostRow): boolean => {
    if (only === 'look' ? !needsLook : only !== '' && state !== only) return false;
    if (words.length === 0) return true;
    const text = [name, ...tags, runs].join(' ').toLocaleLowerCase();
    return words.every((word) => text.includes(word));
  };
  const sign = down ? -1 : 1;
  const names = (a: HostRow, b: HostRow): number => byName.compare(a.name, b.name);
  const value = order === 'name' ? null : VALUES[order];
  return rows.filter(fits).sort((a, b) => (value === null ? sign * names(a, b) : sign * (value(a) - value(b)) || names(a, b)));
}
