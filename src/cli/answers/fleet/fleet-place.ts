// `xennuma fleet place`
import { InputError, UnreachableError } from '../../../base/errors.js';
import { plural } from '../../../base/phrases.js';
import { tableLines } from '../../../base/table.js';
import { formatBytes, MIB } from '../../../base/units.js';
import type { FleetRule } from '../../../fleet/place/chooser.js';
import type { FleetClient } from '../../../fleet/place/fleet-client.js';
import { Placement, type PlacementResult, type VmToPlace } from '../../../fleet/place/placement.js';
import type { FleetOptions } from '../../input/fleet-options.js';
import { fleetVms } from '../../input/fleet-vms.js';
import { EXIT } from '../../output/exit-codes.js';
import { out, remark } from '../../output/terminal.js';
import { VERSION } from '../../output/version.js';
import { existingNames } from './member-answers.js';
import { sayAway, withFleet } from './open-fleet.js';

/** Names in a message. */
const SHOWN = 5;

export interface FleetPlaceOptions extends FleetOptions {
  readonly vms: readonly string[];
  readonly choose: FleetRule;
  readonly tag?: readonly string[];
  readonly apart?: true;
  readonly apartFrom?: readonly string[];
  readonly dryRun?: true;
  readonly sameName?: true;
  readonly json?: true;
}

/** @returns the exit code */
export async function fleetPlace(names: readonly string[], options: FleetPlaceOptions): Promise<number> {
  const vms = fleetVms(options.vms, names, options.apart === true);
  const dryRun = options.dryRun === true;
  const { placed, away } = await withFleet(options, async (client) => {
    if (options.sameName !== true) await refuseTaken(client, vms);
    const away = await client.away();
    sayAway(away);
    const except = new Set([...away, ...(await hostsWith(client, options.apartFrom ?? []))]);
    const placement = new Placement(client, { rule: options.choose, tags: options.tag ?? [], dryRun, except });
    return { placed: await placement.placeAll(vms), away };
  });
  if (options.json) out(JSON.stringify({ command: 'fleet place', version: VERSION, dryRun, away: [...away].sort(), vms: placed }, null, 2));
  else out(lines(placed, dryRun).join('\n'));
  return placed.every(({ host }) => host !== null) ? EXIT.ok : EXIT.no;
}

/**
 * Hosts that have VMs of these names, running or halted.
 * @throws InputError for a name that no host has
 * @throws UnreachableError when a host does not say, as VMs would not be kept apart then
 */
async function hostsWith(client: FleetClient, names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return [];
  const { taken, silent } = await existingNames(client, names);
  const unknown = names.filter((name) => !taken.some(({ vm }) => vm === name));
  if (unknown.length > 0 && silent.length > 0) {
    throw new UnreachableError(
      `${silent.slice(0, SHOWN).join(', ')} did not say whether ${unknown.slice(0, SHOWN).join(', ')} is there`,
      'start the member of the host again, or leave out --apart-from',
    );
  }
  if (unknown.length > 0) {
    throw new InputError(`no host of the fleet has a VM ${unknown[0]}`, { path: '--apart-from' }, 'name VMs of the fleet');
  }
  return taken.map(({ host }) => host);
}

/** @throws InputError when a host has a VM of one of these names, running or halted */
async function refuseTaken(client: FleetClient, vms: readonly VmToPlace[]): Promise<void> {
  const { taken, silent } = await existingNames(
    client,
    vms.map(({ vm }) => vm.name),
  );
  if (taken.length > 0) {
    const where = taken.slice(0, SHOWN).map(({ vm, host }) => `${vm} on ${host}`);
    const more = taken.length > SHOWN ? `, and ${taken.length - SHOWN} more` : '';
    throw new InputError(
      `the fleet has VMs of these names: ${where.join(', ')}${more}`,
      { path: '--vms' },
      'leave them out, or give --same-name',
    );
  }
  if (silent.length > 0) remark(`${silent.slice(0, SHOWN).join(', ')} did not say whether VMs of these names are there`);
}

function lines(placed: readonly PlacementResult[], dryRun: boolean): string[] {
  const rows = placed.map((one) => {
    if (one.host === null) return [one.vm, 'none', '', '', one.reason];
    const mib = one.parts.reduce((sum, [, part]) => sum + part, 0);
    return [one.vm, one.host, one.parts.map(([node]) => node).join(','), formatBytes(mib * MIB), ''];
  });
  const done = placed.filter(({ host }) => host !== null).length;
  const verb = dryRun ? 'would start' : 'started';
  return [...tableLines([['VM', 'host', 'nodes', 'memory', 'why not'], ...rows]), '', `${done} of ${plural(placed.length, 'VM')} ${verb}`];
}
