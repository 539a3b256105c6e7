// From options to a toolstack on a host: reads the files, boots the embedded host, and adds the VMs
// to it.
import { InputError } from '../../base/errors.js';
import { isOfXen, plainHost } from '../../live/capture/text/plain-host.js';
import { type SeenToolstack, toolstackOfTexts } from '../../live/capture/toolstack.js';
import type { LiveMap } from '../../live/live-map.js';
import { withModelledXen } from '../../live/modelled-xen.js';
import { ownRecord } from '../../live/place-commands.js';
import { type SeenHost, shownProfile } from '../../live/seen-profile.js';
import type { Host } from '../../machine/model.js';
import { cautions } from '../../machine/readers/cautions.js';
import { detectAndRead } from '../../machine/readers/detect.js';
import { detectAndReadVms } from '../../machine/readers/detect-vms.js';
import type { InputText } from '../../machine/readers/input-text.js';
import type { VmSpec } from '../../machine/vm.js';
import { asXenSees } from '../../machine/xen-sees.js';
import type { HostDoors } from '../../xenopsd/api/host-doors.js';
import { DEFAULT_PROFILE, type ProfileName } from '../../xenopsd/api/profiles.js';
import type { Toolstack, ToolstackOptions } from '../../xenopsd/api/toolstack.js';
import { embeddedHost, embeddedHostOn } from '../../xenopsd/hosts/embedded-host.js';
import { createToolstack } from '../../xenopsd/life/toolstack.js';
import { type UserWarning, userWarnings } from '../output/warnings.js';
import { readFrom, refuseBesideFrom } from './from.js';
import { withPools } from './host-pools.js';
import { readInput } from './read-input.js';
import type { HostOptions, WorkloadOptions, XenstoreOptions } from './workload-options.js';

const EMBEDDED = 'embedded';

/** Settings of an embedded host in addition to its description. */
export type EmbeddedOptions = Pick<HostOptions, 'xen' | 'scheduler'> & XenstoreOptions;

export const HOST_MEND =
  'give --from ssh://root@HOST for one that runs, or --host FILE: xl info -n, lstopo XML, numactl --hardware, or a host file (see docs/hosts-and-vms.md)';

/**
 * @param files paths, or - for stdin
 * @throws InputError when none is given, or when they describe no host
 */
export function readHost(files: readonly string[] | undefined): Host {
  return hostOfTexts(readHostTexts(files));
}

function readHostTexts(files: readonly string[] | undefined): InputText[] {
  if (files === undefined || files.length === 0) throw new InputError('expected a host, got none', {}, HOST_MEND);
  return files.map(readInput);
}

function hostOfTexts(texts: readonly InputText[]): Host {
  return withModelledXen(asXenSees(detectAndRead(texts.map(plainHost))));
}

/** @throws InputError when the files describe no VMs, or two of the same name */
export function readVms(files: readonly string[], host: Host): VmSpec[] {
  return detectAndReadVms(files.map(readInput), host);
}

/**
 * The host behind the doors: an embedded Xen as described, with the settings that the profile's
 * hosts use.
 * @throws InputError when the XenStore does not answer, or belongs to another host
 */
export async function openDoors(host: Host, profile: ProfileName, options: EmbeddedOptions): Promise<HostDoors> {
  const { xenstore = EMBEDDED, personality } = options;
  const settings = {
    profile,
    ...(options.xen === undefined ? {} : { xenVersion: options.xen }),
    ...(options.scheduler === undefined ? {} : { scheduler: options.scheduler }),
  };
  if (xenstore === EMBEDDED) return embeddedHost(host, { ...settings, ...(personality === undefined ? {} : { personality }) });
  if (personality !== undefined) {
    throw new InputError(
      'expected --personality or the socket of a daemon, got both',
      {},
      'leave --personality out: the daemon has its own',
    );
  }
  const { ANSWER_MS, connectXenstore } = await import('../../xenstore/client/connect.js');
  const xs = await connectXenstore({ path: xenstore, reconnect: false, answerMs: ANSWER_MS });
  try {
    return await embeddedHostOn(host, xs, settings);
  } catch (error) {
    await xs.close();
    throw error;
  }
}

export interface Workload {
  readonly host: Host;
  readonly vms: readonly VmSpec[];
  readonly toolstack: Toolstack;
  /** What the host shows of its own toolstack, where it was read. */
  readonly seen?: SeenToolstack;
  /** Why the profile is the one it is, where the user named none. */
  readonly profileNote?: string;
  /**
   * Warnings to read before the answer. Masks that xapi ignores without a message are ignored in
   * the plan too, and reported here.
   */
  readonly warnings: readonly UserWarning[];
}

/** What a plan on the host rests on, in sentences for the user. */
export function workloadNotes({ host, profileNote }: Pick<Workload, 'host' | 'profileNote'>): string[] {
  return [...cautions(host), ...(profileNote === undefined ? [] : [profileNote])];
}

/** The source of fresh hosts: a description, or a running host, which is copied. */
export interface Origin {
  readonly host: Host;
  readonly live: LiveMap | null;
  /** What the host shows of its toolstack; the profile only where the user named none. */
  readonly profile?: ProfileName;
  readonly profileNote?: string;
  readonly toolstack?: SeenToolstack;
  /** xapi's uuid of the host, where its records are there. */
  readonly hostUuid?: string;
}

/**
 * @throws InputError when no host is named, or two; UnreachableError when the running one cannot be
 * read
 */
export async function readOrigin(options: Pick<WorkloadOptions, 'profile'> & HostOptions): Promise<Origin> {
  if (options.from !== undefined) {
    refuseBesideFrom({ ...options });
    const [captured, { hostOf }] = await Promise.all([readFrom(options.from), import('../../live/live-copy.js')]);
    const { live } = captured;
    return { host: hostOf(live), live, ...ownToolstack(captured, options) };
  }
  if (options.on === undefined) return readDescribed(options);
  refuseBeside(options);
  const [{ lookAtXen }, { hostOf }] = await Promise.all([import('./on-xen.js'), import('../../live/live-copy.js')]);
  const live = await lookAtXen();
  return { host: hostOf(live), live };
}

/** The listings that describe a host show its toolstack, as those of --from do. */
export function readDescribed(options: Pick<WorkloadOptions, 'profile'> & Pick<HostOptions, 'host' | 'cpupools'>): Origin {
  const texts = readHostTexts(options.host);
  const host = withPools(hostOfTexts(texts), options.cpupools ?? []);
  const seen = texts.map(plainHost).some(isOfXen) ? toolstackOfTexts(texts) : null;
  return { host, live: null, ...(seen === null ? {} : ownToolstack({ ...seen, host }, options)) };
}

function ownToolstack(seen: SeenHost, options: Pick<WorkloadOptions, 'profile'>): Partial<Origin> {
  const uuid = seen.xapi.hosts.length === 0 ? undefined : ownRecord(seen)?.uuid;
  const known = { toolstack: seen.toolstack, ...(uuid === undefined ? {} : { hostUuid: uuid }) };
  if (options.profile !== undefined) return known;
  const { profile, why, mend } = shownProfile(seen);
  return { ...known, profileNote: `${why}; ${mend}`, ...(profile === null ? {} : { profile }) };
}

/** @throws InputError for options that describe a host other than the running one */
export function refuseBeside(options: HostOptions): void {
  for (const name of ['host', 'xen', 'scheduler', 'cpupools'] as const) {
    if (options[name] !== undefined) throw new InputError(`expected --on or --${name}, got both`, {}, 'leave one of them out');
  }
}

/** @throws InputError for options that describe the host of a scenario once more */
export function refuseBesideScenario(options: Pick<HostOptions, 'xen' | 'scheduler' | 'cpupools'>): void {
  for (const name of ['xen', 'scheduler', 'cpupools'] as const) {
    if (options[name] !== undefined) {
      throw new InputError(`expected --scenario or --${name}, got both`, {}, `write ${name} into the scenario`);
    }
  }
}

/** Reads host and VMs once; `raise` gives a fresh host with those VMs each time. */
export async function readWorkload(options: WorkloadOptions): Promise<{ origin: Origin; vms: readonly VmSpec[] }> {
  if (options.vms === undefined) {
    const alone = options.host === undefined && options.on === undefined && options.from === undefined;
    throw new InputError(
      alone ? 'expected a host and VMs, got neither' : 'expected VMs, got none',
      {},
      `give ${alone ? '--host FILE and ' : ''}--vms FILE (see docs/hosts-and-vms.md)`,
    );
  }
  const origin = await readOrigin(options);
  return { origin, vms: readVms(options.vms, origin.host) };
}

export async function raise(
  { host, live, toolstack: seen, profileNote }: Origin,
  vms: readonly VmSpec[],
  settings: ToolstackOptions,
  options: EmbeddedOptions,
): Promise<Workload> {
  const doors =
    live === null
      ? await openDoors(host, settings.profile, options)
      : await (await import('../../live/live-copy.js')).copyOfLive(live, settings.profile);
  try {
    const toolstack = await createToolstack(doors, settings);
    for (const vm of vms) await toolstack.add(vm);
    return {
      ...{ host, vms, toolstack, warnings: userWarnings(toolstack) },
      ...(seen === undefined ? {} : { seen }),
      ...(profileNote === undefined ? {} : { profileNote }),
    };
  } catch (error) {
    await doors.xs.close();
    throw error;
  }
}

/** The profile is the one that was asked for, or the host's own. */
export function settingsOf(options: WorkloadOptions, origin?: Pick<Origin, 'profile'>): ToolstackOptions {
  const { profile = origin?.profile ?? DEFAULT_PROFILE, policy, seed, hostMask } = options;
  return { profile, policy, seed, ...(hostMask === undefined ? {} : { hostMask }) };
}
