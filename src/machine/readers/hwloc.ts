// Reader of lstopo's XML: the node of each CPU, the memory of each node, and the distances between
// nodes.
import { formatList } from '../../base/bitset.js';
import { InputError } from '../../base/errors.js';
import { parseCount } from '../../base/lists.js';
import { hasControls } from '../../base/safe-text.js';
import { type Host, LIMITS } from '../model.js';
import { assembleHost, type DraftCpu, type DraftDistances, type DraftNode, LOCAL, numberCores } from './assemble.js';
import { MAX_CPU_ID, MAX_NODE_ID } from './check.js';
import { type HwlocObject, type HwlocTopology, parseHwlocXml } from './hwloc-xml.js';
import type { InputText } from './input-text.js';

interface Found {
  readonly nodes: HwlocObject[];
  readonly pus: { readonly object: HwlocObject; readonly path: readonly HwlocObject[] }[];
}

/**
 * A NUMANode element read: its number, its CPUs, and whether its memory is of a kind that no CPU
 * owns.
 */
interface XmlNode {
  readonly id: number;
  readonly cpus: ReadonlySet<number>;
  readonly special: boolean;
  readonly object: HwlocObject;
}

/**
 * Reads lstopo's XML, formats 1 to 3. A CPU is on the node with the fewest CPUs among those whose
 * cpuset has it; Ordinary memory precedes HBM, CXL, GPU and other special memory, as in Linux. A
 * file without NUMA data is a machine of one node. CPUs that a cgroup forbids count, because it
 * does not bind Xen.
 * @throws InputError with file and line
 */
export function readHwloc(input: InputText): Host {
  const topology = parseHwlocXml(input);
  const found = collect(topology.root);
  const notes: string[] = [];
  if (found.pus.length === 0) {
    throw new InputError('expected CPUs (objects of type PU), got none', { file: input.file }, 'write the file with `lstopo --of xml`');
  }
  if (found.pus.length > LIMITS.pcpus || found.nodes.length > LIMITS.nodes) {
    throw new InputError(
      `expected at most ${LIMITS.nodes} nodes and ${LIMITS.pcpus} CPUs, got ${found.nodes.length} and ${found.pus.length}`,
      { file: input.file },
      'describe a smaller machine',
    );
  }
  const pus = found.pus.map(({ object, path }) => ({ id: osIndex(object, input.file, MAX_CPU_ID), path }));
  const nodes = found.nodes.map((object) => readNode(object, input.file));
  if (nodes.length === 0) notes.push('The file has no NUMA data; the machine counts as one node.');
  const draftNodes = nodes.length === 0 ? [wholeMachine(topology.root)] : nodes.map((node) => draftNode(node, notes));
  if (draftNodes.every((node) => node.memoryBytes === 0)) notes.push('The file does not say how much memory there is; it counts as 0.');
  const cpus = placeCpus(pus, nodes, notes);
  noteForbidden(
    topology.root,
    pus.map((pu) => pu.id),
    notes,
  );
  return assembleHost({
    name: machineName(topology.root) ?? input.file,
    source: `${input.file} (lstopo XML)`,
    file: input.file,
    nodes: draftNodes,
    cpus,
    distances: readDistances(topology, nodes, input.file, notes),
    oddDistances: 'drop',
    notes,
  });
}

function collect(root: HwlocObject): Found {
  const found: Found = { nodes: [], pus: [] };
  const visit = (object: HwlocObject, path: readonly HwlocObject[]): void => {
    if (object.type === 'NUMANode') found.nodes.push(object);
    if (object.type === 'PU') found.pus.push({ object, path });
    const below = [...path, object];
    for (const child of object.children) visit(child, below);
  };
  visit(root, []);
  return found;
}

function osIndex(object: HwlocObject, file: string, max: number): number {
  const id = parseCount(object.attributes.os_index ?? '', max);
  if (id !== undefined) return id;
  throw new InputError(
    `expected os_index from 0 to ${max} on the object of type ${object.type}, got '${(object.attributes.os_index ?? '').slice(0, 40)}'`,
    { file, line: object.line },
    'write the file again with `lstopo --of xml`',
  );
}

function readNode(object: HwlocObject, file: string): XmlNode {
  const kind = [object.attributes.subtype, object.infos.get('Type'), object.infos.get('DAXType')].join(' ');
  return {
    id: osIndex(object, file, MAX_NODE_ID),
    cpus: readCpuset(object.attributes.cpuset ?? '0x0', file, object.line),
    special: /MCDRAM|HBM|CXL|GPU|NVM|SPM/i.test(kind),
    object,
  };
}

/**
 * hwloc's bitmap: words of 32 bits in hex, the highest first, an empty word is 0; "0xf...f" in
 * front means all above.
 */
export function readCpuset(text: string, file: string, line: number): Set<number> {
  const words = text.split(',');
  if (words[0] === '0xf...f') words.shift();
  const members = new Set<number>();
  words.reverse().forEach((word, index) => {
    if (!/^(0x[0-9a-fA-F]{1,8})?$/.test(word)) {
      throw new InputError(
        `expected a cpuset such as 0x000000ff,0xffffffff, got '${text.slice(0, 60)}'`,
        { file, line },
        'write the file again',
      );
    }
    const bits = Number(word === '' ? 0 : word);
    for (let bit = 0; bit < 32 && bits !== 0; bit++) if ((bits >>> bit) & 1) members.add(index * 32 + bit);
  });
  return members;
}

function bytesOf(object: HwlocObject): number {
  const bytes = object.attributes.local_memory === undefined ? object.pageBytes : Number(object.attributes.local_memory);
  return bytes;
}

function draftNode(node: XmlNode, notes: string[]): DraftNode {
  if (node.special)
    notes.push(`Node ${node.id} is ${node.object.attributes.subtype ?? 'special'} memory; it counts as a node without CPUs of its own.`);
  return { id: node.id, memoryBytes: bytesOf(node.object), freeBytes: undefined };
}

function wholeMachine(root: HwlocObject): DraftNode {
  return { id: 0, memoryBytes: bytesOf(root), freeBytes: undefined };
}

function placeCpus(pus: readonly { id: number; path: readonly HwlocObject[] }[], nodes: readonly XmlNode[], notes: string[]): DraftCpu[] {
  const order = [...nodes].sort((a, b) => Number(a.special) - Number(b.special) || a.cpus.size - b.cpus.size || a.id - b.id);
  const homes = pus.map(({ id, path }) => {
    const around = path.find((object) => object.type === 'NUMANode');
    return (nodes.find((node) => node.object === around) ?? order.find((node) => node.cpus.has(id)))?.id;
  });
  const refuge = nodes.length === 0 ? 0 : (homes.filter((home) => home !== undefined).sort((a, b) => a - b)[0] ?? nodes[0]!.id);
  const homeless = pus.filter((_, index) => homes[index] === undefined).map((pu) => pu.id);
  if (homeless.length > 0 && nodes.length > 0) {
    notes.push(
      `The file hides the node of CPU ${formatList(homeless.sort((a, b) => a - b))} (a cpuset forbids it, or it has no memory); they are counted on node ${refuge}. Write the file outside the cpuset to get the right node.`,
    );
  }
  const threads = pus.map(({ id, path }) => ({
    id,
    socket: above(path, ['Package', 'Socket']),
    core: above(path, ['Core']),
  }));
  return numberCores(threads).map((thread, index) => ({ ...thread, nodeId: homes[index] ?? refuge }));
}

function above(path: readonly HwlocObject[], types: readonly string[]): HwlocObject | null {
  return path.findLast((object) => types.includes(object.type)) ?? null;
}

function noteForbidden(root: HwlocObject, ids: readonly number[], notes: string[]): void {
  if (root.attributes.allowed_cpuset === undefined) return;
  const allowed = readCpuset(root.attributes.allowed_cpuset, '', root.line);
  const forbidden = ids.filter((id) => !allowed.has(id) && !root.attributes.allowed_cpuset!.startsWith('0xf...f')).sort((a, b) => a - b);
  if (forbidden.length > 0)
    notes.push(`A cgroup forbade CPU ${formatList(forbidden)} to the process that wrote the file; it does not bind Xen.`);
}

function machineName(root: HwlocObject): string | undefined {
  const hostName = root.infos.get('HostName') ?? '';
  const product = [root.infos.get('DMISysVendor') ?? '', root.infos.get('DMIProductName') ?? ''].filter((part) => part !== '').join(' ');
  const name = (hostName === '' ? product : hostName).trim();
  return name === '' || hasControls(name) ? undefined : name;
}

function readDistances(topology: HwlocTopology, nodes: readonly XmlNode[], file: string, notes: string[]): DraftDistances | undefined {
  const fresh = topology.distances.filter((matrix) => matrix.type === 'NUMANode' && (matrix.kind & 8) === 0 && matrix.count > 0);
  const best = fresh.find((matrix) => matrix.name === 'NUMALatency') ?? fresh.find((matrix) => (matrix.kind & 1) !== 0) ?? fresh[0];
  if (best !== undefined) {
    const { count, indexes, values, line } = best;
    if (indexes.length !== count || values.length !== count * count) {
      throw new InputError(
        `expected ${count} indexes and ${count * count} distances, got ${indexes.length} and ${values.length}`,
        { file, line },
        'write the file again with `lstopo --of xml`',
      );
    }
    const ids = indexes.map(
      (index) => (best.indexing === 'gp' ? nodes.find((node) => node.object.attributes.gp_index === index)?.id : Number(index)) ?? -1,
    );
    return scaled(ids, values, notes);
  }
  const old = oldDistances(topology.root, nodes.length);
  if (old === undefined) return undefined;
  if (old.values.length !== old.count * old.count) {
    throw new InputError(
      `expected ${old.count * old.count} latencies, got ${old.values.length}`,
      { file, line: old.line },
      'write the file again with `lstopo --of xml`',
    );
  }
  return scaled(
    nodes.map((node) => node.id),
    old.values.map((value) => Math.round(value * old.base)),
    notes,
  );
}

/**
 * Format 1 names no type: a matrix of as many objects as there are nodes, over the whole machine,
 * is that of the nodes.
 */
function oldDistances(root: HwlocObject, count: number) {
  const holders = [root];
  for (let at = 0; at < holders.length && at < 8; at++) {
    const match = holders[at]!.distances.find((matrix) => matrix.count === count && count > 1);
    if (match !== undefined) return match;
    if (holders[at]!.children.length === 1) holders.push(holders[at]!.children[0]!);
  }
  return undefined;
}

/**
 * A matrix in other units (100 for local, nanoseconds) is brought to 10 for local; one with uneven
 * diagonals is left for the check.
 */
function scaled(ids: readonly number[], values: readonly number[], notes: string[]): DraftDistances {
  const count = ids.length;
  const rows = ids.map((_, i) => values.slice(i * count, (i + 1) * count));
  const local = values[0]!;
  if (local === LOCAL || !(local > 0) || rows.some((row, i) => row[i] !== local)) return { ids, rows };
  notes.push(`The distances are given with ${local} for a node itself; they are scaled to ${LOCAL}.`);
  return { ids, rows: rows.map((row) => row.map((value) => Math.round((value * LOCAL) / local))) };
}
