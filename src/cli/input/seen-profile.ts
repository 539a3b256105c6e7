// The toolstack version of a host that was read: what it shows of itself is the default of
// --profile.
import type { CapturedHost } from '../../live/capture/captured-host.js';
import { ownRecord } from '../../live/place-commands.js';
import { profileOfHost } from '../../pool/releases.js';
import { PROFILES, type ProfileName } from '../../xenopsd/api/profiles.js';

type SeenHost = Pick<CapturedHost, 'toolstack' | 'xapi'> & { readonly host: { readonly name: string } };

/** Where a host does not tell. */
export const DEFAULT_PROFILE: ProfileName = 'xapi-25.6';

/**
 * null where the listings do not tell.
 * @throws InputError as ownRecord, where xapi's hosts are several and none is this one
 */
export function seenProfile(captured: SeenHost): ProfileName | null {
  // libxl places the VMs of libvirt too.
  if (captured.toolstack === 'xl' || captured.toolstack === 'qubes') return 'xl';
  const own = captured.xapi.hosts.length === 0 ? null : ownRecord(captured);
  return own === null ? null : profileOfHost(Object.fromEntries(own.software), PROFILES).profile;
}

/**
 * libxl places new guests only, by the vCPUs of those that run, and would lead a running domain
 * away from its memory: on a host of xl the planner is that of `place --on xen` too.
 */
export function placingProfile(captured: SeenHost): ProfileName {
  const seen = seenProfile(captured);
  return seen === null || seen === 'xl' ? DEFAULT_PROFILE : seen;
}
