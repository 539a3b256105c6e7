// The toolstack version of a host that was read: what it shows of itself is the default of
// --profile.
import { InputError } from '../base/errors.js';
import { DEFAULT_PROFILE, PROFILES, type ProfileName } from '../xenopsd/api/profiles.js';
import { profileOfHost } from '../xenopsd/api/releases.js';
import type { CapturedHost } from './capture/captured-host.js';
import { ownRecord } from './place-commands.js';

export type SeenHost = Pick<CapturedHost, 'toolstack' | 'xapi'> & { readonly host: { readonly name: string } };

/** The profile of a host, and why. */
export interface ShownProfile {
  /** null where the listings do not tell. */
  readonly profile: ProfileName | null;
  /** "profile xl, because the listings show a host of xl" */
  readonly why: string;
  /** What the user of the command can do about it. */
  readonly mend: string;
}

const OTHERWISE = '--profile acts as another';

/** @throws InputError as ownRecord, where xapi's hosts are several and none is this one */
export function shownProfile(captured: SeenHost): ShownProfile {
  // libxl places the VMs of libvirt too.
  if (captured.toolstack === 'xl') return { profile: 'xl', why: 'profile xl, because the listings show a host of xl', mend: OTHERWISE };
  if (captured.toolstack === 'qubes') {
    return { profile: 'xl', why: 'profile xl, because the listings show Qubes, where libxl places VMs', mend: OTHERWISE };
  }
  const own = captured.xapi.hosts.length === 0 ? null : ownRecord(captured);
  if (own !== null) {
    const { profile, source, exact } = profileOfHost(Object.fromEntries(own.software), PROFILES);
    return { profile, why: `profile ${profile}${exact ? '' : ', the nearest'}, because the listings show ${source}`, mend: OTHERWISE };
  }
  const isXapi = captured.toolstack === 'xapi';
  const shows = isXapi ? 'xapi without its version' : 'neither xapi nor xl';
  return {
    profile: null,
    why: `profile ${DEFAULT_PROFILE} is assumed, because the listings show ${shows}`,
    mend: isXapi ? OTHERWISE : 'for a host of xl give --profile xl',
  };
}

/** For a page, which has no options, and is shown also where the host is one of several. */
export function plannedProfile(captured: SeenHost): { readonly profile: ProfileName; readonly note: string } {
  try {
    const { profile, why } = shownProfile(captured);
    return { profile: profile ?? DEFAULT_PROFILE, note: `Plans start with ${why}.` };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { profile: DEFAULT_PROFILE, note: `Plans start with profile ${DEFAULT_PROFILE}, which is assumed: ${error.message}.` };
  }
}

/**
 * libxl places new guests only, by the vCPUs of those that run, and would lead a running domain
 * away from its memory: on a host of xl the planner is that of `place --on xen` too.
 */
export function placingProfile(captured: SeenHost): ProfileName {
  const { profile } = shownProfile(captured);
  return profile === null || profile === 'xl' ? DEFAULT_PROFILE : profile;
}
