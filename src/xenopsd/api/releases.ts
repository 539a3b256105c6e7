// The toolstack version that a pool's host behaves like, from Host.software_version.
// Sources: xen-api's tags, where the default policy changes at v25.20.0
// (ocaml/xenopsd/lib/xenops_server.ml, default_numa_affinity_policy), the mask leaves XenStore at
// v25.21.0 (ocaml/xenopsd/xc/xenops_server_xen.ml, vcpu/%d/affinity), physical cores and
// prio_mem_only come with v25.39.0 (ocaml/xenopsd/lib/topology.ml, xc/domain.ml), and claims of all
// builds with v26.3.0 (xc/domain.ml). `xapi_build` is in software_version since February 2022
// (ocaml/xapi/create_misc.ml, commit f92aaa980a). Packages: github.com/xcp-ng-rpms/xapi, branches
// 8.2 and 8.3, SPECS/xapi.spec; XS-8.3 there holds XenServer 8's.
import { DEFAULT_PROFILE, type ProfileName } from './profiles.js';

export interface HostProfile {
  readonly profile: ProfileName;
  /** Where it was found: "xapi 25.33.1", "XCP-ng 8.3.0", "no version". */
  readonly source: string;
  /** false: the nearest profile, from which that version differs in details. */
  readonly exact: boolean;
}

interface XapiRange {
  /** First version of the range, as [major, minor, patch]. */
  readonly from: readonly [number, number, number];
  readonly profile: ProfileName;
  readonly exact: boolean;
}

/** Newest first. */
const XAPI_RANGES: readonly XapiRange[] = [
  { from: [26, 3, 0], profile: 'xapi-26.3', exact: true },
  { from: [26, 2, 0], profile: 'xapi-26.2', exact: true },
  { from: [26, 1, 4], profile: 'xapi-26.1', exact: true },
  { from: [26, 1, 0], profile: 'xapi-26.2', exact: true },
  { from: [26, 0, 0], profile: 'xapi-26.2', exact: false },
  { from: [25, 39, 0], profile: 'xapi-25.39', exact: true },
  { from: [25, 24, 0], profile: 'xapi-25.33', exact: true },
  { from: [25, 21, 0], profile: 'xapi-25.21', exact: true },
  // 25.20 places by default, but still passes masks through XenStore.
  { from: [25, 20, 0], profile: 'xapi-25.21', exact: false },
  { from: [25, 6, 0], profile: 'xapi-25.6', exact: true },
  { from: [0, 0, 0], profile: 'xapi-25.6', exact: false },
];

export interface Release {
  readonly product: 'XCP-ng' | 'XenServer';
  /** The beginning of product_version. */
  readonly version: string;
  /** xapi at the release; updates bring later versions. */
  readonly xapi: string;
  /** xapi of its updates, with the month of the package. */
  readonly updates: readonly string[];
}

/**
 * Releases whose hosts may not report their xapi version. With an update applied, `xapi_build` is
 * present and counts.
 */
export const RELEASES: readonly Release[] = [
  { product: 'XCP-ng', version: '8.2', xapi: '1.249.5', updates: ['1.249.41 (2025-02)'] },
  {
    product: 'XCP-ng',
    version: '8.3',
    xapi: '24.19.2',
    updates: ['25.6.0 (2025-03)', '25.27.0 (2025-09)', '25.33.1 (2025-11)', '26.1.3 (2026-02)', '26.1.4 (2026-03)'],
  },
  // XenServer's own packages are named .xs8.
  {
    product: 'XenServer',
    version: '8.4',
    xapi: '23.31.0',
    updates: ['24.19.2 (2024-08)', '25.6.0 (2025-03)', '25.27.0 (2025-09)', '25.33.1 (2025-11)', '26.1.4 (2026-03)'],
  },
];

/** xennuma serve reports its profile. */
const OWN_KEYS = ['xennuma_profile', 'xennuma:profile'] as const;

/**
 * @param software Host.software_version
 * @param known the existing profiles
 */
export function profileOfHost(software: Readonly<Record<string, string>>, known: readonly ProfileName[]): HostProfile {
  for (const key of OWN_KEYS) {
    const own = known.find((name) => name === software[key]);
    if (own !== undefined) return { profile: own, source: 'xennuma serve', exact: true };
  }
  // "xapi" has major and minor only. Hosts too old for "xapi_build" have it.
  for (const key of ['xapi_build', 'xapi'] as const) {
    const version = versionOf(software[key]);
    if (version !== null) return { ...rangeOf(version), source: `xapi ${software[key]}` };
  }
  const { product_brand: brand = '', product_version: product = '' } = software;
  const release = RELEASES.find((one) => one.product === brand && (product === one.version || product.startsWith(`${one.version}.`)));
  if (release !== undefined) return { ...rangeOf(versionOf(release.xapi)!), exact: false, source: `${brand} ${product}` };
  // default_policy counts as any: a missed warning is better than a false alarm every night.
  return { profile: DEFAULT_PROFILE, source: 'no known version', exact: false };
}

function rangeOf([major, minor, patch]: readonly [number, number, number]): Pick<HostProfile, 'profile' | 'exact'> {
  const place = (version: readonly [number, number, number]) => version[0] * 1e8 + version[1] * 1e4 + version[2];
  const { profile, exact } = XAPI_RANGES.find(({ from }) => place(from) <= place([major, minor, patch]))!;
  return { profile, exact };
}

/** "25.33.1", "v26.1.4-3.xs8", "25.6" */
function versionOf(text: string | undefined): readonly [number, number, number] | null {
  const [, major, minor, patch] = /^v?(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?(?:\D|$)/.exec(text ?? '') ?? [];
  return major === undefined ? null : [Number(major), Number(minor), Number(patch ?? 0)];
}
