// A node's memory divided by owner, for the bars of both pictures.
import type { HostFigures } from '../map/figures.js';
import type { HostMap } from '../map/host-map.js';

export interface Segment {
  readonly kind: 'dom0' | 'vm' | 'others' | 'xen' | 'claimed' | 'free';
  /** Position in the map's domains; -1 for memory that belongs to no single domain. */
  readonly domain: number;
  readonly pages: number;
  /** Memory of VMs that prefer no CPU of this node. */
  readonly remote: boolean;
  /** Number of VMs in `others`. */
  readonly vms: number;
}

/**
 * In this order: Domain-0, the VMs that prefer CPUs here by size, the remote ones by size, Xen,
 * claimed memory, free memory. Empty parts are left out. The pages make up the whole node, or all
 * that is in it if the host counts more than the node has. VMs past the `top` largest are `others`.
 * Where only the sum of Domain-0 and Xen is known, it is one part, `xen`.
 */
export function nodeSegments(map: HostMap, figures: HostFigures, node: number, top: number): Segment[] {
  const held = map.domains.flatMap(({ domid, pages }, domain): Segment[] => {
    const count = pages[node] ?? 0;
    if (count === 0) return [];
    if (domid === 0) return [{ kind: 'dom0', domain, pages: count, remote: false, vms: 1 }];
    return [{ kind: 'vm', domain, pages: count, remote: figures.domains[domain]!.remoteNode[node]!, vms: 1 }];
  });
  const vms = held.filter(({ kind }) => kind === 'vm').sort((a, b) => b.pages - a.pages || a.domain - b.domain);
  const shown = vms.slice(0, top);
  const rest = (remote: boolean): Segment => {
    const others = vms.slice(top).filter((segment) => segment.remote === remote);
    return { kind: 'others', domain: -1, pages: others.reduce((sum, { pages }) => sum + pages, 0), remote, vms: others.length };
  };
  const { freePages, claimedPages } = map.nodes[node]!;
  const claimed = Math.min(freePages, claimedPages);
  const plain = (kind: Segment['kind'], pages: number): Segment => ({ kind, domain: -1, pages, remote: false, vms: 0 });
  const dom0 = held.filter(({ kind }) => kind === 'dom0');
  const isSum = map.domain0Assumed === true;
  const own = figures.nodes[node]!.xenPages + (isSum ? (dom0[0]?.pages ?? 0) : 0);
  return [
    ...(isSum ? [] : dom0),
    ...shown.filter(({ remote }) => !remote),
    rest(false),
    ...shown.filter(({ remote }) => remote),
    rest(true),
    plain('xen', own),
    plain('claimed', claimed),
    plain('free', freePages - claimed),
  ].filter(({ pages }) => pages > 0);
}

/** Label of memory of kind `xen`. */
export function xenWords(map: Pick<HostMap, 'domain0Assumed' | 'usersUnknown' | 'holesUnknown'>): string {
  const { domain0Assumed, usersUnknown, holesUnknown } = map;
  if (holesUnknown === true) return usersUnknown === true ? 'in use, or a hole' : 'Xen, or a hole';
  if (usersUnknown === true) return 'in use, not known by whom';
  return domain0Assumed === true ? 'Domain-0 and Xen' : 'Xen';
}

/**
 * Whole cells for parts of a whole. They sum to `cells`, and no part above 0 vanishes while there
 * are enough cells.
 */
export function shareCells(parts: readonly number[], cells: number): number[] {
  const total = parts.reduce((sum, part) => sum + part, 0);
  if (total === 0 || cells <= 0) return parts.map(() => 0);
  const least = parts.filter((part) => part > 0).length <= cells ? 1 : 0;
  const exact = parts.map((part) => (part / total) * cells);
  const shares = exact.map((value, index) => (parts[index]! > 0 ? Math.max(least, Math.floor(value)) : 0));
  let rest = cells - shares.reduce((sum, share) => sum + share, 0);
  for (; rest > 0; rest--) shares[indexOfMost(shares, (share, index) => exact[index]! - share)]!++;
  for (; rest < 0; rest++)
    shares[indexOfMost(shares, (share, index) => (share > least ? share - exact[index]! : Number.NEGATIVE_INFINITY))]!--;
  return shares;
}

function indexOfMost(values: readonly number[], score: (value: number, index: number) => number): number {
  let best = 0;
  values.forEach((value, index) => {
    if (score(value, index) > score(values[best]!, best)) best = index;
  });
  return best;
}
