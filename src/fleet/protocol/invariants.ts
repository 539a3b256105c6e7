// The invariants of picture.ts over a whole fleet, for code that sees all of it: the simulation,
// and the tests on real servers.
import type { Parts } from './entries.js';

export interface Promised {
  readonly host: string;
  readonly id: string;
  readonly parts: Parts;
}

export interface HostTruth {
  readonly name: string;
  /** By node, in MiB. */
  readonly memoryMib: readonly number[];
  readonly allocatedMib: readonly number[];
  /** Claims that are allocated already. */
  readonly started: ReadonlySet<string>;
  /** Claims that the owner has named as dead: their promises are void. */
  readonly dead: ReadonlySet<string>;
}

/**
 * Invariant 1: what is promised and what is allocated never exceed a node's memory. @returns the
 * places where they do
 */
export function promisedTwice(hosts: Iterable<HostTruth>, promises: Iterable<Promised>): string[] {
  const byHost = new Map<string, Promised[]>();
  for (const promise of promises) byHost.set(promise.host, [...(byHost.get(promise.host) ?? []), promise]);
  const wrong: string[] = [];
  for (const { name, memoryMib, allocatedMib, started, dead } of hosts) {
    const taken = [...allocatedMib];
    const open = (byHost.get(name) ?? []).filter(({ id }) => !started.has(id) && !dead.has(id));
    for (const { parts } of open) for (const [node, mib] of parts) taken[node] = (taken[node] ?? 0) + mib;
    for (const [node, mib] of taken.entries()) {
      const most = memoryMib[node] ?? 0;
      if (mib <= most) continue;
      const ids = open.map(({ id }) => id).join(' ');
      wrong.push(`${name}, node ${node}: ${mib} of ${most} MiB, of which ${allocatedMib[node]} allocated; promised: ${ids}`);
    }
  }
  return wrong;
}
