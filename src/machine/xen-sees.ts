// A machine with Xen's numbers, and its summary in a few lines for people.

import { formatList } from '../base/bitset.js';
import { textColumns, wrapColumns, wrapWords } from '../base/columns.js';
import { plural } from '../base/phrases.js';
import { tableLines } from '../base/table.js';
import { formatBytes } from '../base/units.js';
import { type Host, type HostCpu, type HostNode, presentCpus, UNREACHABLE } from './model.js';

/**
 * The same machine with Xen's node numbers: dense from 0, nodes with CPUs first, then those of
 * memory only. Xen numbers nodes in the order of the SRAT, whose CPU entries it reads before the
 * memory entries (measured on 4.17.7); without the SRAT, the ascending order of the source is used.
 * CPU numbers stay: Xen and Linux both take them from the MADT.
 */
export function asXenSees(host: Host): Host {
  // The SRAT has the CPUs that are offline, too.
  const withCpus = new Set(presentCpus(host).map((cpu) => cpu.node));
  const positions = host.nodes.map((_, index) => index);
  const order = [...positions.filter((index) => withCpus.has(index)), ...positions.filter((index) => !withCpus.has(index))];
  if (order.every((from, to) => from === to && host.nodes[to]!.id === to)) return host;
  const newNumber = new Map(order.map((from, to) => [from, to]));
  const renumbered = (cpu: HostCpu) => ({ ...cpu, node: newNumber.get(cpu.node)! });
  const nodes: HostNode[] = order.map((from, to) => ({ ...host.nodes[from]!, id: to }));
  const renamed = order.map((from, to) => ({ from: host.nodes[from]!.id, to })).filter(({ from, to }) => from !== to);
  const list = renamed.map(({ from, to }) => `${from} is ${to}`).join(', ');
  return {
    ...host,
    nodes,
    cpus: host.cpus.map(renumbered),
    ...(host.offlineCpus === undefined ? {} : { offlineCpus: host.offlineCpus.map(renumbered) }),
    distances: order.map((i) => order.map((j) => host.distances[i]![j]!)),
    notes: [...host.notes, `Xen numbers the nodes differently from the source: node ${list}.`],
  };
}

/** With more nodes than this, a row of the matrix is grouped by distance. */
const MATRIX_COLUMNS = 16;

/** "10 12 12 32"; for a large machine the nodes by distance: "10: 0; 12: 1-7; 32: 8-31". */
function distancesText(row: readonly number[]): string {
  const word = (value: number) => (value === UNREACHABLE ? '-' : String(value));
  if (row.length <= MATRIX_COLUMNS) return row.map(word).join(' ');
  const nodes = new Map<number, number[]>();
  for (const [node, value] of row.entries()) nodes.set(value, [...(nodes.get(value) ?? []), node]);
  return [...nodes]
    .sort(([a], [b]) => a - b)
    .map(([value, list]) => `${word(value)}: ${formatList(list)}`)
    .join('; ');
}

/**
 * Lines without newlines: the machine, its nodes, its distances, the reader's notes. Where the
 * table is wider than `width` columns, each node is a paragraph.
 */
export function hostSummary(host: Host, width = Number.POSITIVE_INFINITY): string[] {
  const total = host.nodes.reduce((sum, node) => sum + node.memoryBytes, 0);
  const free = host.nodes.reduce((sum, node) => sum + node.freeBytes, 0);
  const sockets = new Set(host.cpus.map((cpu) => cpu.socket));
  const cores = new Set(host.cpus.map((cpu) => `${cpu.socket}/${cpu.core}`));
  const known = host.cpus.every((cpu) => cpu.core !== null && cpu.socket !== null);
  const shape = known ? `${plural(sockets.size, 'socket')}, ${plural(cores.size, 'core')}, ` : '';
  const version = host.xenVersion === undefined ? '' : `, Xen ${host.xenVersion}`;
  const lines = [
    `${host.name}: ${plural(host.nodes.length, 'node')}, ${shape}${plural(host.cpus.length, 'CPU')}, ${formatBytes(total)} (${formatBytes(free)} free)${version}`,
    `from ${host.source}`,
  ];
  const cpusOf = host.nodes.map((_, index) => host.cpus.filter((cpu) => cpu.node === index).map((cpu) => cpu.id));
  const rows = [
    ['node', 'memory', 'free', 'distances', 'CPUs'],
    ...host.nodes.map((node, index) => [
      String(node.id),
      formatBytes(node.memoryBytes),
      formatBytes(node.freeBytes),
      distancesText(host.distances[index]!),
      cpusOf[index]!.length === 0 ? emptyNode(node) : formatList(cpusOf[index]!),
    ]),
  ];
  const table = tableLines(rows);
  const nodes = table.every((line) => textColumns(line) <= width) ? table : rows.slice(1).flatMap((row) => paragraph(row, width));
  const pools = (host.pools ?? []).map(({ name, cpus }) => `${name}: CPUs ${formatList(cpus)}`);
  return [
    ...lines.flatMap((line) => wrapColumns(line, width)),
    ...nodes,
    ...(pools.length === 0 ? [] : wrapWords(`CPU pools: ${pools.join('; ')}`, width)),
    ...host.notes.flatMap((note) => wrapWords(`note: ${note}`, width)),
  ];
}

/** "node 0: 64 GiB, 60 GiB free", then its distances and CPUs, each wrapped. */
function paragraph([id, memory, free, distances, cpus]: readonly string[], width: number): string[] {
  const indented = (text: string) => wrapColumns(text, width - 2).map((line) => `  ${line}`);
  return [...wrapColumns(`node ${id}: ${memory}, ${free} free`, width), ...indented(`distances ${distances}`), ...indented(`CPUs ${cpus}`)];
}

function emptyNode({ memoryBytes }: HostNode): string {
  return memoryBytes === 0 ? 'none (no memory either)' : 'none (memory only)';
}
