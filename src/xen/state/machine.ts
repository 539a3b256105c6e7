// The machine under the embedded hypervisor, as plain data: what Xen finds at boot.

import type { SchedulerName } from '../../abi/commands.js';
import { InputError } from '../../base/errors.js';
import type { NodeId } from '../../base/ids.js';
import { PAGE_BYTES } from '../../base/units.js';
import { type Host, LIMITS, presentCpus, UNREACHABLE } from '../../machine/model.js';
import { ZONE_MAX, zoneOf } from '../heap/free-heap.js';

const PAGE_SHIFT = 12;

export interface XenNode {
  /**
   * First frame and one past the last frame of the node's span; equal for a node with CPUs only.
   */
  readonly startMfn: number;
  readonly endMfn: number;
  /**
   * Frames of the span that are free for domains at the start; the rest is Xen's and Domain-0's, or
   * a hole.
   */
  readonly freePages: number;
  /**
   * Where the free frames lie when they are not the highest of the span: [start, end) each,
   * ascending; adds up to `freePages`.
   */
  readonly freeRanges?: readonly (readonly [number, number])[];
}

export interface XenCpu {
  /** Position in `nodes`. */
  readonly node: NodeId;
  readonly core: number;
  readonly socket: number;
}

export interface XenMachine {
  /** "4.13" .. "4.22". */
  readonly version: string;
  readonly scheduler: SchedulerName;
  readonly nodes: readonly XenNode[];
  /** Index = CPU; null = a number without a CPU. Its length is Xen's nr_cpu_ids. */
  readonly cpus: readonly (XenCpu | null)[];
  /** CPUs that are present and offline after boot. Default: none. */
  readonly offlineCpus?: readonly number[];
  /** distances[i][j]; UNREACHABLE = none known. */
  readonly distances: readonly (readonly number[])[];
  /**
   * Memory below 2^dmaBits is kept back for the second pass; 0 = none is. Default: as Xen computes
   * it from the first node.
   */
  readonly dmaBits?: number;
  /**
   * `pages` are its memory, part of the used memory. `hardAffinity`: CPUs of its vCPUs; absent =
   * all. `nodes`: Xen's option dom0_nodes=, a node affinity set explicitly; absent = automatic.
   */
  readonly dom0: {
    readonly vcpus: number;
    readonly pages: number;
    /** Absent: unlimited. */
    readonly maxPages?: number;
    readonly hardAffinity?: readonly number[];
    readonly nodes?: readonly number[];
  };
  /** XenServer's patch: claims on one node. Upstream has none. */
  readonly perNodeClaims: boolean;
}

export interface MachineOptions {
  readonly version?: string;
  readonly scheduler?: SchedulerName;
  readonly dmaBits?: number;
  readonly dom0?: XenMachine['dom0'];
  readonly perNodeClaims?: boolean;
}

/**
 * Xen's choice on a NUMA machine: a quarter of the first node below 4 GiB, at most 32 bits
 * (xen/arch/x86/numa.c, arch_get_dma_bitsize); a machine with one node keeps nothing back.
 */
export function dmaBitsOf(machine: XenMachine): number {
  if (machine.dmaBits !== undefined) return machine.dmaBits;
  const first = machine.nodes.find((node) => node.endMfn > node.startMfn && node.startMfn < 2 ** (32 - PAGE_SHIFT));
  if (machine.nodes.length < 2 || first === undefined) return 0;
  const quarterEnd = first.startMfn + Math.floor((first.endMfn - first.startMfn) / 4);
  return quarterEnd < 2 ? 0 : Math.min(zoneOf(quarterEnd - 1) + PAGE_SHIFT, 32);
}

/** Highest zone below 2^bits bytes (page_alloc.c, bits_to_zone). */
export function bitsToZone(bits: number): number {
  return bits < PAGE_SHIFT + 1 ? 1 : Math.min(bits - PAGE_SHIFT, ZONE_MAX);
}

/**
 * The machine behind a description: node numbers are positions in `host.nodes`, nodes lie one after
 * the other from frame 0, each with its free frames at the top. numainfo then reports each node's
 * `memoryBytes` and `freeBytes`, both rounded down to pages.
 * @throws InputError past the limits of the project
 */
export function machineFromHost(host: Host, options: MachineOptions = {}): XenMachine {
  if (host.nodes.length === 0 || host.nodes.length > LIMITS.nodes) {
    throw new InputError(`a machine has 1 to ${LIMITS.nodes} nodes, this one ${host.nodes.length}`, { path: 'nodes' });
  }
  const present = presentCpus(host);
  const nrCpuIds = 1 + present.reduce((most, cpu) => Math.max(most, cpu.id), -1);
  if (nrCpuIds === 0 || nrCpuIds > LIMITS.pcpus) {
    throw new InputError(`CPU numbers go from 0 to ${LIMITS.pcpus - 1}, the highest here is ${nrCpuIds - 1}`, { path: 'cpus' });
  }
  const cpus: (XenCpu | null)[] = new Array<null>(nrCpuIds).fill(null);
  for (const cpu of present) cpus[cpu.id] = { node: cpu.node, core: cpu.core ?? cpu.id, socket: cpu.socket ?? cpu.node };
  let mfn = 0;
  const nodes = host.nodes.map((node) => {
    const pages = Math.floor(node.memoryBytes / PAGE_BYTES);
    const freePages = Math.min(Math.floor(node.freeBytes / PAGE_BYTES), pages);
    // Frame 0 is never in the heap; a first node that is wholly free gets one frame more.
    const startMfn = mfn;
    mfn += mfn === 0 && pages > 0 && freePages === pages ? pages + 1 : pages;
    return { startMfn, endMfn: mfn, freePages };
  });
  const used = nodes.reduce((sum, node) => sum + node.endMfn - node.startMfn - node.freePages, 0);
  return {
    version: options.version ?? host.xenVersion ?? '4.17',
    scheduler: options.scheduler ?? 'credit',
    nodes,
    cpus,
    ...(host.offlineCpus === undefined ? {} : { offlineCpus: host.offlineCpus.map(({ id }) => id) }),
    distances: host.nodes.map((_, i) => host.nodes.map((_, j) => host.distances[i]?.[j] ?? UNREACHABLE)),
    ...(options.dmaBits === undefined ? {} : { dmaBits: options.dmaBits }),
    dom0: options.dom0 ?? { vcpus: Math.min(16, host.cpus.length), pages: Math.floor(used / 2) },
    perNodeClaims: options.perNodeClaims ?? false,
  };
}
