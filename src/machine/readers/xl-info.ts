// Reader of the output of Xen's own tools in dom0: `xl info -n`, `xenpm get-cpu-topology`, and the
// NUMA dump of debug key 'u'.

import { InputError } from '../../base/errors.js';
import { INVALID_ID } from '../../base/ids.js';
import { parseCount } from '../../base/lists.js';
import { hasControls } from '../../base/safe-text.js';
import { MIB, PAGE_BYTES } from '../../base/units.js';
import { withoutHoles } from '../memory-holes.js';
import { type Host, UNREACHABLE } from '../model.js';
import { poolsInOrder } from '../pools.js';
import { assembleHost, type DraftCpu, type DraftDistances, type DraftNode, LOCAL } from './assemble.js';
import { MAX_CPU_ID, MAX_NODE_ID } from './check.js';
import { guardSize, type InputText, type Line, linesOf } from './input-text.js';
import { countedCpus, listedPools, type OnlineEvidence, onlineCpus, onlineEvidence, unlistedCpus } from './online-cpus.js';
import { coresNote, type ThreadFigures, withCores } from './thread-figures.js';

export function looksLikeXlInfo(text: string): boolean {
  return /^[ \t]*numa_info[ \t]*:/m.test(text) || (/^[ \t]*nr_cpus[ \t]*:/m.test(text) && /^[ \t]*total_memory[ \t]*:/m.test(text));
}

export function looksLikeXenpm(text: string): boolean {
  return /^[ \t]*CPU[ \t]+core[ \t]+socket[ \t]+node[ \t]*\r?$/m.test(text);
}

/** The NUMA dump of debug key 'u'. */
export function looksLikeXenDump(text: string): boolean {
  return /^(?:\(XEN\)[^\n]{0,80}?)?CPU\d+(?:\.\.\.\d+)? -> NODE\d+/m.test(text);
}

/** The part of that dump with the nodes' sizes. */
export function looksLikeDumpedNodes(text: string): boolean {
  return /\bNODE\d+ start->\d+ size->\d+ free->\d+/.test(text);
}

interface Tables {
  readonly file: string;
  readonly fields: Map<string, string>;
  readonly nodes: DraftNode[];
  readonly rows: { readonly id: number; readonly distances: readonly number[]; readonly line: number }[];
  readonly cpus: DraftCpu[];
  /** CPUs of another section: xenpm, debug key 'u'. */
  readonly more: DraftCpu[];
  /** Nodes of debug key 'u'. */
  readonly dumped: readonly DraftNode[];
}

/**
 * Reads the output of `xl info -n`, together with `xenpm get-cpu-topology` (in the same text or in
 * a second one) if Xen printed an empty CPU table: with one core per socket it reports the core as
 * 0xFFFFFFFF and xl leaves the line out. The dump of debug key 'u' in either text serves as a
 * second source too, and as the only one where `xl info` was taken without -n or is missing.
 * Memory is in whole MiB as xl prints it.
 * @param moreTables `xl cpupool-list -c` and `xl vcpu-list`, which distinguish the online CPUs from
 * the parked ones
 * @throws InputError with file and line when a table is damaged, missing, or without CPUs
 */
export function readXlInfo(info: InputText, second?: InputText, moreTables: readonly InputText[] = []): Host {
  const notes: string[] = [];
  const other = second === undefined ? undefined : scan(second);
  const evidence = onlineEvidence([info, ...moreTables]);
  const scanned = scan(info);
  const tables = withNodes(scanned, info, { second: other, evidence, notes });
  const more = other === undefined ? tables.more : other.more;
  const listed = tables.cpus.length > 0 ? tables.cpus : more;
  const wanted = parseCount(tables.fields.get('nr_cpus') ?? '');
  if (listed.length === 0) throw emptyTable(info.file, second?.file);
  if (tables.cpus.length === 0 && tables.rows.length > 0) {
    notes.push(
      `The CPU table of xl info is empty; the CPUs come from ${second === undefined ? 'another section of the file' : second.file}.`,
    );
  } else if (second !== undefined && tables.cpus.length > 0) compareCpus(tables.cpus, more, info.file, second.file);
  if (wanted !== undefined && (wanted > listed.length || wanted === 0)) {
    throw new InputError(
      `expected ${wanted} CPUs (nr_cpus), got ${listed.length} in the CPU table`,
      { file: info.file },
      'the listing is cut off or mixes two machines; take it again, or give a second source of CPUs',
    );
  }
  // Debug key 'u' lists online CPUs only.
  const dumped =
    tables.cpus.length > 0 && more.length > 0 && more.length < listed.length ? { online: new Set(more.map(({ id }) => id)) } : {};
  const {
    cpus: online,
    offline,
    note,
  } = onlineCpus(listed, wanted ?? listed.length, {
    ...dumped,
    ...evidence,
  });
  if (note !== undefined) notes.push(note);
  const unlisted = tables.cpus.length > 0 ? unlistedCpus(listed) : { cpus: [] };
  // With one node there is nothing to guess.
  if (unlisted.note !== undefined && scanned.cpus.length > 0) notes.push(unlisted.note);
  const cpus = withCoreFigures(online, tables.fields, notes);
  const nodeCount = parseCount(tables.fields.get('nr_nodes') ?? '');
  if (nodeCount !== undefined && nodeCount !== tables.nodes.length) {
    throw new InputError(
      `expected ${nodeCount} nodes (nr_nodes), got ${tables.nodes.length} under 'numa_info'`,
      { file: info.file },
      'the listing is cut off; take it again',
    );
  }
  const xenVersion = versionOf(tables.fields);
  const hostname = tables.fields.get('host');
  const host = assembleHost({
    name: hostname === undefined || hostname === '(none)' || hostname === '' || hasControls(hostname) ? info.file : hostname,
    source: second === undefined ? `${info.file} (xl info -n)` : `${info.file} (xl info -n) with ${second.file}`,
    file: info.file,
    nodes: actualNodes(tables, notes),
    cpus,
    offline: [...offline, ...unlisted.cpus],
    distances: distancesOf(tables),
    oddDistances: 'refuse',
    ...(xenVersion === undefined ? {} : { xenVersion }),
    notes,
  });
  const pools = listedPools([info, ...moreTables], host.cpus);
  if (pools === undefined) return host;
  const refuse = (_: number, message: string, mend: string) => {
    throw new InputError(message, { file: moreTables[0]?.file ?? info.file }, mend);
  };
  return { ...host, pools: poolsInOrder(host.cpus, pools, refuse) };
}

interface OtherSources {
  readonly second: Tables | undefined;
  readonly evidence: OnlineEvidence;
  readonly notes: string[];
}

/**
 * The tables; without nodes of their own with those of debug key 'u', or with the one node that
 * `xl info` counts.
 * @throws InputError where no source has them
 */
function withNodes(tables: Tables, info: InputText, { second: other, evidence, notes }: OtherSources): Tables {
  if (tables.nodes.length > 0) return tables;
  const dumped = tables.dumped.length > 0 ? tables.dumped : (other?.dumped ?? []);
  if (dumped.length > 0) {
    notes.push("The nodes are those of debug key 'u', which does not print their distances: `xl info -n` does.");
    return { ...tables, nodes: [...dumped] };
  }
  if (tables.fields.get('nr_nodes') === '1') return withOneNode(tables, info, { second: other, evidence, notes });
  const hasTable = /^[ \t]*numa_info[ \t]*:/m.test(info.text);
  throw new InputError(
    hasTable ? "expected nodes under 'numa_info', got none" : "expected the table 'numa_info', found none",
    { file: info.file },
    'run `xl info -n` (with -n) as root in dom0',
  );
}

/** All CPUs and all memory are in that node; the table of xenpm has the CPUs where there is one. */
function withOneNode(tables: Tables, { file, text }: InputText, { second, evidence, notes }: OtherSources): Tables {
  const field = (name: string) => parseCount(tables.fields.get(name) ?? '', 2 ** 32);
  const [count, total, free] = [field('nr_cpus'), field('total_memory'), field('free_memory')];
  if (count === undefined || total === undefined) {
    throw new InputError(
      `expected nr_cpus and total_memory of a host of one node, found ${count === undefined ? 'no nr_cpus' : 'no total_memory'}`,
      { file },
      'give the output of `xl info` whole',
    );
  }
  notes.push('`xl info` was taken without -n: the host has one node.');
  const nodes = [{ id: 0, memoryBytes: total * MIB, freeBytes: free === undefined ? undefined : free * MIB }];
  if ((second?.more ?? tables.more).length > 0) return { ...tables, nodes };
  const { ids, note } = countedCpus(
    count,
    field('max_cpu_id'),
    // The command line may be wrapped, and only it has options of Xen.
    { ...evidence, commandLine: text },
    file,
  );
  if (note !== undefined) notes.push(note);
  return { ...tables, nodes, cpus: ids.map((id) => ({ id, nodeId: 0, core: null, socket: null })) };
}

/** The counts of `xl info` stand in for a table of cores, which only -n prints. */
function withCoreFigures(cpus: readonly DraftCpu[], fields: ReadonlyMap<string, string>, notes: string[]): readonly DraftCpu[] {
  if (cpus.some(({ core }) => core !== null)) return cpus;
  const [threadsPerCore, coresPerSocket] = ['threads_per_core', 'cores_per_socket'].map((name) => parseCount(fields.get(name) ?? ''));
  const figures: ThreadFigures | null =
    !threadsPerCore || !coresPerSocket
      ? null
      : { threadsPerCore, coresPerSocket, sockets: Math.ceil(cpus.length / (threadsPerCore * coresPerSocket)) };
  const known = figures === null ? null : withCores(cpus, figures);
  notes.push(known === null ? 'Cores and sockets are not known: `xl info -n` prints them.' : coresNote('xl info', figures!));
  return known ?? cpus;
}

function emptyTable(file: string, second: string | undefined): InputError {
  const tried = second === undefined ? '' : `, and ${second} lists none either`;
  return new InputError(
    `the CPU table of xl info is empty (Xen leaves out CPUs whose core it does not know, as with one core a socket)${tried}; a second source of CPUs is needed`,
    { file },
    "add `xenpm get-cpu-topology`; if that is empty too, add the NUMA dump of `xl debug-keys u; xl dmesg`, or describe the host's CPUs in YAML",
  );
}

function compareCpus(a: readonly DraftCpu[], b: readonly DraftCpu[], fileA: string, fileB: string): void {
  const nodeOf = new Map(b.map((cpu) => [cpu.id, cpu.nodeId]));
  // One of the two may list online CPUs only.
  const differs = a.find((cpu) => (nodeOf.get(cpu.id) ?? cpu.nodeId) !== cpu.nodeId);
  if (differs !== undefined || b.length > a.length) {
    if (fileA === fileB && differs === undefined) {
      throw new InputError(
        `the table of xl info has ${a.length} CPUs, and xenpm or debug key 'u' lists ${b.length}`,
        { file: fileA },
        'give the table of `xl info -n` whole',
      );
    }
    const cpu = differs === undefined ? '' : `CPU ${differs.id} is on node ${differs.nodeId} here, but not there; `;
    throw new InputError(
      `${cpu}this file has ${a.length} CPUs, ${fileB} has ${b.length}`,
      { file: fileA },
      'give two listings of one machine',
    );
  }
}

/** One pass over all lines; sections of other commands are skipped. */
function scan(input: InputText): Tables {
  guardSize(input);
  const dumped: DraftNode[] = [];
  const tables: Tables = { file: input.file, fields: new Map(), nodes: [], rows: [], cpus: [], more: [], dumped };
  const dump: CpuRange[] = [];
  const xenpm: DraftCpu[] = [];
  let table: 'cpus' | 'nodes' | 'xenpm' | 'none' = 'none';
  for (const line of linesOf(input.text)) {
    if (line.text === 'cpu: core socket node') table = 'cpus';
    else if (/^node: memsize memfree distances?$/.test(line.text)) table = 'nodes';
    else if (line.text === 'CPU core socket node') table = 'xenpm';
    else if (readDumpLine(line, dump, input.file) || readDumpedNode(line, dumped)) table = 'none';
    else if (table === 'cpus' && /^\d+:/.test(line.text)) tables.cpus.push(...readCpuLine(line, input.file));
    else if (table === 'nodes' && /^\d+:/.test(line.text)) readNodeLine(line, tables);
    else if (table === 'xenpm' && /^CPU\d/.test(line.text)) xenpm.push(...readCpuLine(line, input.file));
    else {
      const field = /^([a-z_]+) ?: ?(.*)$/.exec(line.text);
      if (field !== null) tables.fields.set(field[1]!, field[2]!);
      if (line.text !== '') table = 'none';
    }
  }
  for (const cpu of xenpm.length > 0 ? xenpm : dump.flatMap(expand)) tables.more.push(cpu);
  return tables;
}

/**
 * "  0:       1        0        0" of xl, "CPU0\t 1\t 0\t 0" of xenpm: core, socket, node. Offline
 * CPUs show no numbers.
 */
function readCpuLine(line: Line, file: string): DraftCpu[] {
  const match = /^(?:CPU)?(\d+):? (\S+) (\S+) (\S+)$/.exec(line.text);
  const id = parseCount(match?.[1] ?? '', MAX_CPU_ID);
  if (match === null || id === undefined) {
    throw new InputError(
      `expected 'cpu: core socket node', got '${clip(line.text)}'`,
      { file, line: line.number },
      'take the listing again',
    );
  }
  const [core, socket, nodeId] = [match[2]!, match[3]!, match[4]!].map((word) =>
    word === '-' ? INVALID_ID : parseCount(word, INVALID_ID),
  );
  if (core === undefined || socket === undefined || nodeId === undefined) {
    throw new InputError(
      `expected three numbers for CPU ${id}, got '${clip(line.text)}'`,
      { file, line: line.number },
      'take the listing again',
    );
  }
  if (nodeId === INVALID_ID) return [];
  return [{ id, nodeId, core: core === INVALID_ID ? null : core, socket: socket === INVALID_ID ? null : socket }];
}

function readNodeLine(line: Line, tables: Tables): void {
  const match = /^(\d+): (\d+) (\d+) (-?\d+(?: ?, ?-?\d+)*)$/.exec(line.text);
  const id = parseCount(match?.[1] ?? '', MAX_NODE_ID);
  const size = parseCount(match?.[2] ?? '', 2 ** 32);
  const free = parseCount(match?.[3] ?? '', 2 ** 32);
  if (match === null || id === undefined || size === undefined || free === undefined) {
    throw new InputError(
      `expected 'node: memsize memfree distances' (MiB, MiB, numbers with commas), got '${clip(line.text)}'`,
      { file: tables.file, line: line.number },
      'take the listing again',
    );
  }
  tables.nodes.push({ id, memoryBytes: size * MIB, freeBytes: free * MIB });
  const distances = match[4]!.split(',').map((word) => Number(word));
  tables.rows.push({ id, distances: distances.map((value) => (value === -1 ? UNREACHABLE : value)), line: line.number });
}

interface CpuRange {
  readonly from: number;
  readonly to: number;
  readonly nodeId: number;
}

function expand({ from, to, nodeId }: CpuRange): DraftCpu[] {
  return Array.from({ length: to - from + 1 }, (_, index) => ({ id: from + index, nodeId, core: null, socket: null }));
}

/** "CPU0...3 -> NODE1" and "CPU4 -> NODE2" of debug key 'u', with or without the "(XEN)" prefix. */
function readDumpLine(line: Line, dump: CpuRange[], file: string): boolean {
  const match = /^(?:\(XEN\) ?(?:\[[^\]]*\] ?)?)?CPU(\d{1,9})(?:\.\.\.(\d{1,9}))? -> NODE(\d{1,9})$/.exec(line.text);
  if (match === null) return false;
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  if (from > to || to > MAX_CPU_ID) {
    throw new InputError(
      `expected CPUs from 0 to ${MAX_CPU_ID}, the smaller first, got '${clip(line.text)}'`,
      { file, line: line.number },
      'take the dump again',
    );
  }
  // The dump is in ascending order, and the console keeps older dumps, so the last one counts.
  if ((dump.at(-1)?.to ?? -1) >= from) dump.length = 0;
  dump.push({ from, to, nodeId: Number(match[3]) });
  return true;
}

/**
 * "NODE0 start->0 size->2359296 free->262144" of debug key 'u': pages, the size with holes
 * (xen/common/numa.c, dump_numa).
 */
function readDumpedNode(line: Line, nodes: DraftNode[]): boolean {
  const match = /^(?:\(XEN\) ?(?:\[[^\]]*\] ?)?)?NODE(\d{1,4}) start->\d{1,15} size->(\d{1,12}) free->(\d{1,12})$/.exec(line.text);
  if (match === null) return false;
  const [id, size, free] = match.slice(1).map(Number) as [number, number, number];
  if ((nodes.at(-1)?.id ?? -1) >= id) nodes.length = 0;
  nodes.push({ id, memoryBytes: size * PAGE_BYTES, freeBytes: free * PAGE_BYTES });
  return true;
}

/**
 * xl leaves out absent nodes, yet prints a distance for each. Then the row is indexed by node
 * number.
 */
function distancesOf(tables: Tables): DraftDistances | undefined {
  if (tables.rows.length === 0) return undefined;
  const count = tables.nodes.length;
  const ids = tables.rows.map((row) => row.id);
  for (const row of tables.rows) {
    if (row.distances.length === count || row.distances.length > Math.max(...ids)) continue;
    throw new InputError(
      `expected ${count} distances for node ${row.id}, one a node, got ${row.distances.length}`,
      { file: tables.file, line: row.line },
      'the line is cut off; take the listing again',
    );
  }
  if (count === 1 && tables.rows[0]!.distances[0] === NO_NUMA_DISTANCE) return { ids, rows: [[LOCAL]] };
  const rows = tables.rows.map(({ distances }) => (distances.length === count ? distances : ids.map((id) => distances[id]!)));
  return { ids, rows };
}

/** A note for a host of which only the topology is known. */
export const USE_UNKNOWN = 'How much of the memory in use is Domain-0 and how much Xen is not known.';

/** A note for nodes of which only the span is known. */
export const SPANS_ONLY =
  'Sizes of nodes include holes in their memory: `total_memory` of `xl info`, which tells how much is there, is missing.';

/** xm, and xl up to Xen 4.1, print xen_major and xen_minor alone. */
function versionOf(fields: ReadonlyMap<string, string>): string | undefined {
  const whole = /^(\d+\.\d+)/.exec(fields.get('xen_version') ?? '')?.[1];
  const [major, minor] = ['xen_major', 'xen_minor'].map((name) => parseCount(fields.get(name) ?? '', 999));
  return whole ?? (major === undefined || minor === undefined ? undefined : `${major}.${minor}`);
}

/** `memsize` of each node is its span; `total_memory` is the actual memory. */
function actualNodes({ file, nodes, fields }: Tables, notes: string[]): DraftNode[] {
  const totalMib = parseCount(fields.get('total_memory') ?? '', 2 ** 32);
  if (totalMib === undefined) {
    notes.push(SPANS_ONLY);
    return nodes;
  }
  const freeMib = parseCount(fields.get('free_memory') ?? '', 2 ** 32);
  if (freeMib !== undefined && freeMib > totalMib) {
    throw new InputError(
      `expected at most ${totalMib} MiB of free memory (total_memory), got ${freeMib} (free_memory)`,
      { file },
      'the listing was changed, or mixes two machines; take it again',
    );
  }
  const spans = nodes.map(({ id, memoryBytes, freeBytes }) => ({ id, memoryBytes, leastBytes: freeBytes ?? 0 }));
  const { sizes, note } = withoutHoles(spans, totalMib * MIB);
  if (note !== undefined) notes.push(note, USE_UNKNOWN);
  return nodes.map((node, at) => ({ ...node, memoryBytes: sizes[at]! }));
}

/** Xen prints 20 as the distance of a node to itself on a machine without NUMA (ARM; numa=off). */
const NO_NUMA_DISTANCE = 20;

function clip(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
