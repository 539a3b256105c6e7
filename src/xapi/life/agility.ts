// Whether a VM could run on each host that is enabled: its disks are in shared storage, and its
// networks have a card on each (ocaml/xapi/agility.ml of xen-api e2ee48d6).
import { isBondMember, refsOf } from '../devices/pifs.js';
import type { Database } from '../model/database.js';
import { XapiError } from '../wire/errors.js';

/**
 * @throws XapiError HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED,
 *   HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED
 */
export function assertAgile(database: Database, vm: string): void {
  const record = database.get('VM', vm);
  const enabled = [...database.records('host')].filter(([, host]) => host.enabled === true).map(([ref]) => ref);
  for (const vbd of refsOf(record, 'VBDs').map((ref) => database.get('VBD', ref))) {
    if (vbd.empty === true) continue;
    const sr = String(database.get('VDI', String(vbd.VDI)).SR);
    const { shared, PBDs: pbds } = database.get('SR', sr);
    const plugged = (pbds as readonly string[]).map((ref) => database.get('PBD', ref)).filter((pbd) => pbd.currently_attached === true);
    const everywhere = enabled.every((host) => plugged.some((pbd) => pbd.host === host));
    if (shared !== true || !everywhere) throw new XapiError('HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED', sr);
  }
  for (const vif of refsOf(record, 'VIFs')) {
    const network = String(database.get('VIF', vif).network);
    const pifs = refsOf(database.get('network', network), 'PIFs').map((ref) => database.get('PIF', ref));
    const everywhere = enabled.every((host) => pifs.some((pif) => pif.host === host && !isBondMember(pif)));
    if (!everywhere) throw new XapiError('HA_CONSTRAINT_VIOLATION_NETWORK_NOT_SHARED', network);
  }
}
