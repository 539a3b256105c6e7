// Hosts of a fleet as the page lists them. Of each it has a light map, not the map of its VMs.

/** "one": a host of a page without a fleet, which has no state. */
export type PageHostState = 'up' | 'draining' | 'watched' | 'starting' | 'away' | 'one';

export interface PageFleetHost {
  readonly name: string;
  readonly state: PageHostState;
  /** [memory, free less open claims] of each node in MiB; [] = not known. */
  readonly nodes: readonly (readonly [memoryMib: number, freeMib: number])[];
  readonly vms: number;
  /** VMs with memory where no vCPU prefers to run. */
  readonly drifted: number;
  readonly claims: number;
  readonly runs: string;
  readonly tags: readonly string[];
}

/** At most so many in one page, which a browser still sorts at once. */
export const PAGE_FLEET_HOSTS = 10_000;
