// How much of a VM each node can hold: fit in one number.
import type { PlannerHost } from '../policy.js';
import type { TightRequest } from './request.js';

const ABSENT_NODE = 0xffffffff;

/** What of the host a VM may use, by node. */
export interface NodeRoom {
  /**
   * vCPUs that the node's cores take: physical cores, or threads where the host has too few cores.
   */
  readonly cpus: readonly number[];
  readonly memoryBytes: readonly number[];
  /**
   * vCPUs with their share of the memory beside them: min(cpus, floor(vCPUs * memory / VM's
   * memory)).
   */
  readonly vcpus: readonly number[];
}

/**
 * @param threads CPUs of each node
 * @param reserveBytes bytes of each node that no plan may use
 */
export function nodeRoom(
  host: PlannerHost,
  threads: readonly (readonly number[])[],
  request: TightRequest,
  reserveBytes: readonly number[],
): NodeRoom {
  const memoryBytes = request.freeBytes.map((free, node) =>
    Math.max(0, free - (request.claimedBytes[node] ?? 0) - (reserveBytes[node] ?? 0)),
  );
  const cpus = cpuRoom(host, threads, request);
  const { vcpus, memoryBytes: wanted } = request;
  const both = cpus.map((room, node) => (wanted === 0 ? room : Math.min(room, Math.floor((vcpus * memoryBytes[node]!) / wanted))));
  return { cpus, memoryBytes, vcpus: both };
}

/**
 * Cores where they suffice (xen-api #6763: siblings stay idle as long as they can), else threads,
 * else threads shared by several vCPUs.
 */
function cpuRoom(host: PlannerHost, threads: readonly (readonly number[])[], { vcpus, allowedCpus }: TightRequest): number[] {
  const allowed = allowedCpus === undefined ? null : new Set(allowedCpus);
  const usable = threads.map((cpus) => (allowed === null ? cpus.length : cpus.filter((cpu) => allowed.has(cpu)).length));
  // A mask may name single threads: it holds no more cores than its threads would fill.
  const cores = usable.map((count, node) => Math.min(host.nodeCores[node] ?? count, count));
  if (sum(cores) >= vcpus) return cores;
  const all = sum(usable);
  if (all >= vcpus || all === 0) return usable;
  return usable.map((count) => Math.ceil((vcpus * count) / all));
}

/** CPUs of each node, ascending; absent CPUs belong to none. */
export function cpusOfNodes({ distances, cpuToNode }: PlannerHost): number[][] {
  const cpus: number[][] = distances.map(() => []);
  cpuToNode.forEach((node, cpu) => {
    if (node !== ABSENT_NODE) cpus[node]?.push(cpu);
  });
  return cpus;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
