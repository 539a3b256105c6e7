// A machine: nodes, CPUs, distances, memory. Every reader of host descriptions produces it, and
// everything else works on it.

import { DOMID_FIRST_RESERVED } from '../base/ids.js';

/**
 * Distance that Xen shows for "unreachable" (XEN_INVALID_NODE_DIST, xen/include/public/sysctl.h).
 */
export const UNREACHABLE = 0xffffffff;

/**
 * Limits of hosts, checked by `checkHost`, and of VMs. Xen creates a PV domain with at most 8192
 * vCPUs (MAX_VIRT_CPUS, xen/include/public/xen.h), and an HVM or PVH domain with at most 128
 * (HVM_MAX_VCPUS, xen/include/public/hvm/hvm_info_table.h).
 */
export const LIMITS = {
  nodes: 64,
  pcpus: 4096,
  domains: DOMID_FIRST_RESERVED,
  vcpusPerVm: 8192,
  vcpusPerHvm: 128,
  /** Xen keeps their distances in one page (xen/common/domctl.c, vnuma_alloc()). */
  virtualNodes: 32,
} as const;

export interface HostNode {
  /**
   * Number in the source (sparse on some machines). Xen's own number is the position in
   * `Host.nodes`.
   */
  readonly id: number;
  /** Physical memory of the node in bytes, including holes if the source counts them. */
  readonly memoryBytes: number;
  /** Bytes free for guests. Never more than `memoryBytes`. */
  readonly freeBytes: number;
}

export interface HostCpu {
  /** Number in the source and for Xen; may be sparse (absent CPUs are holes). */
  readonly id: number;
  /** Position in `Host.nodes`. */
  readonly node: number;
  /**
   * Core and socket numbers; null if the source has none. Cores are unique within (socket, core).
   */
  readonly core: number | null;
  readonly socket: number | null;
}

export interface HostPool {
  readonly name: string;
  /** Ascending. */
  readonly cpus: readonly number[];
  /** Default: the scheduler of Pool-0. */
  readonly scheduler?: 'credit' | 'credit2';
}

export interface Host {
  readonly name: string;
  /** Its source: "a.xml (lstopo XML)". */
  readonly source: string;
  readonly nodes: readonly HostNode[];
  /** Those that are online, ascending by id. */
  readonly cpus: readonly HostCpu[];
  /**
   * CPUs that Xen knows and does not use, ascending by id: parked by smt=off or maxcpus=, or taken
   * offline. They keep their node (xen/common/sysctl.c, XEN_SYSCTL_cputopoinfo). Default: none.
   */
  readonly offlineCpus?: readonly HostCpu[];
  /**
   * distances[i][j] from node i to node j, both positions in `nodes`; 10 on the diagonal;
   * UNREACHABLE allowed.
   */
  readonly distances: readonly (readonly number[])[];
  /** CPU pools by Xen's number; without them all CPUs are in Pool-0. CPUs in none are free. */
  readonly pools?: readonly HostPool[];
  /** "4.17" when the source says it. */
  readonly xenVersion?: string;
  /** Missing information and assumptions of the reader, in sentences for the user. */
  readonly notes: readonly string[];
}

/** The CPUs that Xen knows, online or not, ascending by id. */
export function presentCpus({ cpus, offlineCpus = [] }: Pick<Host, 'cpus' | 'offlineCpus'>): readonly HostCpu[] {
  return offlineCpus.length === 0 ? cpus : [...cpus, ...offlineCpus].sort((a, b) => a.id - b.id);
}
