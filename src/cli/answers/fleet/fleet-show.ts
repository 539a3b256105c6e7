// `xennuma fleet show`
import { plural } from '../../../base/phrases.js';
import { tableLines } from '../../../base/table.js';
import { formatBytes, MIB } from '../../../base/units.js';
import type { FleetOptions } from '../../input/fleet-options.js';
import { out } from '../../output/terminal.js';
import { VERSION } from '../../output/version.js';
import { formatOf, writeOutput } from '../../output/write-files.js';
import { fleetPageData } from './fleet-page.js';
import { withFleet } from './open-fleet.js';
import { type ShownHost, shownHosts } from './shown-hosts.js';

export interface FleetShowOptions extends FleetOptions {
  readonly json?: true;
  /** Also a page in one file. */
  readonly html?: string;
}

export async function fleetShow(names: readonly string[], options: FleetShowOptions): Promise<void> {
  if (options.html !== undefined) formatOf(options.html, ['html'], '--html');
  await withFleet(options, async (client) => {
    const hosts = await shownHosts(client, names);
    if (options.html !== undefined) {
      const { pageAssets, pageFile } = await import('../../../page/page-file.js');
      writeOutput(options.html, pageFile(fleetPageData(hosts), pageAssets()));
    }
    if (options.json) out(JSON.stringify({ command: 'fleet show', version: VERSION, hosts }, null, 2));
    else out(lines(hosts).join('\n'));
  });
}

function lines(hosts: readonly ShownHost[]): string[] {
  if (hosts.length === 0) return ['the fleet has no hosts yet; start some with: xennuma serve --fleet URL'];
  const tagged = hosts.some(({ tags }) => tags.length > 0);
  const measured = hosts.some(({ cpuPercent }) => cpuPercent !== null);
  const rows = hosts.map((host) => [
    host.host,
    host.state,
    String(host.vms),
    String(host.drifted),
    String(host.claims),
    ...(measured ? [host.cpuPercent === null ? '' : `${host.cpuPercent} %`] : []),
    host.nodes?.map(({ freeMib }) => shortMib(freeMib)).join(' ') ?? '',
    host.nodes === null ? '' : formatBytes(sum(host.nodes.map(({ memoryMib }) => memoryMib)) * MIB),
    host.runs,
    ...(tagged ? [host.tags.join(' ')] : []),
  ]);
  const heads = [
    'host',
    'state',
    'VMs',
    'drift',
    'claims',
    ...(measured ? ['CPUs'] : []),
    'free GiB by node',
    'memory',
    'runs',
    ...(tagged ? ['tags'] : []),
  ];
  const table = tableLines([heads, ...rows], {
    right: [2, 3, 4, ...(measured ? [5] : [])],
  });
  const up = hosts.filter(({ answers }) => answers).length;
  // Nothing can be started on the memory of a host that is away.
  const nodes = hosts.flatMap(({ answers, nodes }) => (answers ? (nodes ?? []) : []));
  const vms = sum(hosts.map((host) => host.vms));
  const free = formatBytes(sum(nodes.map(({ freeMib }) => freeMib)) * MIB);
  const all = formatBytes(sum(nodes.map(({ memoryMib }) => memoryMib)) * MIB);
  const undecided = hosts
    .filter((host) => host.undecided > 0)
    .map(
      (host) => `${host.host}: its pool does not say what became of ${plural(host.undecided, 'start')}; the log of its collector says why`,
    );
  return [...table, ...undecided, '', `${plural(hosts.length, 'host')}, ${up} answering; ${plural(vms, 'VM')}; ${free} of ${all} free`];
}

const shortMib = (mib: number): string => String(Math.floor(mib / 102.4) / 10);
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
