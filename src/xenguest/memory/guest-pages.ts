// A guest's pages in its own address space: ranges of memory around the MMIO hole, and the special
// pages (libxenguest's xg_dom_x86.c, xenguest's hvm_build).

export const PAGES_A_MIB = 256;
export const SUPERPAGE_2M_ORDER = 9;
export const SUPERPAGE_1G_ORDER = 18;
const PAGES_4_GIB = 2 ** 20;

/** Containers as the builder's modes know them; 'hvm' has a device model, 'pvh' has none. */
export type ContainerKind = 'hvm' | 'pvh' | 'pv';

/** Pseudo-physical frames [start, end). */
export interface PfnRange {
  readonly start: number;
  readonly end: number;
}

/** First frame of the MMIO hole below 4 GiB: 0xf0000000 with a device model, 0xfc000000 without. */
const HOLE_START: Readonly<Record<ContainerKind, number>> = { hvm: 0xf0000, pvh: 0xfc000, pv: Number.POSITIVE_INFINITY };

/** The hole's size in bytes, as written to vm-data/mmio-hole-size. */
export function mmioHoleBytes(kind: 'hvm' | 'pvh'): number {
  return (PAGES_4_GIB - HOLE_START[kind]) * 4096;
}

/** Memory of a guest around the hole. Memory that does not fit below it starts at 4 GiB. */
export function pfnRanges(kind: ContainerKind, pages: number): PfnRange[] {
  const hole = HOLE_START[kind];
  if (pages <= hole) return [{ start: 0, end: pages }];
  return [
    { start: 0, end: hole },
    { start: PAGES_4_GIB, end: PAGES_4_GIB + pages - hole },
  ];
}

/** With a device model, 0xa0000-0xbffff belongs to the VGA and has no memory. */
export const VGA_HOLE: PfnRange = { start: 0xa0, end: 0xc0 };

/**
 * The special pages of an HVM container end where the reserved region below the BIOS's top begins.
 */
const SPECIAL_END = 0xff000;
const SPECIAL_PAGES = 8;
const IOREQ_SERVER_PAGES = 8;
const ACPI_PFN = 0xfc000;
const XENSTORE_INDEX = 4;
const CONSOLE_INDEX = 7;

/** XenStore and console pages of an HVM container. */
export const HVM_STORE_PFN = SPECIAL_END - SPECIAL_PAGES + XENSTORE_INDEX;
export const HVM_CONSOLE_PFN = SPECIAL_END - SPECIAL_PAGES + CONSOLE_INDEX;

/**
 * Pages of an HVM container outside its memory, populated after it: the special pages, then those
 * of the ioreq servers with a device model, or the one of the ACPI tables without (measured on
 * 4.17.7: a PVH guest of N MiB has 256 N + 9 pages). A PV guest's are within its memory.
 */
export function specialRanges(kind: ContainerKind): PfnRange[] {
  if (kind === 'pv') return [];
  const special = { start: SPECIAL_END - SPECIAL_PAGES, end: SPECIAL_END };
  const ioreq = { start: special.start - IOREQ_SERVER_PAGES, end: special.start };
  return kind === 'hvm' ? [special, ioreq] : [special, { start: ACPI_PFN, end: ACPI_PFN + 1 }];
}

/**
 * Pages of memory at a guest's start: the library claims them, and they are the target of populate
 * on demand.
 */
export function startPages(kind: ContainerKind, memStartMib: number): number {
  return memStartMib * PAGES_A_MIB - (kind === 'hvm' ? VGA_HOLE.end - VGA_HOLE.start : 0);
}
