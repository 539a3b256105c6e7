// Which nodes the extents of one request come from: get_free_buddy() (xen/common/page_alloc.c,
// 855-958, as src/xen/heap/get-free-buddy.ts has it extent by extent), for all extents of the
// request at once. Nothing is freed meanwhile, so each node of the affinity gives one extent a
// round until it has none for the order; the rest comes from the other nodes, lowest first; and
// memory that is kept for devices comes last.
import type { FleetHeap } from './fleet-heap.js';
import type { Runs } from './frames.js';

/** Nodes that memory comes from in turn, and those that help out; both ascending. */
export interface NodeAffinity {
  readonly nodes: readonly number[];
  readonly others: readonly number[];
}

/** By node. */
export type FrameRuns = readonly Runs[];

export class ExtentSource {
  /** Where the domain's last extent came from (d->last_alloc_node). */
  cursor = 0;
  readonly #heap: FleetHeap;
  readonly #dmaZone: number;
  #host = 0;
  /** By position in the affinity: extents so far, and whether there are no more. */
  readonly #got: Int32Array;
  readonly #exhausted: Uint8Array;

  constructor(heap: FleetHeap, dmaZone: number, nodes: number) {
    this.#heap = heap;
    this.#dmaZone = dmaZone;
    this.#got = new Int32Array(nodes);
    this.#exhausted = new Uint8Array(nodes);
  }

  /** For the extents of a new domain on that host. */
  begin(host: number): void {
    this.#host = host;
    // Xen sets nothing at first, which is node 0.
    this.cursor = 0;
  }

  /** @returns extents taken, `extents` at most */
  take(order: number, extents: number, { nodes, others }: NodeAffinity, into: FrameRuns): number {
    let got = 0;
    for (let zoneLow = this.#dmaZone + 1; ; zoneLow = 1) {
      got += this.#inTurn(order, extents - got, nodes, zoneLow, into);
      for (let at = 0; got < extents && at < others.length; at++) got += this.#from(order, extents - got, others[at]!, zoneLow, into);
      if (got === extents || zoneLow === 1) return got;
    }
  }

  /** From that node and no other (MEMF_exact_node). */
  takeExact(order: number, extents: number, node: number, into: FrameRuns): number {
    const got = this.#from(order, extents, node, this.#dmaZone + 1, into);
    return got === extents || this.#dmaZone === 0 ? got : got + this.#from(order, extents - got, node, 1, into);
  }

  #from(order: number, extents: number, node: number, zoneLow: number, into: FrameRuns): number {
    const got = this.#heap.take(this.#host, node, order, zoneLow, extents, into[node]!);
    if (got > 0) this.cursor = node;
    return got;
  }

  #inTurn(order: number, extents: number, nodes: readonly number[], zoneLow: number, into: FrameRuns): number {
    const count = nodes.length;
    if (count === 1) return this.#from(order, extents, nodes[0]!, zoneLow, into);
    const [got, exhausted] = [this.#got, this.#exhausted];
    got.fill(0);
    exhausted.fill(0);
    let first = 0;
    while (first < count && nodes[first]! <= this.cursor) first++;
    let active = count;
    let rest = extents;
    let each = 0;
    let extra = 0;
    for (let changed = true; changed && active > 0; ) {
      changed = false;
      // Nodes that are exhausted had fewer than `each`, which only rises.
      each = Math.floor(rest / active);
      extra = rest - each * active;
      let rank = 0;
      for (let step = 0; step < count; step++) {
        const at = (first + step) % count;
        if (exhausted[at] === 1) continue;
        const wanted = each + (rank++ < extra ? 1 : 0) - got[at]!;
        if (wanted <= 0) continue;
        const more = this.#from(order, wanted, nodes[at]!, zoneLow, into);
        got[at]! += more;
        if (more === wanted) continue;
        exhausted[at] = 1;
        active--;
        rest -= got[at]!;
        changed = true;
        break;
      }
    }
    return this.#moveCursor(nodes, first);
  }

  /** To the node that was last in the last round. @returns extents of all nodes */
  #moveCursor(nodes: readonly number[], first: number): number {
    const [got, count] = [this.#got, nodes.length];
    let sum = 0;
    let rounds = 0;
    for (let step = 0; step < count; step++) {
      const at = (first + step) % count;
      sum += got[at]!;
      if (got[at]! === 0 || got[at]! < rounds) continue;
      rounds = got[at]!;
      this.cursor = nodes[at]!;
    }
    return sum;
  }
}
