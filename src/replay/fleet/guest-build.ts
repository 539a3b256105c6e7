// The memory of a guest as the domain builder requests it, for HVM guests: the same extents as
// src/xenguest/memory/populate-ranges.ts, without the hypercalls. Box of the chart:
// stub_xc_hvm_build.
import {
  PAGES_A_MIB,
  type PfnRange,
  pfnRanges,
  SUPERPAGE_1G_ORDER,
  SUPERPAGE_2M_ORDER,
  specialRanges,
  startPages,
  VGA_HOLE,
} from '../../xenguest/memory/guest-pages.js';
import type { ExtentSource, FrameRuns, NodeAffinity } from './extents.js';

const GIB_PAGES = 2 ** SUPERPAGE_1G_ORDER;
const MIB2_PAGES = 2 ** SUPERPAGE_2M_ORDER;
/** libxenguest asks for so many 2 MiB extents in a call, and fills up a call with single pages. */
const BATCH_EXTENTS = 4;
const MOST_KNOWN = 4096;
const SPECIAL_PAGES = specialRanges('hvm').reduce((sum, { start, end }) => sum + end - start, 0);

export interface GuestMemory {
  readonly mib: number;
  /** No other node is allowed; null = the affinity decides. */
  readonly exactNode: number | null;
  readonly affinity: NodeAffinity;
}

/** The memory, then the special pages. @returns false when memory ran out, with some taken */
export function buildGuest(source: ExtentSource, memory: GuestMemory, into: FrameRuns): boolean {
  const build = new Build(source, memory, into);
  for (const range of rangesOf(memory.mib)) if (!build.range(range)) return false;
  return source.take(0, SPECIAL_PAGES, memory.affinity, into) === SPECIAL_PAGES;
}

/** Pages that a guest takes when none are lacking. */
export function guestPages(mib: number): number {
  return startPages('hvm', mib) + SPECIAL_PAGES;
}

const knownRanges = new Map<number, readonly PfnRange[]>();

/** VMs of a trace have few sizes. */
function rangesOf(mib: number): readonly PfnRange[] {
  let ranges = knownRanges.get(mib);
  if (ranges === undefined) {
    if (knownRanges.size === MOST_KNOWN) knownRanges.clear();
    ranges = pfnRanges('hvm', mib * PAGES_A_MIB);
    knownRanges.set(mib, ranges);
  }
  return ranges;
}

class Build {
  readonly #source: ExtentSource;
  readonly #memory: GuestMemory;
  readonly #into: FrameRuns;

  constructor(source: ExtentSource, memory: GuestMemory, into: FrameRuns) {
    this.#source = source;
    this.#memory = memory;
    this.#into = into;
  }

  /** Each aligned GiB as one extent if Xen has one, else in smaller ones. */
  range({ start, end }: PfnRange): boolean {
    let pfn = start;
    if (pfn === 0) {
      if (!this.#pages(Math.min(VGA_HOLE.start, end))) return false;
      pfn = VGA_HOLE.end;
    }
    while (pfn < end) {
      const next = Math.min(end, (Math.floor(pfn / GIB_PAGES) + 1) * GIB_PAGES);
      const whole = next - pfn === GIB_PAGES && this.#some(SUPERPAGE_1G_ORDER, 1) === 1;
      if (!whole && !this.#belowGib(pfn, next)) return false;
      pfn = next;
    }
    return true;
  }

  #belowGib(start: number, end: number): boolean {
    let pfn = Math.min(end, Math.ceil(start / MIB2_PAGES) * MIB2_PAGES);
    if (!this.#pages(pfn - start)) return false;
    while (end - pfn >= MIB2_PAGES) {
      const asked = Math.floor((end - pfn) / MIB2_PAGES);
      const done = this.#some(SUPERPAGE_2M_ORDER, asked);
      const filled = done === asked ? asked : Math.min(asked, (Math.floor(done / BATCH_EXTENTS) + 1) * BATCH_EXTENTS);
      if (!this.#pages((filled - done) * MIB2_PAGES)) return false;
      pfn += filled * MIB2_PAGES;
    }
    return this.#pages(end - pfn);
  }

  #pages(pages: number): boolean {
    return pages <= 0 || this.#some(0, pages) === pages;
  }

  #some(order: number, extents: number): number {
    const { exactNode, affinity } = this.#memory;
    return exactNode === null
      ? this.#source.take(order, extents, affinity, this.#into)
      : this.#source.takeExact(order, extents, exactNode, this.#into);
  }
}
