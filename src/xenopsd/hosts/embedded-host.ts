// The embedded host: a described machine, the hypervisor and the XenStore of this process, behind
// the doors that a real host has.
import type { SchedulerName } from '../../abi/commands.js';
import type { Host } from '../../machine/model.js';
import { EmbeddedDoor } from '../../xenctrl/doors/embedded-door.js';
import type { Inspection } from '../../xenctrl/doors/inspection.js';
import { openXenctrl } from '../../xenctrl/open-xenctrl.js';
import { embeddedXenguest } from '../../xenguest/embedded.js';
import type { XenstoreConnection } from '../../xenstore/connection.js';
import { createXenstore, type InProcessXenstore } from '../../xenstore/in-process.js';
import type { Personality } from '../../xenstore/store/limits.js';
import { EMBEDDED_CAPABILITIES, type HostDoors } from '../api/host-doors.js';
import type { ProfileName } from '../api/profiles.js';
import { DEFAULT_PROFILE, profileOf } from '../api/profiles.js';
import { makeDescribedPools } from './described-pools.js';
import { takeStore } from './store-ownership.js';

export interface EmbeddedHostOptions {
  /**
   * The toolstack that the host is made for: which XenStore daemon it runs, and whether its Xen has
   * claims on a node. DEFAULT_PROFILE by default.
   */
  readonly profile?: ProfileName;
  /** "4.13" to "4.22"; what the description says by default, else 4.17. */
  readonly xenVersion?: string;
  readonly scheduler?: SchedulerName;
  readonly personality?: Personality;
  /** Domain-0; as a booted host of that size has it by default. */
  readonly dom0?: { readonly vcpus: number; readonly pages: number };
  /** The description's nodes are numbered by Xen already, whatever their order. */
  readonly numberedByXen?: boolean;
}

export interface EmbeddedHost extends HostDoors {
  /** Looks past the doors, for tests. */
  readonly inspect: Inspection;
  readonly store: InProcessXenstore;
}

/**
 * @throws InputError past the limits of the project, or for a version of Xen that is not known
 */
export async function embeddedHost(host: Host, options: EmbeddedHostOptions = {}): Promise<EmbeddedHost> {
  const store = createXenstore({ personality: options.personality ?? profileOf(options.profile ?? DEFAULT_PROFILE).xenstore });
  const { doors, inspect } = await doorsOf(host, store.connect(0), options);
  return { ...doors, inspect, store };
}

/**
 * The same host with its keys in a XenStore that is there already, such as a daemon's behind a
 * socket. What an earlier embedded host left in it goes first.
 * @throws InputError as `embeddedHost`, and when the store holds domains of a host that is not
 *   embedded
 */
export async function embeddedHostOn(
  host: Host,
  xs: XenstoreConnection,
  options: Omit<EmbeddedHostOptions, 'personality'> = {},
): Promise<HostDoors> {
  await takeStore(xs);
  return (await doorsOf(host, xs, options)).doors;
}

async function doorsOf(
  host: Host,
  xs: XenstoreConnection,
  options: EmbeddedHostOptions,
): Promise<{ doors: HostDoors; inspect: Inspection }> {
  const door = EmbeddedDoor.forHost(host, {
    ...(options.xenVersion === undefined ? {} : { version: options.xenVersion }),
    ...(options.scheduler === undefined ? {} : { scheduler: options.scheduler }),
    ...(options.dom0 === undefined ? {} : { dom0: options.dom0 }),
    ...(options.numberedByXen === undefined ? {} : { numberedByXen: options.numberedByXen }),
    perNodeClaims: profileOf(options.profile ?? DEFAULT_PROFILE).nodeClaim,
  });
  await writeBootKeys(xs);
  const xc = openXenctrl(door);
  if (host.pools !== undefined) await makeDescribedPools(xc, xs, host.pools, options.scheduler ?? host.pools[0]?.scheduler ?? 'credit2');
  const doors: HostDoors = {
    kind: 'embedded',
    can: EMBEDDED_CAPABILITIES,
    name: host.name,
    xc,
    xs,
    xenguest: embeddedXenguest({ xc, xs }),
    // The first ports of a new domain, because no one else allocates here.
    channels: () => ({ storePort: 1, consolePort: 2 }),
    pagesByNode: door.inspect.pagesByNode,
    affinityGroups: door.inspect.affinityGroups,
    ...(options.dom0 === undefined ? { domain0Assumed: true as const } : {}),
    ...(host.cpus.some(({ core, socket }) => core === null || socket === null) ? { coresUnknown: true as const } : {}),
  };
  return { doors, inspect: door.inspect };
}

/**
 * What a booted host has in XenStore before its first guest (tools/xenstore/init-xenstore-domain.c,
 * xen-init-dom0).
 */
async function writeBootKeys(xs: XenstoreConnection): Promise<void> {
  await xs.write('/local/domain/0/domid', '0');
  await xs.write('/local/domain/0/name', 'Domain-0');
  for (const path of ['/vm', '/libxl', '/xenops/domain', '/tool/xenstored']) await xs.mkdir(path);
}
