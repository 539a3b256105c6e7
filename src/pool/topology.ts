// The topology of a pool's host, and its current free memory. XAPI gives the number of nodes, but
// not their CPUs, memory and distances.
import { InputError } from '../base/errors.js';
import { formatBytes, PAGE_BYTES } from '../base/units.js';
import type { Host } from '../machine/model.js';
import type { PoolHost, PoolVm } from '../xapi-client/pool.js';

/**
 * @param described the host from a file; null is enough for a machine with one node
 * @throws InputError when the description is missing, or describes another machine
 */
export function topologyOf(record: PoolHost, described: Host | null): Host {
  if (described !== null) {
    if (record.cpuCount > 0 && described.cpus.length !== record.cpuCount) {
      throw new InputError(
        `${described.source} has ${described.cpus.length} CPUs, but the host '${record.name}' has ${record.cpuCount}`,
        { path: '--host' },
        `run xl info -n on ${record.name}, and give its output`,
      );
    }
    return { ...described, name: record.name };
  }
  const one = record.nodeCount === 1 || (record.nodeCount === null && record.socketCount === 1);
  if (!one || !(record.cpuCount > 0)) {
    const nodes = record.nodeCount === null ? `${record.socketCount} sockets` : `${record.nodeCount} nodes`;
    throw new InputError(
      `the host '${record.name}' has ${nodes}, and XAPI does not report the CPUs and memory of each`,
      { path: '--pool' },
      'describe it: run xl info -n there, and give its output with --host FILE, or --host NAME=FILE for one host of several',
    );
  }
  return {
    name: record.name,
    source: 'XAPI (cpu_info)',
    nodes: [{ id: 0, memoryBytes: record.memoryTotalBytes, freeBytes: record.memoryFreeBytes }],
    cpus: Array.from({ length: record.cpuCount }, (_, id) => ({ id, node: 0, core: null, socket: 0 })),
    distances: [[10]],
    notes: record.nodeCount === 1 ? [] : ['XAPI reports no nodes: one socket counts as one node'],
  };
}

/**
 * Free memory as the pool reports it. If the description has more, the difference is in use: it is
 * subtracted from the nodes of the running VMs' memory as far as they are known, and the rest from
 * all nodes in proportion to their remaining memory.
 */
export function asItIsNow(host: Host, record: PoolHost, running: readonly PoolVm[]): Host {
  if (!(record.memoryFreeBytes >= 0)) return host;
  const free = host.nodes.map((node) => node.freeBytes);
  const described = free.reduce((sum, bytes) => sum + bytes, 0);
  let used = described - record.memoryFreeBytes;
  if (used <= 0) return host;
  for (const vm of running) {
    for (const [node, bytes] of vm.numa?.memoryBytes ?? []) {
      const taken = Math.min(bytes, free[node] ?? 0, used);
      if (taken <= 0) continue;
      free[node]! -= taken;
      used -= taken;
    }
  }
  const left = free.reduce((sum, bytes) => sum + bytes, 0);
  const spread = used;
  const now = free.map((bytes) => toPages(bytes - (left === 0 ? 0 : (spread * bytes) / left)));
  const notes =
    spread >= described / 100
      ? [`${formatBytes(spread)} in use, whose node XAPI does not report, is subtracted from all nodes in proportion to their free memory`]
      : [];
  return {
    ...host,
    nodes: host.nodes.map((node, index) => ({ ...node, freeBytes: now[index]! })),
    notes: [...host.notes, ...notes],
  };
}

/**
 * The host without its guests. Only memory that is neither free nor a guest's stays in use, shared
 * equally by the nodes.
 */
export function emptied({
  host,
  record,
  running,
}: {
  readonly host: Host;
  readonly record: PoolHost;
  readonly running: readonly PoolVm[];
}): Host {
  const guests = running.reduce((sum, { spec }) => sum + spec.memoryTargetBytes, 0);
  const reserved = Math.max(0, record.memoryTotalBytes - record.memoryFreeBytes - guests);
  const share = record.memoryTotalBytes > 0 ? reserved / record.memoryTotalBytes : 0;
  return {
    ...host,
    nodes: host.nodes.map((node) => ({ ...node, freeBytes: toPages(node.memoryBytes * (1 - share)) })),
  };
}

function toPages(bytes: number): number {
  return Math.max(0, Math.floor(bytes / PAGE_BYTES) * PAGE_BYTES);
}
