// The extents in which a guest's memory is requested (libxenguest's xg_dom_x86.c: 1348-1648 for HVM
// containers, meminit_pv for PV). Xen decides the node of each.
import type { Extents } from './extents.js';
import { type PfnRange, SUPERPAGE_1G_ORDER, SUPERPAGE_2M_ORDER, VGA_HOLE } from './guest-pages.js';

const GIB_PAGES = 2 ** SUPERPAGE_1G_ORDER;
const MIB2_PAGES = 2 ** SUPERPAGE_2M_ORDER;
/**
 * The number of 2 MiB extents that libxenguest requests in a call. It completes a failed call with
 * single pages.
 */
const HVM_BATCH_EXTENTS = 4;
const PV_BATCH_EXTENTS = 512;
const PV_BATCH_PAGES = 2 ** 20;

/** Awaited after each GiB at most, so that parallel builds take turns. */
export type Turn = () => Promise<void>;

/**
 * One range of an HVM container: each aligned GiB as one extent if Xen has one, otherwise as 2 MiB
 * extents, otherwise as pages.
 */
export async function populateHvmRange(extents: Extents, range: PfnRange, hasVga: boolean, turn: Turn): Promise<void> {
  let pfn = range.start;
  if (hasVga && pfn === 0) {
    // The library names no virtual node for these (meminit_hvm).
    extents.outsideVirtualNodes().allPages(0, VGA_HOLE.start);
    pfn = VGA_HOLE.end;
  }
  while (pfn < range.end) {
    const end = Math.min(range.end, nextBoundary(pfn, GIB_PAGES));
    if (end - pfn < GIB_PAGES || extents.some(pfn, 1, SUPERPAGE_1G_ORDER) === 0) populateBelowGib(extents, pfn, end);
    pfn = end;
    await turn();
  }
}

/**
 * Nothing is freed between the calls for one GiB of a build, so all its 2 MiB extents are requested
 * at once, with the same result as calls of four. After one fails, the rest of its four are single
 * pages, and the next four are tried again.
 */
function populateBelowGib(extents: Extents, start: number, end: number): void {
  let pfn = start;
  const aligned = Math.min(end, Math.ceil(pfn / MIB2_PAGES) * MIB2_PAGES);
  if (aligned > pfn) extents.allPages(pfn, aligned - pfn);
  pfn = aligned;
  while (end - pfn >= MIB2_PAGES) {
    const count = Math.floor((end - pfn) / MIB2_PAGES);
    const done = extents.some(pfn, count, SUPERPAGE_2M_ORDER);
    const batchEnd = Math.min(count, (Math.floor(done / HVM_BATCH_EXTENTS) + 1) * HVM_BATCH_EXTENTS);
    const filled = done === count ? count : batchEnd;
    if (filled > done) extents.allPages(pfn + done * MIB2_PAGES, (filled - done) * MIB2_PAGES);
    pfn += filled * MIB2_PAGES;
  }
  if (end > pfn) extents.allPages(pfn, end - pfn);
}

/** A PV guest's memory: 2 MiB extents as long as Xen has some, then pages. */
export async function populatePvRange(extents: Extents, range: PfnRange, turn: Turn): Promise<void> {
  let pfn = range.start;
  for (let left = Math.floor((range.end - range.start) / MIB2_PAGES); left > 0; ) {
    const count = Math.min(left, PV_BATCH_EXTENTS);
    pfn += extents.some(pfn, count, SUPERPAGE_2M_ORDER, pfn === range.start) * MIB2_PAGES;
    left -= count;
    await turn();
  }
  while (pfn < range.end) {
    const pages = Math.min(range.end - pfn, PV_BATCH_PAGES);
    extents.allPages(pfn, pages, pfn === range.start);
    pfn += pages;
    await turn();
  }
}

function nextBoundary(pfn: number, pages: number): number {
  return (Math.floor(pfn / pages) + 1) * pages;
}
