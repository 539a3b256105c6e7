// The expected share of a VM's memory that is read across nodes: each vCPU runs on its preferred
// CPUs for equal shares of the time, and reads all of the VM's memory alike. `remotePages` of the
// map is another figure: memory that is not local to any vCPU.
import type { DomainFigures } from '../map/figures.js';
import { isPlaceUnknown, type MapDomain } from '../map/host-map.js';

/** Pages, 0 .. totalPages; vCPUs that can run nowhere do not count. 0 where they are not known. */
export function acrossPages(domain: MapDomain, { vcpus, totalPages }: DomainFigures): number {
  if (isPlaceUnknown(domain)) return 0;
  const { pages } = domain;
  const running = vcpus.filter(({ effective }) => effective.length > 0);
  if (running.length === 0 || totalPages === 0) return 0;
  // vCPUs with the same masks share their shares.
  const counted = new Map<readonly number[], number>();
  for (const { nodeShares } of running) counted.set(nodeShares, (counted.get(nodeShares) ?? 0) + 1);
  let near = 0;
  for (const [shares, count] of counted)
    near += (count / running.length) * shares.reduce((sum, share, node) => sum + share * (pages[node] ?? 0), 0);
  return Math.max(0, Math.round(totalPages - near));
}
