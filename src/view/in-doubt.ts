// The sentence of both pictures on VMs whose figures are not known.
import { plural } from '../base/phrases.js';
import type { HostFigures } from '../map/figures.js';
import { type HostMap, isPlaceUnknown } from '../map/host-map.js';

/** What the second line says where memory, or even the domains, are not known; null otherwise. */
export function vmsInDoubt({ domains, usersUnknown }: HostMap, { vms }: HostFigures): string | null {
  if (vms > 0 && domains.some((domain) => domain.domid !== 0 && isPlaceUnknown(domain) && domain.pagesUnknown !== true))
    return `${plural(vms, 'VM')}; where all ${vms === 1 ? 'its' : 'their'} vCPUs may run is not known`;
  if (usersUnknown !== true) return null;
  if (domains.length === 0) return 'VMs not known';
  if (vms === 0 || domains.some(({ domid, pagesUnknown }) => domid !== 0 && pagesUnknown !== true)) return null;
  return `${plural(vms, 'VM')}; the nodes of ${vms === 1 ? 'its' : 'their'} memory are not known`;
}
