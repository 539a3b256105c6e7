// Shared parts of the commands on running domains.
import { InputError } from '../../base/errors.js';
import { NO_NAME, unknownName } from '../../base/nearest-word.js';
import { harmless } from '../../base/safe-text.js';
import type { HostMap } from '../../map/host-map.js';

/** The folder of xennuma's own VMs on a real host. */
export const STATE_FOLDER = '/var/lib/xennuma/vms';

/** A guest's name must not move the terminal's cursor. */
export const harmlessName = harmless;

/** Of the domains but Domain-0. */
export function guestNames(map: HostMap): string[] {
  return map.domains.filter(({ domid }) => domid !== 0).map((domain) => harmless(domain.name));
}

/** A host always runs Domain-0: where not even that is listed, nothing is known of the others. */
export function unknownDomain(name: string, maps: readonly HostMap[]): InputError {
  const known = [...new Set(maps.flatMap(guestNames))];
  if (known.length > 0 || maps.every(({ domains }) => domains.length > 0)) return unknownName('domain', name, known, 'none runs');
  const what = name === NO_NAME ? 'expected the name of a domain, got none' : `there is no domain '${name}'`;
  return new InputError(`${what} in the listings, which show no domain`, {}, 'add `xl list -n` and `xl vcpu-list`');
}

/**
 * Domids of names or numbers; without any, all but Domain-0.
 * @throws InputError for an unknown domain, or a name that two domains share
 */
export function pickDomains(map: HostMap, names: readonly string[]): Set<number> {
  if (names.length === 0) return new Set(map.domains.flatMap(({ domid }) => (domid === 0 ? [] : [domid])));
  return new Set(
    names.map((name) => {
      const found = map.domains.filter((domain) => domain.name === name);
      if (found.length > 1) {
        const ids = found.map(({ domid }) => domid).join(', ');
        throw new InputError(`domains ${ids} are all named '${name}'`, {}, 'give the number of one of them');
      }
      const one = found[0] ?? map.domains.find(({ domid }) => String(domid) === name);
      if (one !== undefined) return one.domid;
      throw unknownDomain(name, [map]);
    }),
  );
}
