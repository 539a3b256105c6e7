// The memory of a VM that is read across nodes, as expected: each vCPU runs on its preferred CPUs
// in equal shares, and reads all of the VM's memory alike. A figure of the map's own,
// `remotePages`, counts only what no vCPU can ever have near.
import type { DomainFigures } from '../map/figures.js';
import type { MapDomain } from '../map/host-map.js';

/** Pages, 0 .. totalPages; vCPUs that can run nowhere do not count. */
export function acrossPages({ pages }: MapDomain, { vcpus, totalPages }: DomainFigures): number {
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
