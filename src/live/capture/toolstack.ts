// Which toolstack runs a captured host, by what its listings show.
import type { InputText } from '../../machine/readers/input-text.js';
import { type Listing, type ListingKind, splitListings } from './listings.js';
import { userdataOf } from './other-domains.js';
import { readXapiRecords, type XapiRecords, type XapiVm } from './xapi/xapi-records.js';
import { XenstoreListing } from './xenstore-listing.js';

/** qubes: libxl by libvirt, from templates (../qubes.ts). */
export type SeenToolstack = 'xapi' | 'xl' | 'qubes' | 'unknown';

/**
 * Xen of XCP-ng and XenServer names its patch queue in xen_changeset, and their kernel's release is
 * "4.19.0+1".
 */
const OF_XAPI = /^\s*(?:xen_changeset\s*:.*, pq |release\s*:\s*\d+\.\d+\.\d+\+\d+\s*$)/;
/** Kernels and builders of distributions whose hosts xl runs. */
const OF_XL =
  /^\s*(?:release\s*:.*(?:-amd64|-generic|-default|-lts|\.fc\d+\.\w+)\s*$|xen_(?:extra|changeset)\s*:.*\b[Dd]ebian|cc_compile_(?:by|domain)\s*:.*(?:debian|ubuntu|pkg-xen))/;

/** The kernel of Qubes: "6.6.48-1.qubes.fc37.x86_64". */
const OF_QUBES = /^\s*release\s*:.*\.qubes\./;

/**
 * What texts of Xen's tools show of the host's toolstack, whether or not they describe the host;
 * null where none of them is of Xen's tools.
 * @throws InputError for a text longer than a listing may be
 */
export function toolstackOfTexts(texts: readonly InputText[]): { toolstack: SeenToolstack; xapi: XapiRecords } | null {
  const listings = texts.flatMap(splitListings);
  if (listings.length === 0) return null;
  const of = (kind: ListingKind) => listings.filter((listing) => listing.kind === kind);
  const xapi = readXapiRecords(texts, of('xe'));
  return { xapi, toolstack: toolstackSeen(listings, xapi, new XenstoreListing(of('xenstore-ls')), userdataOf(listings)) };
}

/** xapi's records or keys decide, then libxl's, then the versions that `xl info` prints. */
export function toolstackSeen(
  listings: readonly Listing[],
  { hosts, vms }: XapiRecords,
  store: Pick<XenstoreListing, 'below'>,
  userdata: ReadonlyMap<number, string>,
): SeenToolstack {
  const has = (folder: string) => store.below(folder)[Symbol.iterator]().next().done !== true;
  const typed = [...store.below('/libxl')].some(([path]) => /^\/libxl\/\d+\/type$/.test(path));
  return toolstackOf({
    ofXapi: hosts.length > 0 || vms.length > 0 || has('/xapi'),
    ofXl: typed || userdata.size > 0,
    info: listings.filter(({ kind }) => kind === 'xl info').flatMap((listing) => listing.lines.map(({ text }) => text)),
  });
}

/**
 * @param ofXapi records or keys of xapi are there
 * @param ofXl records or keys of libxl's domains are there
 * @param info lines of `xl info`
 */
export function toolstackOf({ ofXapi, ofXl, info }: { ofXapi: boolean; ofXl: boolean; info: readonly string[] }): SeenToolstack {
  if (ofXapi || info.some((text) => OF_XAPI.test(text))) return 'xapi';
  if (info.some((text) => OF_QUBES.test(text))) return 'qubes';
  return ofXl || info.some((text) => OF_XL.test(text)) ? 'xl' : 'unknown';
}

/**
 * xapi's record of a running domain: by its uuid, which readCapture also takes from records that
 * say where their VM runs; otherwise by its name, where one record has it and does not say that.
 */
export function xapiVmOf({ vms }: XapiRecords, name: string, uuid: string | undefined): XapiVm | undefined {
  if (uuid !== undefined) return vms.find((vm) => vm.uuid === uuid);
  const named = vms.filter((vm) => vm.name === name);
  return named.length === 1 && named[0]!.running === undefined ? named[0] : undefined;
}
