// The page's data of a host, from each way in which a host is known.
import type { LiveMap } from '../live/live-map.js';
import { plannedProfile, type SeenHost } from '../live/seen-profile.js';
import type { HostMap } from '../map/host-map.js';
import { DEFAULT_PROFILE, type ProfileName, profileOf } from '../xenopsd/api/profiles.js';
import type { HostRuns } from './host-runs.js';
import { type PageData, pageData } from './page-data.js';
import type { PageRun } from './page-run.js';
import { type PageWorkload, workloadOfMap } from './page-workload.js';

export interface PageInput {
  readonly map: HostMap;
  readonly notes: readonly string[];
  /** The toolstack whose rules the advice follows. */
  readonly profile?: ProfileName;
  readonly runs?: HostRuns;
  /** Input of a plan on the page; absent = no plans. */
  readonly workload?: PageWorkload;
}

/** What the page shows at once, and what it reads when it is needed; index = host. */
export interface WholePage {
  readonly data: PageData;
  readonly runs: readonly ReadonlyMap<number, readonly PageRun[]>[];
  readonly workloads: readonly (PageWorkload | null)[];
}

/** The toolstack whose rules are followed where none is named. */
export const ASSUMED = { profile: DEFAULT_PROFILE, policy: 'default_policy', seed: 1 } as const;
/** As `xennuma place` takes it. */
const REMARK_POLICY = 'best_effort' as const;

export function wholePage(
  { kind, version, takenAt }: Pick<PageData, 'kind' | 'version' | 'takenAt'>,
  hosts: readonly PageInput[],
): WholePage {
  const inputs = hosts.map(({ map, notes, profile = ASSUMED.profile, runs }) => ({
    ...{ map, notes, profile: profileOf(profile), policy: REMARK_POLICY },
    failed: runs?.failed ?? [],
  }));
  return {
    data: pageData(kind, version, takenAt, inputs),
    runs: hosts.map(({ runs }) => runs?.runs ?? new Map()),
    workloads: hosts.map(({ workload = null }) => workload),
  };
}

/**
 * A host of which no more than the map is known, and what its listings show where it was read from
 * them.
 */
export function pageOfMap({ map, notes }: Pick<PageInput, 'map' | 'notes'>, captured?: PlannedHost): PageInput {
  if (captured === undefined) return { map, notes, workload: workloadOfMap(map, ASSUMED_XEN, ASSUMED) };
  const { profile, note } = plannedProfile(captured);
  const workload = workloadOfMap(map, captured.live.xenVersion, { ...ASSUMED, profile });
  return { map, notes: [...notes, note], profile, workload };
}

type PlannedHost = SeenHost & { readonly live: Pick<LiveMap, 'xenVersion'> };
const ASSUMED_XEN = '4.17';
