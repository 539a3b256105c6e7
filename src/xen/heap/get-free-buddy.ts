// The choice of the node for an extent: get_free_buddy() (xen/common/page_alloc.c:855-958), for one
// extent or many of one request.

import { Bitset } from '../../base/bitset.js';
import type { Mfn, NodeId } from '../../base/ids.js';
import { type Domain, MAX_NUMNODES, NUMA_NO_NODE, type PageRuns } from '../state/domain.js';
import { type Chunk, ZONE_MAX, ZONE_MIN } from './free-heap.js';
import type { Heap } from './heap.js';

export interface ExtentRequest {
  readonly order: number;
  /** NUMA_NO_NODE = none was requested. */
  readonly node: NodeId;
  /** Fail rather than use another node than the requested one. */
  readonly exact: boolean;
  /** Highest zone that the caller's address width allows. */
  readonly zoneHigh: number;
  /**
   * The domain's own claim covers it. Pages of Xen's own in the domain's name are never covered
   * (MEMF_no_refcount).
   */
  readonly coveredByClaim: boolean;
}

interface OpenChunk extends Chunk {
  /** One past the highest frame not handed out yet. */
  top: number;
  left: number;
}

/**
 * Hands out the extents of one hypercall. As nothing is freed meanwhile, a node that once had
 * nothing for the order stays so for this pass, and the block that a node's next extents come from
 * can be taken out of the heap once for all of them; `close` gives the rest back.
 */
export class ExtentAllocator {
  /** First frame of the extent that the last `next` gave. */
  mfn: Mfn = 0;
  readonly #heap: Heap;
  readonly #domain: Domain;
  readonly #request: ExtentRequest;
  readonly #sizePages: number;
  readonly #chunks: (OpenChunk | undefined)[];
  readonly #exhausted: Uint8Array;
  readonly #online: Bitset;
  readonly #mask: Bitset = new Bitset(MAX_NUMNODES);
  readonly #others: Bitset = new Bitset(MAX_NUMNODES);
  readonly #owned: readonly PageRuns[];
  #firstPass: boolean;
  #remaining: number;
  #totalFree: number;
  /**
   * The node that kept the last rounds from going on. As long as it does, no other node need be
   * looked at: the cursor gets there by single extents.
   */
  #blockedBy: NodeId = NUMA_NO_NODE;
  /** All free memory is claimed: only the domain's own claim lets it have the extent. */
  #needsClaim = false;

  /** `owned`: receives the pages, by node. At most `extents` are handed out. */
  constructor(heap: Heap, online: Bitset, domain: Domain, request: ExtentRequest, extents: number, owned: readonly PageRuns[]) {
    this.#heap = heap;
    this.#domain = domain;
    this.#request = request;
    this.#sizePages = 2 ** request.order;
    this.#online = online;
    this.#mask.copyFrom(online).and(domain.nodeAffinity);
    this.#chunks = new Array<undefined>(heap.nodes.length).fill(undefined);
    this.#exhausted = new Uint8Array(heap.nodes.length);
    this.#owned = owned;
    this.#firstPass = heap.dmaZone > 0 && heap.dmaZone < request.zoneHigh;
    this.#remaining = extents;
    this.#totalFree = heap.freePages();
  }

  /**
   * Node of the next extent, whose pages are then taken; -1 when there is none. Moves the domain's
   * cursor.
   */
  next(): NodeId {
    const domain = this.#domain;
    // Claimed memory is not available to others (alloc_heap_pages).
    this.#needsClaim = this.#heap.outstandingPages + this.#sizePages > this.#totalFree;
    if (this.#needsClaim && !(this.#request.coveredByClaim && domain.outstandingPages >= this.#sizePages)) return -1;
    let node = this.#search();
    if (node < 0 && this.#firstPass) {
      this.#firstPass = false;
      this.#exhausted.fill(0);
      node = this.#search();
    }
    if (node < 0) return -1;
    const chunk = this.#chunks[node]!;
    chunk.top -= this.#sizePages;
    chunk.left--;
    this.#remaining--;
    this.#totalFree -= this.#sizePages;
    this.mfn = chunk.top;
    domain.lastAllocNode = node;
    return node;
  }

  /**
   * Like `next`, but also -1 when the domain's max_pages forbids the extent (assign_pages in
   * xen/common/page_alloc.c). The cursor has moved in any case.
   */
  nextAllowed(): NodeId {
    const node = this.next();
    if (node < 0 || this.#domain.totPages + this.#sizePages <= this.#domain.maxPages) return node;
    this.undo(node);
    return -1;
  }

  /**
   * As many calls of `next` as go once or more around the nodes of the affinity and leave the
   * cursor where it is, at once: while every node that has any memory has an open block and no
   * claim is in the way, each round takes one extent of each. 0 when that is not so.
   * @returns extents taken, at most `most`
   */
  nextRounds(most: number): number {
    const { node: requested, order } = this.#request;
    const cursor = this.#domain.lastAllocNode;
    if (requested !== NUMA_NO_NODE || this.#stillBlocked() || !this.#mask.has(cursor) || this.#exhausted[cursor] === 1) return 0;
    // From the node that is next in line: most often it is the one that has no open block.
    let nodes = 0;
    let each = most;
    let node = cursor;
    do {
      node = this.#mask.cycle(node);
      if (this.#exhausted[node] === 1) continue;
      nodes++;
      each = Math.min(each, this.#chunks[node]?.left ?? 0);
      if (this.#blocks(node)) {
        this.#blockedBy = node;
        return 0;
      }
    } while (node !== cursor);
    const unclaimed = (this.#totalFree - this.#heap.outstandingPages) / 2 ** order;
    const rounds = Math.min(each, Math.floor(Math.min(most, unclaimed) / nodes));
    if (rounds <= 0) return 0;
    do {
      node = this.#mask.cycle(node);
      const chunk = this.#chunks[node];
      if (this.#exhausted[node] === 1 || chunk === undefined) continue;
      chunk.top -= rounds * this.#sizePages;
      chunk.left -= rounds;
    } while (node !== cursor);
    const extents = rounds * nodes;
    this.#remaining -= extents;
    this.#totalFree -= extents * this.#sizePages;
    return extents;
  }

  #stillBlocked(): boolean {
    const node = this.#blockedBy;
    if (node !== NUMA_NO_NODE && this.#exhausted[node] === 0 && this.#blocks(node)) return true;
    this.#blockedBy = NUMA_NO_NODE;
    return false;
  }

  /** The node has no open block, or a claim on it is in the way. */
  #blocks(node: NodeId): boolean {
    return (this.#chunks[node]?.left ?? 0) === 0 || (this.#heap.perNodeClaims && this.#heap.outstandingOnNode[node]! > 0);
  }

  /** Frees the extent of the last `next`, which the domain may not have. The cursor stays moved. */
  undo(node: NodeId): void {
    const chunk = this.#chunks[node]!;
    chunk.top += this.#sizePages;
    chunk.left++;
    this.#remaining++;
    this.#totalFree += this.#sizePages;
  }

  /** Must be called once, after the last `next`: records what was handed out and frees the rest. */
  close(): void {
    for (let node = 0; node < this.#chunks.length; node++) {
      const chunk = this.#chunks[node];
      if (chunk === undefined) continue;
      this.#settle(node, chunk);
      if (chunk.left > 0) this.#heap.nodes[node]!.free(chunk.top - chunk.left * this.#sizePages, chunk.left * this.#sizePages);
      this.#chunks[node] = undefined;
    }
  }

  #settle(node: NodeId, chunk: OpenChunk): void {
    if (chunk.top < chunk.end) this.#owned[node]!.add(chunk.top, chunk.end);
  }

  #search(): NodeId {
    const { node: requested, exact } = this.#request;
    let mask = this.#mask;
    let node = requested === NUMA_NO_NODE ? mask.cycle(this.#domain.lastAllocNode) : requested;
    // An empty mask: the node of the CPU that runs the call, taken as node 0.
    if (node < 0) node = 0;
    let first = node;
    let fallenBack = false;
    for (;;) {
      if (this.#tryNode(node)) return node;
      if (exact && requested !== NUMA_NO_NODE) return -1;
      if (!mask.has(node)) {
        node = mask.first;
        first = node;
        if (node >= 0) continue;
      } else {
        node = mask.cycle(node);
      }
      if (node !== first) continue;
      if (exact || fallenBack) return -1;
      fallenBack = true;
      mask = this.#others.copyFrom(this.#online).andNot(this.#mask);
      node = mask.first;
      first = node;
      if (node < 0) return -1;
    }
  }

  #tryNode(node: NodeId): boolean {
    const heap = this.#heap.nodes[node];
    if (heap === undefined || !this.#online.has(node) || this.#exhausted[node] === 1) return false;
    const chunk = this.#chunks[node];
    if (this.#heap.perNodeClaims && !this.#allowedByNodeClaims(node, heap.freePages, chunk)) return false;
    if (chunk !== undefined && chunk.left > 0) return true;
    const { order, zoneHigh } = this.#request;
    const fresh: OpenChunk = { end: 0, extents: 0, top: 0, left: 0 };
    const zoneLow = this.#firstPass ? this.#heap.dmaZone + 1 : ZONE_MIN;
    if (!heap.take(order, zoneLow, Math.min(zoneHigh, ZONE_MAX), this.#remaining, fresh)) {
      this.#exhausted[node] = 1;
      return false;
    }
    if (chunk !== undefined) this.#settle(node, chunk);
    fresh.top = fresh.end;
    fresh.left = fresh.extents;
    this.#chunks[node] = fresh;
    return true;
  }

  /** Memory that other domains claimed on this node is not available (XenServer's patch). */
  #allowedByNodeClaims(node: NodeId, heapFree: number, chunk: OpenChunk | undefined): boolean {
    const domain = this.#domain;
    const own = this.#request.coveredByClaim && domain.claimNode === node && domain.outstandingPages >= this.#sizePages;
    if (own) return true;
    if (this.#needsClaim && domain.claimNode !== NUMA_NO_NODE) return false;
    const free = heapFree + (chunk === undefined ? 0 : chunk.left * this.#sizePages);
    return this.#heap.outstandingOnNode[node]! + this.#sizePages <= free;
  }
}
