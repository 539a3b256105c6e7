// Conformance kind `libxl`: `xl create` of PV guests by xl's automatic placement, played by the
// toolstack under profile xl on the embedded hypervisor (format: conformance/README.md).

import { formatList, parseList } from '../../base/bitset.js';
import { InputError } from '../../base/errors.js';
import { MIB, PAGE_BYTES } from '../../base/units.js';
import { type XlCandidate, XlPlacementState, xlPlacement } from '../../planner/xl-placement.js';
import type { XenMachine } from '../../xen/state/machine.js';
import { EmbeddedDoor } from '../../xenctrl/doors/embedded-door.js';
import { openXenctrl } from '../../xenctrl/open-xenctrl.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';
import { embeddedXenguest } from '../../xenguest/embedded.js';
import { EMBEDDED_CAPABILITIES, type HostDoors } from '../../xenopsd/api/host-doors.js';
import type { Outcome } from '../../xenopsd/api/outcome.js';
import { profileOf } from '../../xenopsd/api/profiles.js';
import { createToolstack } from '../../xenopsd/life/toolstack.js';
import { createXenstore } from '../../xenstore/in-process.js';
import { differences, isObject } from '../differences.js';
import type { ConformancePlayer, JsonObject, JsonValue } from '../player.js';
import { type LibxlCreate, type LibxlDomain, type LibxlMachine, parseLibxlLine } from './libxl-case.js';

const KIB_A_MIB = 1024;
const ENOMEM_RC = 3;
/**
 * Memory of Xen's own structures for a PV domain (struct domain, shared info, each vCPU's struct
 * and stack) on Domain-0's node. The embedded Xen has no such structures, so the machine starts
 * with that much less. Fitted to the recorded freeDelta.
 */
export const XEN_PAGES = { domain: 14, vcpu: 3 } as const;
/**
 * With dma_bits=24, as the recorded machines booted, the zone below 16 MiB is used only when no
 * other memory is left. This much is free there.
 */
const LOW_FREE_PAGES = 1280;
const LOW_START_MFN = 1024;

/** Tolerances of the answers, each for information that the record lacks. */
export const TOLERANCE = {
  /**
   * For a guest's memory on one node: the fragmentation of the free memory is not recorded, so up
   * to two 2 MiB extents may have come from other nodes.
   */
  pages: 1024,
  /** For the free MiB that xl prints: Domain-0 allocates and frees pages meanwhile. */
  candidateMib: 1,
} as const;
/**
 * A node that ends with less free memory than this was nearly full, so the last of the guest's
 * memory may have come from other nodes in small pieces.
 */
const NEAR_FULL_BYTES = 32 * MIB;

interface Shape {
  readonly machine: LibxlMachine;
  lastDomid: number;
  /** The nodes of the memory of the domains made in this run. */
  readonly pagesOf: Map<number, readonly number[]>;
  readonly domidOf: Map<string, number>;
  /** Pages freed on each node since the last guest was made. Xen may not have scrubbed them yet. */
  dirtyPages: number[];
}

export function createLibxlPlayer(): ConformancePlayer {
  const shapes = new Map<string, Shape>();
  const playLine = async (line: JsonObject): Promise<{ readonly ours: JsonObject; readonly dirtyPages: readonly number[] }> => {
    const parsed = parseLibxlLine(line);
    if (parsed.op === 'machine') {
      const dirtyPages = parsed.size.map(() => 0);
      shapes.set(parsed.shape, { machine: parsed, lastDomid: 0, pagesOf: new Map(), domidOf: new Map(), dirtyPages });
      return { ours: line, dirtyPages };
    }
    const shape = shapes.get(parsed.shape);
    if (shape === undefined) {
      throw new InputError(`no machine of shape '${parsed.shape}' came before`, { path: 'shape' }, 'give its line of op "machine" first');
    }
    const { dirtyPages } = shape;
    if (parsed.op === 'create') {
      shape.dirtyPages = dirtyPages.map(() => 0);
      return { ours: { ...withoutAnswers(line), ...(await create(shape, parsed)) }, dirtyPages };
    }
    destroy(shape, parsed.name);
    return { ours: withoutAnswers(line), dirtyPages };
  };
  return {
    play: async (line) => (await playLine(line)).ours,
    async check(line) {
      const { ours, dirtyPages } = await playLine(line);
      return line.op === 'create' ? createDifferences(line, ours, dirtyPages) : [];
    },
  };
}

function destroy(shape: Shape, name: string): void {
  const domid = shape.domidOf.get(name);
  const pages = domid === undefined ? undefined : shape.pagesOf.get(domid);
  if (domid === undefined || pages === undefined) return;
  shape.dirtyPages = shape.dirtyPages.map((dirty, node) => dirty + pages[node]!);
  shape.pagesOf.delete(domid);
  shape.domidOf.delete(name);
}

const ANSWERS = [
  'rc',
  'candidates',
  'log',
  'selected',
  'after',
  'error',
  'domid',
  'nodeAffinity',
  'hardSoft',
  'pagesPerNode',
  'pages',
  'freeDelta',
  'output',
];

function withoutAnswers(line: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(line).filter(([key]) => !ANSWERS.includes(key)));
}

/** The toolstack's own start of a guest under profile xl, on the machine just before it. */
async function create(shape: Shape, line: LibxlCreate): Promise<JsonObject> {
  const { machine } = shape;
  const { before, vcpus, memoryMiB, name } = line;
  const nodes = machine.size.length;
  if (before.free.length !== nodes) throw new InputError(`expected ${nodes} numbers`, { path: 'before.free' });
  if (vcpus > 8192) throw new InputError('expected at most 8192', { path: 'vcpus' });
  const domid = Math.max(shape.lastDomid, ...before.domains.map((domain) => domain.id)) + 1;
  shape.lastDomid = domid;
  const xc = openXenctrl(new EmbeddedDoor(machineOf(machine, line)));
  const outcome = await start(withDomains(xc, machine, before.domains), { name, vcpus, memoryMiB });
  const found = candidatesOf(outcome, machine);
  const best = found.at(-1);
  const common = {
    rc: outcome.failure === null ? 0 : ENOMEM_RC,
    candidates: found.map((candidate) => ({
      nr_nodes: candidate.nodes.length,
      nr_cpus: candidate.cpus,
      nr_vcpus: candidate.vcpus,
      free_memmb: Math.floor(candidate.freeKib / KIB_A_MIB),
    })),
    ...(best === undefined ? {} : { selected: selected(best) }),
  };
  if (outcome.failure !== null) return { ...common, after: afterOf(before.free, before.domains) };
  const after = xc.numaInfo().nodes.map((node) => node.freeBytes ?? 0);
  const domain = { ...readDomain(xc, outcome.domid!), id: domid };
  const pages = xc.domainMemory().find((one) => one.domid === outcome.domid)?.pagesByNode ?? before.free.map(() => 0);
  shape.pagesOf.set(domid, pages);
  shape.domidOf.set(name, domid);
  const known = [...before.domains.map(({ id }) => id), domid].filter((id) => shape.pagesOf.has(id));
  return {
    ...common,
    after: afterOf(after, [...before.domains, domain]),
    domid,
    nodeAffinity: domain.nodes,
    hardSoft: [...new Set(domain.aff.map(([hard, soft]) => `${hard} / ${soft}`))],
    pagesPerNode: Object.fromEntries(known.map((id) => [String(id), shape.pagesOf.get(id)!])),
    pages,
    freeDelta: before.free.map((free, node) => free - after[node]!),
  };
}

async function start(xc: Xenctrl, { name, vcpus, memoryMiB }: Pick<LibxlCreate, 'name' | 'vcpus' | 'memoryMiB'>): Promise<Outcome> {
  const xs = createXenstore({ personality: profileOf('xl').xenstore }).connect(0);
  const channels = () => ({ storePort: 1, consolePort: 2 });
  const doors: HostDoors = {
    kind: 'embedded',
    can: EMBEDDED_CAPABILITIES,
    name: 'recorded',
    xc,
    xs,
    xenguest: embeddedXenguest({ xc, xs }),
    channels,
  };
  const toolstack = await createToolstack(doors, { profile: 'xl', policy: 'default_policy', seed: 1 });
  const memoryBytes = memoryMiB * MIB;
  await toolstack.add({
    name,
    kind: 'pv',
    vcpusMax: vcpus,
    vcpusAtStartup: vcpus,
    memoryStaticMaxBytes: memoryBytes,
    memoryTargetBytes: memoryBytes,
    vcpusParams: {},
  });
  const outcome = await toolstack.start(name);
  const { failure } = outcome;
  if (failure !== null && failure.errno !== 'ENOMEM' && failure.errno !== 'EBUSY') throw new Error(failure.message);
  return outcome;
}

/** Ids for the recorded domains that no domain of the embedded Xen has. */
const RECORDED_IDS = 0x4000;

/**
 * The embedded Xen with the recorded domains in its lists: they hold no memory there, as the
 * machine counts theirs as used, but libxl counts their vCPUs.
 */
function withDomains(xc: Xenctrl, { dist, topo }: LibxlMachine, domains: readonly LibxlDomain[]): Xenctrl {
  const recorded = new Map(
    domains.map(({ id, aff, nodes }) => [
      RECORDED_IDS + id,
      { hard: aff.map(([hard]) => numbers(hard, topo.length, 'CPU')), nodes: numbers(nodes, dist.length, 'node') },
    ]),
  );
  const others: Pick<Xenctrl, 'domainList' | 'vcpuGetAffinity' | 'domainNodeGetAffinity'> = {
    domainList: () => {
      const [dom0, ...own] = xc.domainList();
      return [...[...recorded].map(([domid, { hard }]) => ({ ...dom0!, domid, maxVcpuId: hard.length - 1 })), ...own];
    },
    vcpuGetAffinity: (domid, vcpu) => {
      const known = recorded.get(domid);
      return known === undefined ? xc.vcpuGetAffinity(domid, vcpu) : { hard: known.hard[vcpu]!, soft: known.hard[vcpu]! };
    },
    domainNodeGetAffinity: (domid) => recorded.get(domid)?.nodes ?? xc.domainNodeGetAffinity(domid),
  };
  return new Proxy(xc, { get: (target, key) => Reflect.get(key in others ? others : target, key) });
}

/** The candidates that `xl -vvv` prints, from the request that the start noted. */
function candidatesOf({ record }: Outcome, { dist, topo }: LibxlMachine): XlCandidate[] {
  const [placed] = record.visits('numa_placement');
  const state = xlPlacement().prepare({ distances: dist, cpuToNode: topo.map(([, , node]) => node), nodeCores: [] });
  if (!(state instanceof XlPlacementState) || placed === undefined || !placed.numa) return [];
  const { vcpus, memoryBytes, freeBytes, usageBefore } = placed;
  return state.improvements({ vcpus, cores: 0, memoryBytes, freeBytes, claimedBytes: [], vcpusOnNode: usageBefore });
}

function readDomain(xc: Xenctrl, id: number): LibxlDomain {
  const info = xc.domainInfo(id);
  if (info === null) throw new Error(`domain ${id} does not exist`);
  const vcpus = info.maxVcpuId + 1;
  return {
    id,
    tot_pages: info.totPages,
    max_pages: info.maxPages,
    vcpus,
    nodes: formatList(xc.domainNodeGetAffinity(id)),
    aff: Array.from({ length: vcpus }, (_, vcpu) => {
      const { hard, soft } = xc.vcpuGetAffinity(id, vcpu);
      return [formatList(hard), formatList(soft)] as [string, string];
    }),
  };
}

/**
 * The machine just before the guest is made. Memory of other domains counts as not free from the
 * start.
 */
function machineOf({ size, topo, dist, xen }: LibxlMachine, { before, vcpus }: LibxlCreate): XenMachine {
  const dom0 = before.domains.find(({ id }) => id === 0);
  if (dom0 === undefined) throw new InputError('Domain-0 is missing', { path: 'before.domains' });
  const hardAffinity = [...new Set(dom0.aff.flatMap(([hard]) => numbers(hard, topo.length, 'CPU')))];
  const runsOn = topo[hardAffinity[0] ?? 0]![2];
  let mfn = 0;
  const nodes = size.map((sizeBytes, node) => {
    const startMfn = mfn;
    mfn += Math.floor(sizeBytes / PAGE_BYTES);
    const taken = node === runsOn ? XEN_PAGES.domain + XEN_PAGES.vcpu * vcpus : 0;
    const freePages = Math.max(0, Math.floor(before.free[node]! / PAGE_BYTES) - taken);
    if (freePages > mfn - startMfn) throw new InputError(`node ${node} has more free memory than memory`, { path: 'before.free' });
    const low = startMfn === 0 ? Math.min(LOW_FREE_PAGES, freePages) : 0;
    const freeRanges: (readonly [number, number])[] = [
      [LOW_START_MFN, LOW_START_MFN + low],
      [mfn - (freePages - low), mfn],
    ];
    return { startMfn, endMfn: mfn, freePages, freeRanges: freeRanges.filter(([start, end]) => end > start) };
  });
  return {
    version: xen,
    scheduler: 'credit2',
    nodes,
    cpus: topo.map(([core, socket, node]) => ({ core, socket, node })),
    distances: dist,
    dmaBits: 24,
    dom0: { vcpus: dom0.vcpus, pages: dom0.tot_pages, hardAffinity, nodes: numbers(dom0.nodes, size.length, 'node') },
    perNodeClaims: false,
  };
}

function numbers(list: string, width: number, what: string): number[] {
  return list === '' ? [] : parseList(list, width, what).toArray();
}

function selected({ nodes, cpus, freeKib }: XlCandidate): JsonObject {
  return { nr_nodes: nodes.length, nr_cpus: cpus, free_mb: Math.floor(freeKib / KIB_A_MIB) };
}

function afterOf(free: readonly number[], domains: readonly LibxlDomain[]): JsonObject {
  const pages = free.reduce((sum, bytes) => sum + bytes, 0) / PAGE_BYTES;
  return { free, free_pages: pages, scrub_pages: 0, domains: domains as unknown as JsonValue };
}

/**
 * Chosen nodes and masks exactly; memory of each node within 1,024 pages unless it was
 * undetermined; figures of free MiB within 1.
 */
function createDifferences(recorded: JsonObject, ours: JsonObject, dirtyPages: readonly number[]): string[] {
  const found = [
    ...differences(recorded.rc === 0, ours.rc === 0, 'success'),
    ...differences(rounded(recorded.candidates, ours.candidates), ours.candidates, 'candidates'),
    ...differences(rounded(recorded.selected, ours.selected), ours.selected, 'selected'),
    ...differences(recorded.nodeAffinity, ours.nodeAffinity, 'nodeAffinity'),
    ...differences(recorded.hardSoft, ours.hardSoft, 'hardSoft'),
  ];
  const pages = numbersOf(recorded.pages);
  const far = pages.some((count, node) => Math.abs(count - numbersOf(ours.pages)[node]!) > TOLERANCE.pages);
  return !far || isUnsettled(recorded, dirtyPages) ? found : [...found, ...differences(recorded.pages, ours.pages, 'pages')];
}

function numbersOf(value: JsonValue | undefined): number[] {
  return Array.isArray(value) ? value.map(Number) : [];
}

/**
 * Whether the memory may be on other nodes for a reason that is not recorded: a chosen node was
 * nearly full, or its scrubbed memory was less than the guest's share because the rest had been
 * freed just before (2 MiB extents prefer scrubbed memory on other nodes).
 */
function isUnsettled({ after, before, nodeAffinity, memoryMiB }: JsonObject, dirtyPages: readonly number[]): boolean {
  const freeAfter = numbersOf(isObject(after) ? after.free : undefined);
  const freeBefore = numbersOf(isObject(before) ? before.free : undefined);
  const chosen = numbers(String(nodeAffinity), dirtyPages.length, 'node');
  const share = (Number(memoryMiB) * MIB) / PAGE_BYTES / chosen.length;
  return chosen.some((node) => {
    const cleanPages = freeBefore[node]! / PAGE_BYTES - dirtyPages[node]!;
    return freeAfter[node]! < NEAR_FULL_BYTES || (dirtyPages[node]! > 0 && cleanPages < share);
  });
}

/**
 * The recorded value, with our figures of free MiB if they are close enough: a few pages move
 * meanwhile.
 */
function rounded(recorded: JsonValue | undefined, ours: JsonValue | undefined): JsonValue | undefined {
  if (Array.isArray(recorded))
    return recorded.map((one, at) => rounded(one as JsonValue, Array.isArray(ours) ? ours[at] : undefined) ?? null);
  if (!isObject(recorded) || !isObject(ours)) return recorded;
  return Object.fromEntries(
    Object.entries(recorded).map(([key, value]) => {
      const near = key.startsWith('free_m') && Math.abs(Number(value) - Number(ours[key])) <= TOLERANCE.candidateMib;
      return [key, near ? ours[key] : value];
    }),
  );
}
