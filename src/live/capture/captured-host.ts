// One host from the listings in one or several texts. Information that no listing has is reported
// as missing. The result is the same map that a live host gives, so show, verify and explain read
// both alike.
import { SCHEDULERS } from '../../abi/commands.js';
import { MIB, PAGE_BYTES } from '../../base/units.js';
import { type Host, presentCpus } from '../../machine/model.js';
import type { InputText } from '../../machine/readers/input-text.js';
import { SPANS_ONLY, USE_UNKNOWN } from '../../machine/readers/xl-info.js';
import { actualNodes, type HostMap, type MapCpu, type MapDomain, type MapVcpu, unclaimedNodes } from '../../map/host-map.js';
import { overfullNodes } from '../../map/overfull.js';
import { automaticNodeAffinity } from '../../map/union-rule.js';
import { parseNumaDump } from '../../xenctrl/calls/numa-dump.js';
import type { CpupoolInfo, DomainInfo } from '../../xenctrl/xenctrl.js';
import { type LiveMap, namedPools as namesForMap } from '../live-map.js';
import { readUserdata } from '../userdata.js';
import { type HypercallAnswers, readHypercalls } from './hypercall-answers.js';
import { type Listing, type ListingKind, splitListings } from './listings.js';
import { lostVcpus, memoryOfOneNode, missing } from './missing.js';
import { otherDomains, userdataOf, uuidInXapi, withUuids } from './other-domains.js';
import { poolDoubt } from './pool-evidence.js';
import { type SeenToolstack, toolstackSeen } from './toolstack.js';
import { readTopology } from './topology.js';
import { readListDomains } from './xapi/list-domains.js';
import { readXapiRecords, type XapiRecords } from './xapi/xapi-records.js';
import { XenstoreListing } from './xenstore-listing.js';
import { type ListedDomain, type ListedMask, type ListedPool, type ListedVcpu, readDomains, readPools, readVcpus } from './xl-tables.js';

export interface CapturedHost {
  readonly host: Host;
  readonly xapi: XapiRecords;
  readonly live: LiveMap;
  readonly store: XenstoreListing;
  /** The record that libxl keeps of each domain, as text, by domid. */
  readonly userdata: ReadonlyMap<number, string>;
  readonly toolstack: SeenToolstack;
}

/** Xen's version if no listing has it. Plans on a copy of the host do not depend on it. */
const ASSUMED_XEN = '4.17';
const TAKE_AGAIN = 'so take them again, of one host at one moment';
const DUMP_HEADING = 'Memory location of each domain:';

/**
 * @param texts parts of one host, in any order
 * @throws InputError when the host's topology is in none of them, or a table is damaged
 */
export function readCapture(texts: readonly InputText[]): CapturedHost {
  const listings = texts.flatMap(splitListings);
  const of = (...kinds: ListingKind[]) => listings.filter(({ kind }) => kinds.includes(kind));
  const host = readTopology(texts, listings);
  const store = new XenstoreListing(of('xenstore-ls'));
  const notes: string[] = [];
  const xapi = readXapiRecords(texts, of('xe'));
  const userdata = userdataOf(listings);
  const numbers = nodeNumbers(host, notes);
  const numbered = unique(of('list_domains').flatMap(readListDomains), ({ domid }) => domid);
  const tabled = mergedDomains(of('xl list').flatMap(readDomains)).map((domain) => withPositions(domain, numbers));
  const ownDomains = withUuids(tabled, numbered, xapi);
  const vcpus = unique(of('xl vcpu-list').flatMap(readVcpus), ({ domid, vcpu }) => domid * 65_536 + vcpu);
  const { listedPools, pools, poolNames, poolsKnown } = readAllPools(listings, store, host, vcpus, notes);
  const cpus = cpusOf(host, pools);
  const map = {
    name: host.name,
    hypervisor: host.xenVersion === undefined ? 'Xen (from listings)' : `Xen ${host.xenVersion} (from listings)`,
    nodes: unclaimedNodes(host),
    cpus,
    distances: host.distances,
    ...(host.cpus.some(({ core, socket }) => core === null || socket === null) ? { coresUnknown: true as const } : {}),
  };
  const domains = ownDomains.length > 0 ? ownDomains : otherDomains({ userdata, numbered, xapi, vcpus, hostname: host.name }, notes);
  const memory = memoryOf(of('numa dump'), numbers) ?? (host.nodes.length === 1 ? memoryOfOneNode(domains) : null);
  const exact = exactOf(of('hypercalls'), map, notes);
  const parts = {
    host,
    store,
    pools,
    memory,
    domains,
    vcpus,
    userdata,
    exact,
    xapi,
    poolsKnown,
    map: { ...map, domains: [] },
  };
  const domids = [...new Set([...domains, ...vcpus].map(({ domid }) => domid).concat([...(memory?.keys() ?? [])]))].sort((a, b) => a - b);
  const mapDomains = domids.map((domid) => mapDomain(domid, parts, notes));
  notes.push(...missing({ domains, vcpus, memory, listedPools, nodes: host.nodes.length }));
  const usersUnknown = (memory === null && mapDomains.length === 0) || mapDomains.some(({ pagesUnknown }) => pagesUnknown);
  const nodes = exact === null ? map.nodes : exactNodes(map.nodes, exact, mapDomains);
  notes.push(...overfullNodes({ nodes, domains: mapDomains }).map((text) => `The listings contradict each other, ${TAKE_AGAIN}: ${text}.`));
  return {
    host,
    xapi,
    store,
    userdata,
    toolstack: toolstackSeen(listings, xapi, store, userdata),
    live: {
      map: {
        ...map,
        nodes,
        ...namesForMap(poolNames),
        domains: mapDomains,
        ...(usersUnknown ? { usersUnknown } : {}),
        ...(host.notes.includes(SPANS_ONLY) && exact === null ? { holesUnknown: true as const } : {}),
      },
      xenVersion: host.xenVersion ?? ASSUMED_XEN,
      pools,
      poolNames,
      infos: mapDomains.map((domain) => infoOf(domain, parts)),
      uuids: uuidsOf(domids, parts),
      // Domain-0's figures are in the listings, or reported as missing.
      notes: [...host.notes.filter((note) => note !== USE_UNKNOWN), ...new Set(notes)],
    },
  };
}

function uuidsOf(domids: readonly number[], parts: Parts): Map<number, string> {
  const known = domids.map((domid) => [domid, uuidOf(domid, parts)] as const);
  return new Map(known.filter((pair): pair is [number, string] => pair[1] !== undefined));
}

interface Parts {
  readonly host: Host;
  readonly store: XenstoreListing;
  readonly pools: readonly CpupoolInfo[];
  readonly memory: ReadonlyMap<number, readonly number[]> | null;
  readonly domains: readonly ListedDomain[];
  readonly vcpus: readonly ListedVcpu[];
  readonly userdata: ReadonlyMap<number, string>;
  readonly exact: HypercallAnswers | null;
  readonly xapi: XapiRecords;
  readonly poolsKnown: boolean;
  readonly map: HostMap;
}

/** Xen's own answers, where the host could be asked; null where the listings must do. */
function exactOf(listings: readonly Listing[], { nodes, cpus }: Pick<HostMap, 'nodes' | 'cpus'>, notes: string[]): HypercallAnswers | null {
  const line = listings.at(-1)?.lines[0]?.text;
  if (line === undefined) return null;
  const answers = readHypercalls(line);
  if (answers !== null && answers.freeBytes.length === nodes.length && answers.cpuBits >= cpus.length) return answers;
  notes.push("Xen's answers to hypercalls are damaged, or of another host: the listings are used instead.");
  return null;
}

function exactNodes(
  nodes: HostMap['nodes'],
  { freeBytes, spanBytes, totalBytes }: HypercallAnswers,
  domains: readonly MapDomain[],
): HostMap['nodes'] {
  const exact = nodes.map((node, id) => ({
    ...node,
    memoryBytes: totalBytes === null ? node.memoryBytes : spanBytes[id]!,
    freePages: Math.floor(freeBytes[id]! / PAGE_BYTES),
  }));
  return totalBytes === null ? exact : actualNodes(exact, domains, totalBytes).nodes;
}

function unique<T>(rows: readonly T[], key: (row: T) => number | string): T[] {
  // A text may contain a command twice. The later answer counts.
  return [...new Map(rows.map((row) => [key(row), row])).values()];
}

/** `xl list -n` and `xl list -v` each have a column that the other lacks. */
function mergedDomains(rows: readonly ListedDomain[]): ListedDomain[] {
  const found = new Map<number, ListedDomain>();
  for (const row of rows) {
    const before = found.get(row.domid);
    // The number may belong to another domain by now.
    found.set(row.domid, before?.name === row.name ? { ...before, ...row } : row);
  }
  return [...found.values()];
}

function readAllPools(listings: readonly Listing[], store: XenstoreListing, host: Host, vcpus: readonly ListedVcpu[], notes: string[]) {
  const tables = listings.filter(({ kind }) => kind === 'xl cpupool-list' || kind === 'xl cpupool-list -c');
  const listedPools = unique(tables.flatMap(readPools), ({ name, cpus }) => `${name} ${cpus === null}`);
  const doubt = poolDoubt(
    listedPools,
    vcpus,
    listings.filter(({ kind }) => kind === 'xl info'),
  );
  if (doubt !== null) notes.push(doubt);
  const certain = doubt === null ? listedPools : [];
  const scheduler = schedulerOf(listings);
  return {
    listedPools,
    pools: poolsOf(certain, store, host, vcpus).map((pool) => ({ ...pool, scheduler })),
    poolNames: new Map(namedPools(certain, store).map(([id, name]) => [id, name])),
    poolsKnown: doubt === null,
  };
}

/** CPU pools by number. Without a list, all CPUs are in Pool-0, as in Xen by default. */
function poolsOf(listed: readonly ListedPool[], store: XenstoreListing, host: Host, vcpus: readonly ListedVcpu[]): CpupoolInfo[] {
  const present = host.cpus.map(({ id }) => id);
  const named = listed.filter((pool) => pool.cpus !== null);
  if (named.length === 0) {
    // A CPU on which a vCPU ran is online, even if the table says otherwise.
    const online = new Set([...present, ...vcpus.flatMap(({ cpu }) => (cpu === null ? [] : [cpu]))]);
    return [{ id: 0, scheduler: 0, domains: 0, cpus: [...online].sort((a, b) => a - b) }];
  }
  return namedPools(listed, store).map(([id, , own]) => ({ id, scheduler: 0, domains: 0, cpus: own }));
}

/**
 * Number, name and CPUs of the listed pools. Their numbers are in XenStore; without it their order
 * counts.
 */
function namedPools(listed: readonly ListedPool[], store: XenstoreListing): [number, string, readonly number[]][] {
  const ids = new Map(
    [...store.below('/local/pool')].flatMap(([path, name]) => {
      const match = /^\/local\/pool\/(\d+)\/name$/.exec(path);
      return match === null ? [] : [[name, Number(match[1])] as const];
    }),
  );
  const named = listed.filter((pool) => pool.cpus !== null);
  return named.map(({ name, cpus }, index) => [ids.get(name) ?? (name === 'Pool-0' ? 0 : index), name, cpus!]);
}

/**
 * Xen's number of the scheduler that `xl info` names. An unknown one counts as credit2, the
 * default; placement does not depend on it.
 */
function schedulerOf(listings: readonly Listing[]): number {
  for (const { kind, lines } of listings) {
    const name =
      kind === 'xl info'
        ? lines.map(({ text }) => /^xen_scheduler\s*:\s*(\w+)/.exec(text)?.[1]).find((found) => found !== undefined)
        : undefined;
    const number = Object.entries(SCHEDULERS).find(([known]) => known === name)?.[1];
    if (number !== undefined) return number;
  }
  return SCHEDULERS.credit2;
}

function cpusOf(host: Host, pools: readonly CpupoolInfo[]): (MapCpu | null)[] {
  const poolOf = new Map(pools.flatMap(({ id, cpus }) => cpus.map((cpu) => [cpu, id] as const)));
  const present = presentCpus(host);
  const cpus: (MapCpu | null)[] = new Array<MapCpu | null>((present.at(-1)?.id ?? -1) + 1).fill(null);
  // Behind the numbers of known cores, so that nothing takes two CPUs for threads of one.
  const spare = present.reduce((most, { core }) => Math.max(most, (core ?? -1) + 1), 0);
  for (const { id, node, core, socket } of present) {
    const pool = poolOf.get(id) ?? null;
    const unknown = core === null ? { coreUnknown: true as const } : {};
    cpus[id] = { id, node, core: core ?? spare + id, socket: socket ?? node, online: pool !== null, pool, ...unknown };
  }
  return cpus;
}

/**
 * Xen's numbers of the nodes, by position: xl lists no node that is absent, so numbers may be
 * missing (tools/xl/xl_info.c, output_numainfo).
 */
function nodeNumbers({ nodes }: Host, notes: string[]): readonly number[] {
  const moved = nodes.flatMap(({ id }, at) => (id === at ? [] : [`${id} is ${at}`]));
  if (moved.length > 0) notes.push(`Xen's numbers of the nodes have gaps. Here, node ${moved.join(', ')}.`);
  return nodes.map(({ id }) => id);
}

function withPositions(domain: ListedDomain, numbers: readonly number[]): ListedDomain {
  const { nodeAffinity } = domain;
  if (nodeAffinity === undefined || nodeAffinity === 'all') return domain;
  return { ...domain, nodeAffinity: numbers.flatMap((number, at) => (nodeAffinity.includes(number) ? [at] : [])) };
}

/** Xen counts page by page while the domain runs and its memory changes. */
const LEAST_LISTED = 0.95;

/** Pages of each domain by node; null without a dump. */
function memoryOf(dumps: readonly Listing[], numbers: readonly number[]): Map<number, readonly number[]> | null {
  const text = dumps.flatMap(({ lines }) => lines.map((line) => line.text)).join('\n');
  // The heading may be cut off in a paste.
  const found = parseNumaDump(text.includes(DUMP_HEADING) ? text : `${DUMP_HEADING}\n${text}`, Math.max(...numbers) + 1);
  const placed = (found ?? []).map((one) => ({ ...one, pagesByNode: numbers.map((number) => one.pagesByNode[number]!) }));
  // Of a domain whose lines by node were lost, all or some, only the total is known.
  const whole = placed.filter(
    ({ totalPages, pagesByNode }) => pagesByNode.reduce((sum, pages) => sum + pages, 0) >= LEAST_LISTED * totalPages,
  );
  return whole.length === 0 ? null : new Map(whole.map(({ domid, pagesByNode }) => [domid, pagesByNode]));
}

function mapDomain(domid: number, parts: Parts, notes: string[]): MapDomain {
  const { store, host, memory } = parts;
  const listed = parts.domains.find((one) => one.domid === domid);
  const rows = parts.vcpus.filter((one) => one.domid === domid).sort((a, b) => a.vcpu - b.vcpu);
  const config = parts.userdata.has(domid) ? readUserdata(parts.userdata.get(domid)!, `userdata of domain ${domid}`) : null;
  const vm = store.get(`/local/domain/${domid}/vm`);
  const name =
    store.get(`/local/domain/${domid}/name`) ??
    (vm === undefined ? undefined : store.get(`${vm}/name`)) ??
    listed?.name ??
    rows[0]?.name ??
    config?.name ??
    (domid === 0 ? 'Domain-0' : `Domain-${domid}`);
  const type = store.get(`/libxl/${domid}/type`)?.toLowerCase() ?? config?.type ?? (domid === 0 ? 'pv' : undefined);
  const kind = type === 'pv' || type === 'pvh' || type === 'hvm' ? type : 'hvm';
  const all = parts.map.cpus.flatMap((cpu) => (cpu === null ? [] : [cpu.id]));
  const mask = (given: ListedMask | null): readonly number[] => (given === null || given === 'all' ? all : given);
  const lost = lostVcpus(listed?.vcpus ?? 0, rows);
  const vcpus = Array.from({ length: rows.length + lost }, (_, id): MapVcpu => {
    const row = rows.find(({ vcpu }) => vcpu === id);
    if (row === undefined) return { id, online: true, hard: all, soft: all };
    return { id, online: row.cpu !== null, hard: mask(row.hard), soft: mask(row.soft) };
  });
  const exact = parts.exact?.domains.get(domid);
  const pool = exact?.info.cpupool ?? poolOfDomain(rows, parts.pools);
  const automatic = automaticNodeAffinity(parts.map, { vcpus, pool });
  const nodeAffinity = listed?.nodeAffinity;
  const nodes = host.nodes.map((_, node) => node);
  const masksUnknown = exact === undefined && (lost > 0 || vcpus.length === 0);
  if (nodeAffinity === undefined && exact === undefined && domid !== 0) {
    const derived = masksUnknown ? '' : ', so it is derived from vCPU affinity';
    notes.push(`Node affinity is not in the listings${derived}: \`xl list -n\` prints it.`);
  }
  return {
    domid,
    name,
    kind,
    state: listed?.state ?? 'running',
    pool,
    vcpus: exact?.vcpus ?? vcpus,
    ...(masksUnknown ? { masksUnknown: true as const } : {}),
    ...(parts.poolsKnown ? {} : { poolUnknown: true as const }),
    nodeAffinity: exact?.nodeAffinity ?? listedNodes(nodeAffinity, automatic, nodes),
    autoNodeAffinity: null,
    ...(nodeAffinity === undefined && exact === undefined ? { nodeAffinityInferred: true as const } : {}),
    pages: memory?.get(domid) ?? nodes.map(() => 0),
    ...(memory?.has(domid) === true ? {} : { pagesUnknown: true as const }),
  };
}

function listedNodes(listed: ListedDomain['nodeAffinity'], automatic: readonly number[] | null, all: readonly number[]): readonly number[] {
  return listed === 'all' ? all : (listed ?? automatic ?? all);
}

/** The pool of the CPUs that its vCPUs run on: xl names a domain's pool only with -v. */
function poolOfDomain(rows: readonly ListedVcpu[], pools: readonly CpupoolInfo[]): number {
  const cpu = rows.find((row) => row.cpu !== null)?.cpu ?? null;
  return pools.find(({ cpus }) => cpu !== null && cpus.includes(cpu))?.id ?? 0;
}

/** SHUTDOWN_* of xen/include/public/sched.h. */
const SHUTDOWN_REASON = { poweroff: 0, crash: 3 };

function infoOf(domain: MapDomain, parts: Parts): DomainInfo {
  const exact = parts.exact?.domains.get(domain.domid);
  if (exact !== undefined) return { ...exact.info, uuid: uuidBytes(uuidOf(domain.domid, parts)) };
  const listed = parts.domains.find(({ domid }) => domid === domain.domid);
  const held = domain.pages.reduce((sum, pages) => sum + pages, 0);
  const pages = held > 0 ? held : Math.floor(((listed?.memoryMib ?? 0) * MIB) / PAGE_BYTES);
  return {
    domid: domain.domid,
    dying: domain.state === 'dying',
    hvm: domain.kind !== 'pv',
    paused: domain.state === 'paused',
    blocked: domain.state === 'blocked',
    running: domain.state === 'running',
    shutdown: domain.state === 'shutdown' ? SHUTDOWN_REASON[listed?.crashed === true ? 'crash' : 'poweroff'] : null,
    totPages: pages,
    maxPages: pages,
    outstandingPages: 0,
    onlineVcpus: domain.vcpus.filter(({ online }) => online).length,
    maxVcpuId: domain.vcpus.at(-1)?.id ?? -1,
    cpuTimeNs: 0,
    uuid: uuidBytes(uuidOf(domain.domid, parts)),
    cpupool: domain.pool,
  };
}

function uuidOf(domid: number, { domains, vcpus, store, xapi, host }: Parts): string | undefined {
  const domain = domains.find((one) => one.domid === domid);
  const listed = domain?.uuid;
  const path = store.get(`/local/domain/${domid}/vm`);
  const stored = /^\/vm\/([0-9a-f-]{36})/i.exec(path ?? '')?.[1]?.toLowerCase();
  const name = domain?.name ?? vcpus.find((one) => one.domid === domid)?.name;
  return listed ?? stored ?? (name === undefined ? undefined : uuidInXapi(domid, name, xapi, host.name));
}

function uuidBytes(uuid: string | undefined): Uint8Array {
  return Uint8Array.from(Buffer.from((uuid ?? '').replaceAll('-', '').padEnd(32, '0').slice(0, 32), 'hex'));
}
