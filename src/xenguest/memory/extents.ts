// Extents for one guest, counted by size.
import { XenError } from '../../base/errors.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';
import { SUPERPAGE_1G_ORDER, SUPERPAGE_2M_ORDER } from './guest-pages.js';

export interface ExtentOptions {
  /** No other node is allowed (XENMEMF_exact_node). */
  readonly exactNode: number | null;
  /** The pages are allocated when the guest touches them (populate on demand). */
  readonly onDemand: boolean;
}

/** Extents by size. */
interface ExtentCounts {
  gib: number;
  mib2: number;
  kib4: number;
}

export class Extents {
  readonly counts: ExtentCounts;
  /** Machine frames of a PV guest's first pages, as far as they are known. */
  firstMfns: readonly number[] = [];
  readonly #xc: Xenctrl;
  readonly #domid: number;
  readonly #options: ExtentOptions;
  #exactNode: number | null;

  constructor(xc: Xenctrl, domid: number, options: ExtentOptions, counts: ExtentCounts = { gib: 0, mib2: 0, kib4: 0 }) {
    this.counts = counts;
    this.#xc = xc;
    this.#domid = domid;
    this.#options = options;
    this.#exactNode = options.exactNode;
  }

  /** From now on the extents are of a virtual node, whose physical node is the only one allowed. */
  useNode(node: number): void {
    this.#exactNode = node;
  }

  /** Extents of the same guest, counted with these, that no virtual node is named for. */
  outsideVirtualNodes(): Extents {
    return new Extents(this.#xc, this.#domid, this.#options, this.counts);
  }

  /** Populates as many as there is memory for. @returns their number */
  some(firstPfn: number, extents: number, order: number, wantMfns = false): number {
    const exactNode = this.#exactNode;
    const { done, mfns } = this.#xc.domainPopulatePhysmap(this.#domid, {
      extents,
      order,
      firstPfn,
      onDemand: this.#options.onDemand,
      wantMfns,
      ...(exactNode === null ? {} : { node: exactNode, exactNode: true }),
    });
    if (mfns !== null && this.firstMfns.length === 0) this.firstMfns = mfns;
    this.#count(order, done);
    return done;
  }

  /**
   * Populates all of them, in pages. @throws XenError EBUSY, as libxenctrl's
   * populate_physmap_exact() does
   */
  allPages(firstPfn: number, pages: number, wantMfns = false): void {
    if (this.some(firstPfn, pages, 0, wantMfns) < pages)
      throw new XenError('EBUSY', `xc_domain_populate_physmap_exact(domid ${this.#domid})`);
  }

  #count(order: number, extents: number): void {
    if (order === SUPERPAGE_1G_ORDER) this.counts.gib += extents;
    else if (order === SUPERPAGE_2M_ORDER) this.counts.mib2 += extents;
    else this.counts.kib4 += extents;
  }
}
