// The hosts of a fleet as `fleet show` and its page have them.
import type { FleetClient } from '../../../fleet/place/fleet-client.js';
import { type HostState, stateOfHost } from '../../../fleet/protocol/host-state.js';
import type { PicturedHost } from '../../../fleet/protocol/picture.js';
import { hostsOf } from './open-fleet.js';

export interface ShownHost {
  readonly host: string;
  readonly state: HostState;
  /** The member has answered now. */
  readonly answers: boolean;
  /** null = its daemon was replaced, and the new one has published nothing yet. */
  readonly nodes:
    | readonly { readonly memoryMib: number; readonly freeMib: number; readonly cores: number; readonly vcpus: number }[]
    | null;
  readonly vms: number;
  readonly drifted: number;
  readonly claims: number;
  /** Starts of which the pool of the host does not say whether the VM runs. */
  readonly undecided: number;
  /** CPU time of its domains, in percent of its CPUs; null = not measured. */
  readonly cpuPercent: number | null;
  readonly draining: boolean;
  /** A collector publishes it; no VMs are placed there. */
  readonly watched: boolean;
  readonly runs: string;
  readonly tags: readonly string[];
}

/** As they are now. @param names [] = all */
export async function shownHosts(client: FleetClient, names: readonly string[]): Promise<ShownHost[]> {
  const away = await client.away();
  return hostsOf(client, names).map((host) => hostRow(host, client.picture.freeBefore(host.name, Number.POSITIVE_INFINITY), away));
}

function hostRow(host: PicturedHost, free: readonly number[] | null, away: ReadonlySet<string>): ShownHost {
  const { name, map, claims } = host;
  const nodes =
    map?.nodes.map(({ memoryMib, cores, vcpus }, at) => ({ memoryMib, freeMib: Math.max(0, free![at]!), cores, vcpus })) ?? null;
  const { vms = 0, drifted = 0, draining = false, watched = false, runs = '', tags = [], undecided = 0, cpuPercent = null } = map ?? {};
  return {
    host: name,
    state: stateOfHost(host, away),
    answers: !away.has(name),
    nodes,
    vms,
    drifted,
    claims: claims.size,
    undecided,
    cpuPercent,
    draining: draining && !watched,
    watched,
    runs,
    tags: [...tags],
  };
}
