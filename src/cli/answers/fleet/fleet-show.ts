// `xennuma fleet show`
import { plural } from '../../../base/phrases.js';
import { tableLines } from '../../../base/table.js';
import { formatBytes, MIB } from '../../../base/units.js';
import { type HostState, stateOfHost } from '../../../fleet/protocol/host-state.js';
import type { PicturedHost } from '../../../fleet/protocol/picture.js';
import type { FleetOptions } from '../../input/fleet-options.js';
import { out } from '../../output/terminal.js';
import { VERSION } from '../../output/version.js';
import { hostsOf, withFleet } from './open-fleet.js';

interface ShownHost {
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
  readonly draining: boolean;
  /** A collector publishes it; no VMs are placed there. */
  readonly watched: boolean;
  readonly runs: string;
  readonly tags: readonly string[];
}

export async function fleetShow(names: readonly string[], options: FleetOptions & { readonly json?: true }): Promise<void> {
  await withFleet(options, async (client) => {
    const away = await client.away();
    const hosts = hostsOf(client, names).map((host) => hostRow(host, client.picture.freeBefore(host.name, Number.POSITIVE_INFINITY), away));
    if (options.json) out(JSON.stringify({ command: 'fleet show', version: VERSION, hosts }, null, 2));
    else out(lines(hosts).join('\n'));
  });
}

function hostRow(host: PicturedHost, free: readonly number[] | null, away: ReadonlySet<string>): ShownHost {
  const { name, map, claims } = host;
  const nodes =
    map?.nodes.map(({ memoryMib, cores, vcpus }, at) => ({ memoryMib, freeMib: Math.max(0, free![at]!), cores, vcpus })) ?? null;
  const { vms = 0, drifted = 0, draining = false, watched = false, runs = '', tags = [] } = map ?? {};
  return {
    host: name,
    state: stateOfHost(host, away),
    answers: !away.has(name),
    nodes,
    vms,
    drifted,
    claims: claims.size,
    draining: draining && !watched,
    watched,
    runs,
    tags: [...tags],
  };
}

function lines(hosts: readonly ShownHost[]): string[] {
  if (hosts.length === 0) return ['the fleet has no hosts yet; start some with: xennuma serve --fleet URL'];
  const tagged = hosts.some(({ tags }) => tags.length > 0);
  const rows = hosts.map((host) => [
    host.host,
    host.state,
    String(host.vms),
    String(host.drifted),
    String(host.claims),
    host.nodes?.map(({ freeMib }) => shortMib(freeMib)).join(' ') ?? '',
    host.nodes === null ? '' : formatBytes(sum(host.nodes.map(({ memoryMib }) => memoryMib)) * MIB),
    host.runs,
    ...(tagged ? [host.tags.join(' ')] : []),
  ]);
  const heads = ['host', 'state', 'VMs', 'drift', 'claims', 'free GiB by node', 'memory', 'runs', ...(tagged ? ['tags'] : [])];
  const table = tableLines([heads, ...rows], {
    right: [2, 3, 4],
  });
  const up = hosts.filter(({ answers }) => answers).length;
  // Nothing can be started on the memory of a host that is away.
  const nodes = hosts.flatMap(({ answers, nodes }) => (answers ? (nodes ?? []) : []));
  const vms = sum(hosts.map((host) => host.vms));
  const free = formatBytes(sum(nodes.map(({ freeMib }) => freeMib)) * MIB);
  const all = formatBytes(sum(nodes.map(({ memoryMib }) => memoryMib)) * MIB);
  return [...table, '', `${plural(hosts.length, 'host')}, ${up} answering; ${plural(vms, 'VM')}; ${free} of ${all} free`];
}

const shortMib = (mib: number): string => String(Math.floor(mib / 102.4) / 10);
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
