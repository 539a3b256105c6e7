// `xennuma fleet verify`, `explain`, `compare`, `rebalance` and `drain`: answers of the members.
import { InputError, UnreachableError } from '../../../base/errors.js';
import { plural } from '../../../base/phrases.js';
import { tableLines } from '../../../base/table.js';
import { formatBytes, MIB } from '../../../base/units.js';
import { FLEET_RULES } from '../../../fleet/place/chooser.js';
import type { FleetClient } from '../../../fleet/place/fleet-client.js';
import { Placement, type PlacementResult, type VmToPlace } from '../../../fleet/place/placement.js';
import type { FleetOptions } from '../../input/fleet-options.js';
import { fleetVms } from '../../input/fleet-vms.js';
import { EXIT } from '../../output/exit-codes.js';
import { nodeWords } from '../../output/phrases.js';
import { out } from '../../output/terminal.js';
import { VERSION } from '../../output/version.js';
import { type AskedVm, askedVmsOf, type DriftedVm, driftedVmsOf, explainedVmOf, movePlanOf } from './member-answers.js';
import { hostsOf, sayAway, withFleet } from './open-fleet.js';
import { hostAnswers, type JobOptions } from './work/host-jobs.js';

type Asking = FleetOptions & { readonly json?: true };

/**
 * From the picture: members count the VMs whose memory is away from their vCPUs. Only hosts with
 * some are asked which; as jobs, all are.
 */
export async function fleetVerify(names: readonly string[], options: Asking & JobOptions): Promise<number> {
  return withFleet(options, async (client) => {
    const hosts = hostsOf(client, names);
    const drifted = hosts.filter(({ map }) => options.job !== undefined || (map?.drifted ?? 0) > 0);
    const silent = await client.away();
    const found: (DriftedVm & { readonly host: string })[] = [];
    const unclear = new Set<string>();
    const hostNames = drifted.map(({ name }) => name);
    for (const [name, answer] of await hostAnswers(client, 'verify', hostNames, options)) {
      const read = driftedVmsOf(answer);
      if (read === null) unclear.add(name);
      for (const vm of read ?? []) found.push({ host: name, ...vm });
    }
    const away = hosts.filter(({ name }) => silent.has(name) || unclear.has(name)).map(({ name }) => name);
    const vms = hosts.reduce((sum, { map }) => sum + (map?.vms ?? 0), 0);
    if (options.json)
      out(JSON.stringify({ command: 'fleet verify', version: VERSION, hosts: hosts.length, vms, away, drifted: found }, null, 2));
    else {
      const rows = found.map(({ host, name, remoteMib, memoryNodes, vcpuNodes }) => [
        ...[host, name, formatBytes(remoteMib * MIB), memoryNodes.join(','), vcpuNodes.join(',')],
      ]);
      const table = rows.length === 0 ? [] : [...tableLines([['host', 'VM', 'remote memory', 'memory on', 'vCPUs on'], ...rows]), ''];
      const silent = away.length === 0 ? [] : [`no answer, or none that can be read, from ${away.join(', ')}`];
      out(
        [
          ...table,
          `${plural(vms, 'VM')} on ${plural(hosts.length, 'host')}: ${found.length} with memory away from their vCPUs`,
          ...silent,
        ].join('\n'),
      );
    }
    if (away.length > 0) return EXIT.unreachable;
    return found.length > 0 ? EXIT.no : EXIT.ok;
  });
}

export async function fleetExplain(name: string, options: Asking): Promise<number> {
  return withFleet(options, async (client) => {
    const answers = await client.askAll({ ask: 'vm', name }, [...client.picture.hosts.keys()]);
    const found = [...answers].flatMap(([host, answer]) => {
      const vm = explainedVmOf(answer);
      return vm === null ? [] : [{ host, ...vm }];
    });
    if (options.json) out(JSON.stringify({ command: 'fleet explain', version: VERSION, vms: found }, null, 2));
    else if (found.length === 0) out(`no member runs a VM ${name}`);
    for (const { host, memoryMib, memoryNodes, vcpuNodes, remoteMib, onOneNode } of options.json ? [] : found) {
      const size = formatBytes(memoryMib.reduce((sum, mib) => sum + mib, 0) * MIB);
      const away =
        remoteMib === 0
          ? 'Memory and vCPUs are on the same nodes.'
          : `${formatBytes(remoteMib * MIB)} is on nodes where no vCPU prefers to run.`;
      const near = onOneNode ? 'All of it is near.' : away;
      out(`${name} runs on ${host}: ${size} on ${nodeWords(memoryNodes)}, vCPUs on ${nodeWords(vcpuNodes)}. ${near}`);
    }
    return found.length === 0 ? EXIT.no : EXIT.ok;
  });
}

/** The VMs under each host rule. Nothing is claimed. */
export async function fleetCompare(files: readonly string[], options: Asking): Promise<number> {
  const vms = fleetVms(files, [], false);
  return withFleet(options, async (client) => {
    const away = await client.away();
    const results: { rule: string; placed: number; hosts: number; oneNode: number }[] = [];
    for (const rule of FLEET_RULES) {
      const placed = await new Placement(client, { rule, tags: [], dryRun: true, except: away }).placeAll(vms);
      const on = placed.filter((one): one is Extract<PlacementResult, { host: string }> => one.host !== null);
      const oneNode = on.filter(({ parts }) => parts.length === 1).length;
      results.push({ rule, placed: on.length, hosts: new Set(on.map(({ host }) => host)).size, oneNode });
    }
    if (options.json)
      out(JSON.stringify({ command: 'fleet compare', version: VERSION, vms: vms.length, away: [...away].sort(), rules: results }, null, 2));
    else {
      sayAway(away);
      const rows = results.map(({ rule, placed, hosts, oneNode }) => [rule, ...[placed, vms.length - placed, oneNode, hosts].map(String)]);
      out(tableLines([['rule', 'placed', 'no room', 'on one node', 'hosts used'], ...rows], { right: [1, 2, 3, 4] }).join('\n'));
    }
    return EXIT.ok;
  });
}

/** Moves within each host: `xennuma rebalance` on the member's own map. */
export async function fleetRebalance(names: readonly string[], options: Asking & JobOptions): Promise<number> {
  return withFleet(options, async (client) => {
    const plans: { host: string; free: number; migrations: number }[] = [];
    const silent: string[] = [];
    const chosenHosts = hostsOf(client, names).filter(({ map }) => names.length > 0 || (map?.drifted ?? 0) > 0);
    const answers = await hostAnswers(
      client,
      'rebalance',
      chosenHosts.map(({ name }) => name),
      options,
    );
    for (const [host, answer] of answers) {
      const plan = movePlanOf(answer);
      if (plan === null) silent.push(host);
      else plans.push({ host, ...plan });
    }
    plans.sort((a, b) => b.migrations - a.migrations || (a.host < b.host ? -1 : 1));
    if (options.json) out(JSON.stringify({ command: 'fleet rebalance', version: VERSION, hosts: plans, away: silent }, null, 2));
    else if (plans.length === 0) out('no host has VMs to move');
    else
      out(
        tableLines([
          ['host', 'moves without memory', 'migrations'],
          ...plans.map(({ host, free, migrations }) => [host, String(free), String(migrations)]),
        ]).join('\n'),
      );
    for (const host of options.json ? [] : silent) out(`${host} does not answer, or says nothing that can be read`);
    return silent.length > 0 ? EXIT.unreachable : EXIT.ok;
  });
}

/** The host takes no more VMs; where its own would fit. */
export async function fleetDrain(host: string, options: Asking & { readonly undo?: true }): Promise<number> {
  return withFleet(options, async (client) => {
    if (!client.picture.hosts.has(host)) throw new InputError(`the fleet has no host ${host}`, {}, 'xennuma fleet show lists its hosts');
    const vms = askedVmsOf(await client.ask(host, { ask: options.undo ? 'undrain' : 'drain' }));
    if (vms === null) {
      throw new UnreachableError(
        `${host} does not answer, or says nothing that can be read`,
        'check that its daemon runs: xennuma fleet show',
      );
    }
    const moves = options.undo ? [] : await newPlaces(client, host, vms);
    if (options.json)
      out(JSON.stringify({ command: 'fleet drain', version: VERSION, host, draining: options.undo !== true, moves }, null, 2));
    else if (options.undo) out(`${host} takes VMs again`);
    else {
      const rows = moves.map((move) =>
        move.host === null ? [move.vm, 'none', move.reason] : [move.vm, move.host, move.parts.map(([node]) => node).join(',')],
      );
      const table = rows.length === 0 ? [] : [...tableLines([['VM', 'could go to', 'nodes'], ...rows]), ''];
      out([...table, `${host} takes no more VMs; ${plural(moves.length, 'VM')} to move`].join('\n'));
    }
    return moves.every((move) => move.host !== null) ? EXIT.ok : EXIT.no;
  });
}

async function newPlaces(client: FleetClient, from: string, vms: readonly AskedVm[]): Promise<PlacementResult[]> {
  const placed = vms.map(({ name, vcpus, memoryMib }): VmToPlace => {
    const mib = memoryMib.reduce((sum, part) => sum + part, 0);
    return { vm: { name, kind: 'hvm', vcpus, memoryBytes: mib * MIB }, mib };
  });
  const except = new Set([from, ...(await client.away())]);
  const placement = new Placement(client, { rule: 'local-fit', tags: [], dryRun: true, except });
  return placement.placeAll(placed);
}
