// Hosts whose Xen is older or newer than those that the embedded one can act as, such as Xen 4.7 of
// XenServer 7: their listings are read, and plans for them act as the nearest.
import { nearestVersion } from '../abi/interface-version.js';
import type { Host } from '../machine/model.js';

/** The host with a version of Xen that the embedded one has; a note says where it differs. */
export function withModelledXen(host: Host): Host {
  const { xenVersion } = host;
  const nearest = xenVersion === undefined ? undefined : nearestVersion(xenVersion);
  if (nearest === undefined || nearest === xenVersion) return host;
  return {
    ...host,
    xenVersion: nearest,
    notes: [...host.notes, `Xen ${xenVersion} is not modelled: the plan acts as ${nearest}, the nearest.`],
  };
}
