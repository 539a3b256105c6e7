// Reader of `numactl --hardware`, with `lscpu -p` (or `lscpu`, `lscpu -e`) as a second source of
// CPUs, cores and sockets.
import { InputError } from '../../base/errors.js';
import { parseCount, parseRanges } from '../../base/lists.js';
import type { Host } from '../model.js';
import { assembleHost, type DraftCpu, type DraftDistances, type DraftNode } from './assemble.js';
import { FREE_UNKNOWN, OWN_VIEW } from './cautions.js';
import { MAX_CPU_ID, MAX_NODE_ID } from './check.js';
import { guardSize, type InputText, type Line, linesOf } from './input-text.js';
import { coresNote, type ThreadFigures, withCores } from './thread-figures.js';

const SIZE_UNITS: Readonly<Record<string, number>> = { B: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 };

export function looksLikeNumactl(text: string): boolean {
  return (
    /^[ \t]*available: \d+ nodes?\b/m.test(text) || /^[ \t]*node \d+ (size|cpus):/m.test(text) || /No NUMA (support )?available/i.test(text)
  );
}

/** "NUMA node0 CPU(s): 0-3" of lscpu, in any of its languages: all of them keep the word NUMA. */
const NODE_CPUS = /^(?=[^:\uff1a\r\n]*NUMA)[^:\uff1a\d\r\n]*(\d{1,5})[^:\uff1a\d\r\n]*[:\uff1a][ \t]*(?:([\d,-]+)[ \t]*)?$/m;

/** "CPU(s):" of lscpu, the comment header of lscpu -p, the table of lscpu -e; as JSON with -J. */
export function looksLikeLscpu(text: string): boolean {
  return (
    /^\s*\{\s*"(?:lscpu|cpus)"\s*:/.test(text) ||
    NODE_CPUS.test(text.replaceAll('\u00a0', ' ')) ||
    /^# ?CPU,/m.test(text) ||
    /^(NUMA node\d+ CPU|On-line CPU|CPU\(s\):)/m.test(text) ||
    /^CPU[ \t]+NODE[ \t]+SOCKET/m.test(text)
  );
}

interface NumactlTables {
  readonly nodes: Map<number, { memoryBytes: number | undefined; freeBytes: number | undefined; cpus: number[] | undefined }>;
  distances: DraftDistances | undefined;
  announced: number | undefined;
  /** Nodes whose size is not available. */
  readonly unknown: Set<number>;
}

/**
 * Reads `numactl --hardware`. CPUs come from its own `node N cpus:` lines or, where it has none,
 * from lscpu, in the same text or in `second`. numactl's MB are MiB. Cores and sockets are known
 * with `lscpu -p` or `lscpu -e`, and inferred from the counts of plain lscpu.
 * @throws InputError with file and line
 */
export function readNumactl(listing: InputText, second?: InputText): Host {
  const tables = scanNumactl(listing);
  if (tables.nodes.size === 0) {
    throw new InputError("expected lines such as 'node 0 size: 64508 MB', got none", { file: listing.file }, 'run `numactl --hardware`');
  }
  if (tables.announced !== undefined && tables.announced !== tables.nodes.size) {
    throw new InputError(
      `expected ${tables.announced} nodes, got ${tables.nodes.size}`,
      { file: listing.file },
      'the listing is cut off; take it again',
    );
  }
  const lscpuText = second ?? (looksLikeLscpu(listing.text) ? listing : undefined);
  const lscpu = lscpuText === undefined ? [] : scanLscpu(lscpuText);
  const joinedCpus = joinCpus(tables, lscpu, listing.file, lscpuText?.file ?? '');
  const { cpus, notes: coreNotes } = coresOf(joinedCpus, lscpuText);
  if (cpus.length === 0) {
    throw new InputError(
      "expected CPUs ('node 0 cpus: ...'), got none",
      { file: listing.file },
      'give the output of `lscpu -p` of the same machine as a second file',
    );
  }
  const nodes: DraftNode[] = [];
  for (const [id, node] of tables.nodes) {
    if (node.memoryBytes === undefined && !tables.unknown.has(id)) {
      throw new InputError(
        `node ${id} has no line 'node ${id} size: ...'`,
        { file: listing.file },
        'the listing is cut off; take it again',
      );
    }
    nodes.push({ id, memoryBytes: node.memoryBytes ?? 0, freeBytes: node.memoryBytes === undefined ? 0 : node.freeBytes });
  }
  const { known, notes: freeNotes } = withFree(nodes);
  return assembleHost({
    name: listing.file,
    source:
      second === undefined ? `${listing.file} (numactl --hardware)` : `${listing.file} (numactl --hardware) with ${second.file} (lscpu)`,
    file: listing.file,
    nodes: known,
    cpus,
    distances: tables.distances,
    oddDistances: 'drop',
    notes: [
      ...[...tables.unknown].map((id) => `The memory of node ${id} is not known (size: <not available>); it counts as 0.`),
      ...freeNotes,
      ...coreNotes,
      OWN_VIEW,
    ],
  });
}

/** numactl prints the free memory of each node: without one of these lines the listing was cut. */
function withFree(nodes: readonly DraftNode[]): { readonly known: readonly DraftNode[]; readonly notes: readonly string[] } {
  const lost = nodes.filter(({ freeBytes }) => freeBytes === undefined).map(({ id }) => id);
  if (lost.length === 0 || lost.length === nodes.length) return { known: nodes, notes: [] };
  const which = `node${lost.length === 1 ? '' : 's'} ${lost.join(', ')}`;
  return {
    known: nodes.map((node) => ({ ...node, freeBytes: node.freeBytes ?? 0 })),
    notes: [`${FREE_UNKNOWN}${which} is not known, because the listing is cut off, and none of it counts as free: take it again.`],
  };
}

function coresOf(
  cpus: readonly DraftCpu[],
  lscpu: InputText | undefined,
): { readonly cpus: readonly DraftCpu[]; readonly notes: readonly string[] } {
  if (cpus.some(({ core }) => core !== null)) return { cpus, notes: [] };
  const figures = lscpu === undefined ? null : lscpuFigures(lscpu);
  const known = figures === null ? null : withCores(cpus, figures);
  if (known !== null) return { cpus: known, notes: [coresNote('lscpu', figures!)] };
  return { cpus, notes: ['Cores and sockets are not known; add `lscpu -p` as a second file.'] };
}

/** "Thread(s) per core: 2", in English; null where one of the counts is missing. */
function lscpuFigures(input: InputText): ThreadFigures | null {
  const count = (name: string) => {
    const line = linesOf(lscpuText(input)).find(({ text }) => text.startsWith(`${name}:`));
    return parseCount(line?.text.slice(name.length + 1).trim() ?? '', MAX_CPU_ID);
  };
  const threadsPerCore = count('Thread(s) per core');
  const coresPerSocket = count('Core(s) per socket');
  const sockets = count('Socket(s)');
  if (!threadsPerCore || !coresPerSocket || !sockets) return null;
  return { threadsPerCore, coresPerSocket, sockets };
}

function scanNumactl(input: InputText): NumactlTables {
  guardSize(input);
  if (/No NUMA (support )?available/i.test(input.text)) {
    throw new InputError(
      'numactl says that there is no NUMA on this system',
      { file: input.file },
      'describe a machine of one node in YAML',
    );
  }
  const tables: NumactlTables = { nodes: new Map(), distances: undefined, announced: undefined, unknown: new Set() };
  const rows: { ids: number[] | undefined; given: { id: number; values: number[]; line: number }[] } = { ids: undefined, given: [] };
  let inDistances = false;
  for (const line of linesOf(input.text)) {
    const announced = /^available: (\d{1,9}) nodes?/.exec(line.text);
    if (announced !== null) {
      if (tables.announced !== undefined) throw twice(input.file, line, 'a second listing starts here', 'put each machine in its own file');
      tables.announced = Number(announced[1]);
    } else if (/^node distances:/.test(line.text)) inDistances = true;
    else if (inDistances) readDistanceLine(line, rows, input.file);
    else readNodeLine(line, tables, input.file);
  }
  if (inDistances) {
    const { ids, given } = rows;
    const bad = given.find((row) => row.values.length !== ids?.length);
    if (ids === undefined || given.length !== ids.length || bad !== undefined) {
      throw new InputError(
        `expected a square matrix of distances, got ${given.length} rows under ${ids?.length ?? 0} columns`,
        { file: input.file, ...(bad === undefined ? {} : { line: bad.line }) },
        'the listing is cut off; take it again',
      );
    }
    const order = ids.map((id) => given.find((row) => row.id === id)?.values ?? []);
    tables.distances = { ids, rows: order };
  }
  return tables;
}

function twice(file: string, line: Line, message: string, mend: string): InputError {
  return new InputError(message, { file, line: line.number }, mend);
}

function readDistanceLine(
  line: Line,
  rows: { ids: number[] | undefined; given: { id: number; values: number[]; line: number }[] },
  file: string,
): void {
  const numbers = (text: string) =>
    text
      .split(' ')
      .filter((word) => word !== '')
      .map(Number);
  const header = /^node((?: \d{1,9})+)$/.exec(line.text);
  if (header !== null && rows.ids === undefined) rows.ids = numbers(header[1]!);
  const row = /^(\d{1,9}):((?: \d{1,9})*)$/.exec(line.text);
  if (row !== null) rows.given.push({ id: Number(row[1]), values: numbers(row[2]!), line: line.number });
  else if (/^\d{1,9}:/.test(line.text)) {
    throw new InputError(
      `expected numbers in a row of distances, got '${line.text.slice(0, 60)}'`,
      { file, line: line.number },
      'take the listing again',
    );
  }
}

function readNodeLine(line: Line, tables: NumactlTables, file: string): void {
  if (/^\d{1,5}(?: \d{1,5})*$/.test(line.text) && tables.nodes.size > 0) {
    throw new InputError(
      `expected 'node N cpus:' before numbers, got '${line.text.slice(0, 60)}'`,
      { file, line: line.number },
      'the lines were wrapped; take the listing again, into a file',
    );
  }
  const match = /^node (\d{1,9}) (cpus|size|free): ?(.*)$/.exec(line.text);
  if (match === null) return;
  const id = Number(match[1]);
  if (id > MAX_NODE_ID)
    throw new InputError(`expected a node number up to ${MAX_NODE_ID}, got ${id}`, { file, line: line.number }, 'take the listing again');
  const node = tables.nodes.get(id) ?? { memoryBytes: undefined, freeBytes: undefined, cpus: undefined };
  tables.nodes.set(id, node);
  const value = match[3]!;
  if (match[2] === 'cpus') {
    // `numactl --cpu-compress` puts their number behind the ranges.
    const list = value.replace(/ ?\(\d{1,9}\)$/, '');
    const cpus = parseRanges(list, MAX_CPU_ID + 1);
    const firsts = list.match(/(?<![\d-])\d+/g)?.map(Number) ?? [];
    if (firsts.some((cpu, at) => at > 0 && cpu <= firsts[at - 1]!)) {
      throw new InputError(
        `expected ascending CPU numbers, as numactl prints them, got '${value.slice(0, 60)}'`,
        { file, line: line.number },
        'the line was cut or changed; take the listing again, into a file',
      );
    }
    if (cpus === undefined) {
      throw new InputError(
        `expected CPU numbers from 0 to ${MAX_CPU_ID}, got '${value.slice(0, 60)}'`,
        { file, line: line.number },
        'take the listing again',
      );
    }
    if (node.cpus !== undefined) throw twice(file, line, `node ${id} lists its CPUs twice`, 'put each machine in its own file');
    node.cpus = cpus;
    return;
  }
  const size = /^(\d{1,12}) ?(B|KB|MB|GB)$/.exec(value);
  if (value === '<not available>') {
    if (match[2] === 'size') tables.unknown.add(id);
    return;
  }
  const bytes = size === null ? undefined : Number(size[1]) * SIZE_UNITS[size[2]!]!;
  if (bytes === undefined) {
    throw new InputError(
      `expected a size such as '64508 MB', got '${value.slice(0, 60)}'`,
      { file, line: line.number },
      'take the listing again',
    );
  }
  if (match[2] === 'size') node.memoryBytes = bytes;
  else node.freeBytes = bytes;
}

interface LscpuRow {
  readonly id: number;
  readonly nodeId: number | undefined;
  readonly core: number | null;
  readonly socket: number | null;
}

/** The rows of lscpu -p and lscpu -e, or the "NUMA nodeN CPU(s)" lines of plain lscpu. */
function scanLscpu(input: InputText): LscpuRow[] {
  guardSize(input);
  const rows: LscpuRow[] = [];
  let columns: string[] | undefined;
  let separator: RegExp = /,/;
  for (const line of linesOf(lscpuText(input))) {
    const comma = /^# ?(CPU,.*)$/.exec(line.text);
    const table = /^CPU NODE SOCKET/.exec(line.text);
    if (comma !== null || table !== null) {
      separator = comma === null ? / / : /,/;
      columns = (comma === null ? line.text : comma[1]!).split(separator).map((name) => name.trim().toLowerCase());
      continue;
    }
    const summary = NODE_CPUS.exec(line.text);
    if (summary !== null) {
      const cpus = parseRanges(summary[2] ?? '', MAX_CPU_ID + 1);
      if (cpus === undefined) {
        throw new InputError(
          `expected CPUs such as 0-15,32-47, got '${(summary[2] ?? '').slice(0, 60)}'`,
          { file: input.file, line: line.number },
          'take the listing again',
        );
      }
      for (const id of cpus) rows.push({ id, nodeId: Number(summary[1]), core: null, socket: null });
    } else if (columns !== undefined && /^\d/.test(line.text)) rows.push(readLscpuRow(line, columns, separator, input.file));
    else if (columns !== undefined && line.text !== '' && !line.text.startsWith('#')) columns = undefined;
  }
  return rows;
}

/** The text that `lscpu -J` and `lscpu -e -J` have as JSON. */
function lscpuText(input: InputText): string {
  if (!/^\s*\{/.test(input.text)) return input.text;
  try {
    const { lscpu, cpus } = JSON.parse(input.text) as { lscpu?: LscpuField[]; cpus?: Record<string, unknown>[] };
    if (cpus === undefined) return fieldLines(lscpu ?? []).join('\n');
    const rows = cpus.map((cpu) => ['cpu', 'node', 'socket', 'core'].map((key) => cpu[key] ?? '').join(','));
    return ['# CPU,node,socket,core', ...rows].join('\n');
  } catch {
    throw new InputError('expected the JSON of `lscpu -J`, got damaged JSON', { file: input.file }, 'take it again');
  }
}

interface LscpuField {
  readonly field: string;
  readonly data: string | null;
  readonly children?: readonly LscpuField[];
}

function fieldLines(fields: readonly LscpuField[]): string[] {
  return fields.flatMap(({ field, data, children = [] }) => [`${field} ${data ?? ''}`, ...fieldLines(children)]);
}

function readLscpuRow(line: Line, columns: readonly string[], separator: RegExp, file: string): LscpuRow {
  const words = line.text.split(separator);
  const cell = (name: string): number | null => {
    const word = words[columns.indexOf(name)] ?? '';
    if (word === '' || word === '-') return null;
    const value = parseCount(word, MAX_CPU_ID);
    if (value === undefined) {
      throw new InputError(
        `expected a number for ${name}, got '${word.slice(0, 40)}'`,
        { file, line: line.number },
        'take the listing again',
      );
    }
    return value;
  };
  const id = cell('cpu');
  if (id === null) throw new InputError('expected a CPU number', { file, line: line.number }, 'take the listing again');
  return { id, nodeId: cell('node') ?? undefined, core: cell('core'), socket: cell('socket') };
}

/**
 * numactl decides the node of a CPU. lscpu gives core and socket, and the node if numactl does not.
 */
function joinCpus(tables: NumactlTables, lscpu: readonly LscpuRow[], file: string, lscpuFile: string): DraftCpu[] {
  const known = new Map(lscpu.map((row) => [row.id, row]));
  const own = [...tables.nodes].flatMap(([nodeId, node]) => (node.cpus ?? []).map((id) => ({ id, nodeId })));
  if (own.length === 0) {
    return lscpu.map(({ id, nodeId, core, socket }) => ({ id, nodeId: nodeId ?? [...tables.nodes.keys()][0]!, core, socket }));
  }
  for (const { id, nodeId } of own) {
    const other = known.get(id);
    if (known.size > 0 && (other === undefined || (other.nodeId !== undefined && other.nodeId !== nodeId))) {
      const there = other === undefined ? 'is missing' : `is on node ${other.nodeId}`;
      throw new InputError(
        `CPU ${id} is on node ${nodeId} here, but ${there} in ${lscpuFile}`,
        { file },
        'give two listings of one machine',
      );
    }
  }
  return own.map(({ id, nodeId }) => ({ id, nodeId, core: known.get(id)?.core ?? null, socket: known.get(id)?.socket ?? null }));
}
