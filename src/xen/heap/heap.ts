// The memory of all nodes and the claims on it: how much a domain may allocate.
import type { NodeId } from '../../base/ids.js';
import { type Domain, MAX_NUMNODES, NUMA_NO_NODE } from '../state/domain.js';
import { bitsToZone, dmaBitsOf, type XenMachine } from '../state/machine.js';
import { FreeHeap } from './free-heap.js';

export class Heap {
  readonly nodes: readonly FreeHeap[];
  /** Zones up to this one are left alone in the first pass; 0 = there is only one pass. */
  readonly dmaZone: number;
  /**
   * Pages that domains claimed and have not allocated: in all, and by node (XenServer's patch
   * only).
   */
  outstandingPages = 0;
  readonly outstandingOnNode = new Float64Array(MAX_NUMNODES);
  readonly perNodeClaims: boolean;
  /** Free pages of the whole host at the start. */
  readonly initialFreePages: number;

  constructor(machine: XenMachine) {
    const dmaBits = dmaBitsOf(machine);
    this.dmaZone = dmaBits === 0 ? 0 : bitsToZone(dmaBits);
    this.perNodeClaims = machine.perNodeClaims;
    this.nodes = machine.nodes.map((node) => {
      const heap = new FreeHeap();
      const ranges = node.freeRanges ?? [[node.endMfn - node.freePages, node.endMfn] as const];
      for (const [start, end] of ranges) if (end > start) heap.free(start, end - start);
      return heap;
    });
    this.initialFreePages = this.freePages();
  }

  freePages(): number {
    let sum = 0;
    for (const node of this.nodes) sum += node.freePages;
    return sum;
  }

  /**
   * Pages that came to or left a domain on a node: its claim shrinks by what came (page_alloc.c,
   * domain_adjust_tot_pages). A claim on one node shrinks only by pages of that node.
   */
  adjustTotPages(domain: Domain, node: NodeId, pages: number): void {
    domain.totPages += pages;
    if (domain.outstandingPages === 0 || pages <= 0) return;
    if (domain.claimNode !== NUMA_NO_NODE && domain.claimNode !== node) return;
    this.#setClaim(domain, Math.max(0, domain.outstandingPages - pages), domain.claimNode);
  }

  /** Releases the claim. */
  cancelClaim(domain: Domain): void {
    this.#setClaim(domain, 0, NUMA_NO_NODE);
  }

  /** Claims `pages` beyond what the domain has; the caller checked that they are free. */
  stakeClaim(domain: Domain, pages: number, node: NodeId): void {
    this.#setClaim(domain, pages, node);
  }

  #setClaim(domain: Domain, pages: number, node: NodeId): void {
    if (domain.claimNode !== NUMA_NO_NODE) this.outstandingOnNode[domain.claimNode]! -= domain.outstandingPages;
    this.outstandingPages += pages - domain.outstandingPages;
    domain.outstandingPages = pages;
    domain.claimNode = pages === 0 ? NUMA_NO_NODE : node;
    if (domain.claimNode !== NUMA_NO_NODE) this.outstandingOnNode[domain.claimNode]! += pages;
  }

  /** Frees all memory of a domain and releases its claim. */
  releaseAll(domain: Domain): void {
    this.cancelClaim(domain);
    for (const owned of [domain.pages, domain.xenPages]) {
      owned.forEach((runs, node) => {
        runs.drop(runs.pages, (start, pages) => this.nodes[node]!.free(start, pages));
      });
    }
    domain.totPages = 0;
    domain.pagingPoolPages = 0;
  }
}
