// The current state of a host that others use too, from typed calls to Xen and the names that
// toolstacks leave in XenStore. It writes nothing. Debug key 'u' prints to Xen's console ring.
import { PAGE_BYTES } from '../base/units.js';
import type { VmKind } from '../machine/vm.js';
import { actualNodes, type HostMap } from '../map/host-map.js';
import type { CpupoolInfo, DomainInfo } from '../xenctrl/xenctrl.js';
import type { KnownDomain } from '../xenopsd/api/host-doors.js';
import { poolNameKey } from '../xenopsd/hosts/described-pools.js';
import { type LookingDoors, snapshotOf } from '../xenopsd/hosts/snapshot.js';
import { nullIfAbsent } from '../xenstore/absence.js';
import type { XenstoreConnection } from '../xenstore/connection.js';

export interface LiveMap {
  readonly map: HostMap;
  /** "4.17" */
  readonly xenVersion: string;
  readonly pools: readonly CpupoolInfo[];
  /** By number, as far as they are known. */
  readonly poolNames: ReadonlyMap<number, string>;
  /** Ascending by id, as Xen lists them. */
  readonly infos: readonly DomainInfo[];
  /** UUIDs by domid, with dashes. */
  readonly uuids: ReadonlyMap<number, string>;
  /** Missing information, in sentences for the user. */
  readonly notes: readonly string[];
}

export interface LiveMapOptions {
  /** false: no debug key is sent, and memory by node stays unknown. */
  readonly memory: boolean;
}

/**
 * @throws InputError when Xen does not report memory by node
 * @throws XenError when Xen refuses this caller
 */
export async function liveMap(doors: LookingDoors & { readonly xs: XenstoreConnection }, { memory }: LiveMapOptions): Promise<LiveMap> {
  const { xc, xs } = doors;
  const list = xc.domainList();
  const others = await knownDomains(
    xs,
    list.map(({ domid }) => domid),
  );
  const looking = { ...doors, others, ...(memory ? {} : { pagesByNode: () => null }) };
  const seen = snapshotOf(looking, new Map());
  const { nodes, note } = actualNodes(seen.nodes, seen.domains, xc.physInfo().totalPages * PAGE_BYTES);
  const unknown = { usersUnknown: true as const, domains: seen.domains.map((domain) => ({ ...domain, pagesUnknown: true as const })) };
  const unnamed = seen.domains.filter(({ domid }) => domid !== 0 && !others.has(domid)).map(({ domid }) => domid);
  const pools = xc.cpupoolList();
  const poolNames = await namesOfPools(xs, pools);
  const map = { ...seen, nodes, ...(memory ? {} : unknown), ...namedPools(poolNames) };
  return {
    map,
    xenVersion: xc.version.xen,
    pools,
    poolNames,
    infos: list,
    uuids: new Map(list.map(({ domid, uuid }) => [domid, dashed(uuid)])),
    notes: [
      ...(note === undefined ? [] : [note]),
      ...(memory ? [] : ["Memory by node is not known: debug key 'u' was not sent."]),
      ...(unnamed.length === 0 ? [] : [`XenStore has no name for domain ${unnamed.join(', ')}.`]),
    ],
  };
}

/** The names for the map of a host with several pools. */
export function namedPools(poolNames: ReadonlyMap<number, string>): Pick<HostMap, 'poolNames'> {
  return poolNames.size < 2 ? {} : { poolNames: Object.fromEntries(poolNames) };
}

async function namesOfPools(xs: XenstoreConnection, pools: readonly CpupoolInfo[]): Promise<Map<number, string>> {
  const names = await Promise.all(pools.map(async ({ id }) => [id, await readKey(xs, poolNameKey(id))] as const));
  return new Map(names.flatMap(([id, name]) => (name === undefined ? [] : [[id, name] as const])));
}

/**
 * Names and kinds as xl, xapi and xennuma write them: /local/domain/N/name, else the name below
 * /vm; /libxl/N/type (tools/libs/light/ libxl_create.c libxl__domain_make; xen-api
 * ocaml/xenopsd/xc/domain.ml).
 */
export async function knownDomains(xs: XenstoreConnection, domids: readonly number[]): Promise<Map<number, KnownDomain>> {
  const known = new Map<number, KnownDomain>();
  await Promise.all(
    domids.map(async (domid) => {
      const path = `/local/domain/${domid}`;
      const [name, vm, type] = await Promise.all([
        readKey(xs, `${path}/name`),
        readKey(xs, `${path}/vm`),
        readKey(xs, `/libxl/${domid}/type`),
      ]);
      const named = name ?? (vm === undefined || !vm.startsWith('/vm/') ? undefined : await readKey(xs, `${vm}/name`));
      if (named !== undefined && named !== '') known.set(domid, { name: named, ...kindOf(type) });
    }),
  );
  return known;
}

function kindOf(type: string | undefined): { kind?: VmKind } {
  const kind = type?.toLowerCase();
  return kind === 'pv' || kind === 'pvh' || kind === 'hvm' ? { kind } : {};
}

/** A XenStore, or a listing of one. */
export type KeyReader = Pick<XenstoreConnection, 'read'>;

/** undefined when there is no such key, or when it is not readable. */
export async function readKey(xs: KeyReader, path: string): Promise<string | undefined> {
  return (await nullIfAbsent(xs.read(path), ['ENOENT', 'EACCES', 'EINVAL'])) ?? undefined;
}

function dashed(uuid: Uint8Array): string {
  const hex = Buffer.from(uuid).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
