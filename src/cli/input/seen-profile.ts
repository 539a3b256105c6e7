// The toolstack version of a host that was read: what it shows of itself is the default of
// --profile.
import type { CapturedHost } from '../../live/capture/captured-host.js';
import { ownRecord } from '../../live/place-commands.js';
import { profileOfHost } from '../../pool/releases.js';
import { PROFILES, type ProfileName } from '../../xenopsd/api/profiles.js';

export type SeenHost = Pick<CapturedHost, 'toolstack' | 'xapi'> & { readonly host: { readonly name: string } };

/** Where a host does not tell. */
export const DEFAULT_PROFILE: ProfileName = 'xapi-25.6';

/** The profile of a host, and the sentence that says why. */
export interface ShownProfile {
  /** null where the listings do not tell. */
  readonly profile: ProfileName | null;
  readonly why: string;
}

const OTHERWISE = '--profile acts as another';

/** @throws InputError as ownRecord, where xapi's hosts are several and none is this one */
export function shownProfile(captured: SeenHost): ShownProfile {
  // libxl places the VMs of libvirt too.
  if (captured.toolstack === 'xl') return { profile: 'xl', why: `profile xl, because the listings show a host of xl; ${OTHERWISE}` };
  if (captured.toolstack === 'qubes') {
    return { profile: 'xl', why: `profile xl, because the listings show Qubes, where libxl places VMs; ${OTHERWISE}` };
  }
  const own = captured.xapi.hosts.length === 0 ? null : ownRecord(captured);
  if (own !== null) {
    const { profile, source, exact } = profileOfHost(Object.fromEntries(own.software), PROFILES);
    return { profile, why: `profile ${profile}${exact ? '' : ', the nearest'}, because the listings show ${source}; ${OTHERWISE}` };
  }
  const shows = captured.toolstack === 'xapi' ? 'xapi without its version' : 'neither xapi nor xl';
  const mend = captured.toolstack === 'xapi' ? OTHERWISE : 'for a host of xl give --profile xl';
  return { profile: null, why: `profile ${DEFAULT_PROFILE} is assumed, because the listings show ${shows}; ${mend}` };
}

/**
 * libxl places new guests only, by the vCPUs of those that run, and would lead a running domain
 * away from its memory: on a host of xl the planner is that of `place --on xen` too.
 */
export function placingProfile(captured: SeenHost): ProfileName {
  const { profile } = shownProfile(captured);
  return profile === null || profile === 'xl' ? DEFAULT_PROFILE : profile;
}
