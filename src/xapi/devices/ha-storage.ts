// Whether an SR can hold what high availability needs: a state file and a log of the database's
// changes (ocaml/xapi/xha_statefile.ml of xen-api e2ee48d6).
import { MIB } from '../../base/units.js';
import type { Database } from '../model/database.js';
import { deviceErrors } from '../wire/device-errors.js';
import { DRIVERS } from './drivers.js';

/** A state file of 4 MiB, and a redo log of 256. */
const LEAST_BYTES = 260 * MIB;

/** Of every host, plugged. @throws XapiError SR_HAS_NO_PBDS */
export function assertOnAllHosts(database: Database, ref: string): void {
  const pbds = (database.get('SR', ref).PBDs as readonly string[]).map((pbd) => database.get('PBD', pbd));
  const hosts = new Set(pbds.map(({ host }) => host));
  if (hosts.size < database.refs('host').length) throw deviceErrors.srNoPbds(ref);
  if (pbds.some(({ currently_attached: attached }) => attached !== true)) throw deviceErrors.srNoPbds(ref);
}

/** @throws XapiError SR_HAS_NO_PBDS, SR_OPERATION_NOT_SUPPORTED, SR_SOURCE_SPACE_INSUFFICIENT */
export function assertHoldsStatefile(database: Database, ref: string): void {
  assertOnAllHosts(database, ref);
  const { type, physical_size: size, physical_utilisation: used } = database.get('SR', ref);
  if (DRIVERS[type as string]?.features.includes('VDI_GENERATE_CONFIG') !== true) throw deviceErrors.srNotSupported(ref);
  if ((size as number) - (used as number) < LEAST_BYTES) throw deviceErrors.srTooSmall(ref);
}

export function holdsStatefile(database: Database, ref: string): boolean {
  try {
    assertHoldsStatefile(database, ref);
    return true;
  } catch {
    return false;
  }
}
