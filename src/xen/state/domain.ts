// The hypervisor's data of a domain and its vCPUs.

import { NODE_BITS } from '../../abi/layout.js';
import { NUMA_NO_NODE } from '../../abi/reservation.js';
import { Bitset } from '../../base/bitset.js';
import type { Domid, NodeId, VcpuId } from '../../base/ids.js';
import { GuestFrames } from './guest-frames.js';
import type { Cpupool } from './pool.js';

export { NODE_BITS as MAX_NUMNODES } from '../../abi/layout.js';
export { NUMA_NO_NODE } from '../../abi/reservation.js';
/** Shutdown code while none is set. */
export const NO_SHUTDOWN_CODE = 0xffff;

export interface Vcpu {
  readonly id: VcpuId;
  readonly hard: Bitset;
  readonly soft: Bitset;
  /** The hard mask from before a temporary pin; null = no pin (affinity_broken). */
  unpinned: Bitset | null;
}

export interface DomainConfig {
  readonly id: Domid;
  readonly hvm: boolean;
  readonly hap: boolean;
  readonly xenstoreDomain: boolean;
  readonly maxVcpus: number;
  readonly handle: Uint8Array;
  readonly ssidref: number;
}

export class Domain {
  readonly config: DomainConfig;
  readonly id: Domid;
  /** All of the domain's vCPUs, or none before max_vcpus. */
  readonly vcpus: Vcpu[] = [];
  pool: Cpupool;
  readonly nodeAffinity: Bitset = Bitset.all(NODE_BITS);
  autoNodeAffinity = true;
  /**
   * A vCPU was pinned for a time. No update follows a pin, so neither its masks nor the node
   * affinity need match the rules.
   */
  wasPinned = false;
  /** Where the last page came from; Xen 4.17 sets nothing at first, which is node 0. */
  lastAllocNode: NodeId = 0;
  totPages = 0;
  maxPages = 0;
  /** Pages claimed and not allocated yet. */
  outstandingPages = 0;
  /** Node of the claim; NUMA_NO_NODE = the whole host. */
  claimNode: NodeId = NUMA_NO_NODE;
  /** Its memory by node, as runs of frames. */
  readonly pages: readonly PageRuns[];
  /**
   * Pages that Xen allocated in the domain's name: its own structures and the paging pool. Not in
   * totPages.
   */
  readonly xenPages: readonly PageRuns[];
  pagingPoolPages = 0;
  /** Pages held for promised frames (part of totPages). */
  podCachePages = 0;
  /** With hardware virtualisation, the guest's own frames; null = PV. */
  readonly frames: GuestFrames | null;
  pauseCount = 1;
  isShutDown = false;
  shutdownCode: number = NO_SHUTDOWN_CODE;
  weight = 256;
  cap = 0;
  vnuma: VirtualNuma | null = null;

  constructor(config: DomainConfig, pool: Cpupool, nodes: number) {
    this.config = config;
    this.id = config.id;
    this.pool = pool;
    this.frames = config.hvm ? new GuestFrames() : null;
    this.pages = Array.from({ length: nodes }, () => new PageRuns());
    this.xenPages = Array.from({ length: nodes }, () => new PageRuns());
  }

  /** All vCPUs, hard = soft = every CPU number (sched_init_vcpu). */
  createVcpus(nrCpuIds: number): void {
    for (let id = this.vcpus.length; id < this.config.maxVcpus; id++) {
      this.vcpus.push({ id, hard: Bitset.all(nrCpuIds), soft: Bitset.all(nrCpuIds), unpinned: null });
    }
  }
}

/** A domain's virtual nodes. The lists are as the caller gave them; Xen does not look into them. */
export interface VirtualNuma {
  readonly vnodeToPnode: readonly NodeId[];
  readonly vcpuToVnode: DataView;
  readonly distances: DataView;
  /** xen_vmemrange each. */
  readonly ranges: DataView;
}

/** Runs of frames [start, end), newest last; a run that borders on the one before joins it. */
export class PageRuns {
  pages = 0;
  readonly #runs: number[] = [];

  add(start: number, end: number): void {
    this.pages += end - start;
    const last = this.#runs.length - 2;
    if (last >= 0 && this.#runs[last] === end) this.#runs[last] = start;
    else if (last >= 0 && this.#runs[last + 1] === start) this.#runs[last + 1] = end;
    else this.#runs.push(start, end);
  }

  /** Removes the newest `pages` frames and calls `release(start, pages)` for each run of them. */
  drop(pages: number, release: (start: number, pages: number) => void): void {
    let left = Math.min(pages, this.pages);
    this.pages -= left;
    while (left > 0) {
      const last = this.#runs.length - 2;
      const start = this.#runs[last]!;
      const taken = Math.min(left, this.#runs[last + 1]! - start);
      release(start, taken);
      if (start + taken === this.#runs[last + 1]) this.#runs.length = last;
      else this.#runs[last] = start + taken;
      left -= taken;
    }
  }

  *runs(): IterableIterator<readonly [number, number]> {
    for (let i = 0; i < this.#runs.length; i += 2) yield [this.#runs[i]!, this.#runs[i + 1]!];
  }
}
