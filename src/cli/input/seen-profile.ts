// The toolstack version of a host that was read: what it shows of itself is the default of
// --profile.
import type { CapturedHost } from '../../live/capture/captured-host.js';
import { ownRecord } from '../../live/place-commands.js';
import { profileOfHost } from '../../pool/releases.js';
import { PROFILES, type ProfileName } from '../../xenopsd/api/profiles.js';

/** Where a host does not tell. */
export const DEFAULT_PROFILE: ProfileName = 'xapi-25.6';

/**
 * null where the listings do not tell.
 * @throws InputError as ownRecord, where xapi's hosts are several and none is this one
 */
export function seenProfile(captured: Pick<CapturedHost, 'toolstack' | 'xapi' | 'host'>): ProfileName | null {
  if (captured.toolstack === 'xl') return 'xl';
  const own = captured.xapi.hosts.length === 0 ? null : ownRecord(captured);
  return own === null ? null : profileOfHost(Object.fromEntries(own.software), PROFILES).profile;
}
