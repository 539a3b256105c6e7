// The page of a fleet's hosts: as one file, or served live.
import { InputError } from '../../../base/errors.js';
import type { PageData } from '../../../page/page-data.js';
import { PAGE_FLEET_HOSTS } from '../../../page/page-fleet.js';
import { VERSION } from '../../output/version.js';
import type { ShownHost } from './shown-hosts.js';

/** @throws InputError for more hosts than a page can show */
export function fleetPageData(hosts: readonly ShownHost[]): PageData {
  if (hosts.length > PAGE_FLEET_HOSTS) {
    throw new InputError(
      `expected at most ${PAGE_FLEET_HOSTS} hosts in a page, found ${hosts.length}`,
      { path: '--html' },
      'name some of them: xennuma fleet show HOST... --html FILE',
    );
  }
  const fleet = hosts.map(({ host, state, nodes, vms, drifted, claims, runs, tags }) => ({
    ...{ name: host, state, vms, drifted, claims, runs, tags },
    nodes: (nodes ?? []).map(({ memoryMib, freeMib }): [number, number] => [memoryMib, freeMib]),
  }));
  return { format: 1, version: VERSION, kind: 'live', takenAt: new Date().toISOString(), hosts: [], fleet };
}
