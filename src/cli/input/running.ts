// What the commands on running domains share.
import { InputError } from '../../base/errors.js';
import { harmless } from '../../base/shown-text.js';
import type { HostMap } from '../../map/host-map.js';
import { listNames } from '../output/warnings.js';

/** Where xennuma keeps its own VMs of a real host. */
export const STATE_FOLDER = '/var/lib/xennuma/vms';

/** A guest must not move the terminal's cursor by its name. */
export const harmlessName = harmless;

/**
 * Domids of names or numbers; without any, all but Domain-0.
 * @throws InputError for one that is not there, or a name that two domains have
 */
export function pickDomains(map: HostMap, names: readonly string[]): Set<number> {
  if (names.length === 0) return new Set(map.domains.flatMap(({ domid }) => (domid === 0 ? [] : [domid])));
  return new Set(
    names.map((name) => {
      const found = map.domains.filter((domain) => domain.name === name);
      if (found.length > 1) {
        const ids = found.map(({ domid }) => domid).join(', ');
        throw new InputError(`the domains ${ids} are all named '${name}'`, {}, 'give the number of one');
      }
      const one = found[0] ?? map.domains.find(({ domid }) => String(domid) === name);
      if (one !== undefined) return one.domid;
      const known = map.domains.filter(({ domid }) => domid !== 0).map((domain) => harmless(domain.name));
      throw new InputError(
        `there is no domain '${name}'`,
        {},
        known.length === 0 ? 'none runs' : `the domains are ${listNames(known, 12)}`,
      );
    }),
  );
}
