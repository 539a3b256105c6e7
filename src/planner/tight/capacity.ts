// How much of a VM each node can hold: fit in one number.
import { INVALID_ID } from '../../base/ids.js';
import type { PlannerHost } from '../policy.js';
import { CROWDED } from './busy-cores.js';
import type { TightRequest } from './request.js';

/** What of the host a VM may use, by node. */
export interface NodeRoom {
  /**
   * vCPUs that the node takes: physical cores, or threads where cores are too few (CpuCounts).
   */
  readonly cpus: readonly number[];
  readonly memoryBytes: readonly number[];
  /**
   * vCPUs with their share of the memory beside them: min(cpus, floor(vCPUs * memory / VM's
   * memory)).
   */
  readonly vcpus: readonly number[];
}

/** CPUs and cores of a host's nodes: what a VM without a mask may use, worked out once. */
export class CpuCounts {
  readonly #threads: readonly (readonly number[])[];
  readonly #nodeCores: readonly number[];
  readonly #all: Counted;

  /** @param threads CPUs of each node */
  constructor({ nodeCores }: PlannerHost, threads: readonly (readonly number[])[]) {
    this.#threads = threads;
    this.#nodeCores = nodeCores;
    this.#all = this.#counted(threads.map((cpus) => cpus.length));
  }

  /**
   * Cores where they suffice (xen-api #6763: siblings stay idle as long as they can), else threads,
   * else threads shared by several vCPUs. Where the demand is known, threads also count on a node
   * that they do not crowd: a VM with more vCPUs than a node has cores need not be split.
   */
  room({ vcpus, allowedCpus, busyCores }: TightRequest, coresPerVcpu: number): readonly number[] {
    const counted = allowedCpus === undefined ? this.#all : this.#allowed(allowedCpus);
    const { cores, allCores, threads, allThreads } = counted;
    if (allCores >= vcpus)
      return busyCores === undefined || counted.leastCores >= vcpus ? cores : uncrowded(counted, busyCores, coresPerVcpu);
    if (allThreads >= vcpus || allThreads === 0) return threads;
    return threads.map((count) => Math.ceil((vcpus * count) / allThreads));
  }

  #allowed(cpus: readonly number[]): Counted {
    const allowed = new Set(cpus);
    return this.#counted(this.#threads.map((of) => of.filter((cpu) => allowed.has(cpu)).length));
  }

  #counted(threads: readonly number[]): Counted {
    // A mask may name single threads: it holds no more cores than its threads would fill.
    const cores = threads.map((count, node) => Math.min(this.#nodeCores[node] ?? count, count));
    return { cores, allCores: sum(cores), leastCores: Math.min(...cores), threads, allThreads: sum(threads) };
  }
}

/** Each node's cores, or as many of its threads as leave the demand on it below CROWDED. */
function uncrowded({ cores, threads }: Counted, busyCores: readonly number[], coresPerVcpu: number): number[] {
  return cores.map((held, node) => {
    const idle = CROWDED * held - (busyCores[node] ?? 0);
    return Math.max(held, Math.min(threads[node]!, Math.floor(idle / coresPerVcpu)));
  });
}

interface Counted {
  readonly cores: readonly number[];
  readonly allCores: number;
  readonly leastCores: number;
  readonly threads: readonly number[];
  readonly allThreads: number;
}

/** `reserveBytes` of each node are left alone. */
export function nodeRoom(
  counts: CpuCounts,
  request: TightRequest,
  { reserveBytes, coresPerVcpu }: { readonly reserveBytes: readonly number[]; readonly coresPerVcpu: number },
): NodeRoom {
  const { vcpus, memoryBytes: wanted, freeBytes, claimedBytes } = request;
  const cpus = counts.room(request, coresPerVcpu);
  const nodes = freeBytes.length;
  const memoryBytes = new Array<number>(nodes);
  const both = new Array<number>(nodes);
  for (let node = 0; node < nodes; node++) {
    const memory = Math.max(0, freeBytes[node]! - (claimedBytes[node] ?? 0) - (reserveBytes[node] ?? 0));
    const room = cpus[node]!;
    memoryBytes[node] = memory;
    both[node] = wanted === 0 ? room : Math.min(room, Math.floor((vcpus * memory) / wanted));
  }
  return { cpus, memoryBytes, vcpus: both };
}

/** CPUs of each node, ascending; absent CPUs belong to none. */
export function cpusOfNodes({ distances, cpuToNode }: PlannerHost): number[][] {
  const cpus: number[][] = distances.map(() => []);
  cpuToNode.forEach((node, cpu) => {
    if (node !== INVALID_ID) cpus[node]?.push(cpu);
  });
  return cpus;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
