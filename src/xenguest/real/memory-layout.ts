// The memory layout of a PVH or HVM guest, before any of it is allocated: low memory, the hole,
// high memory, the e820 map of PVH, and the 1 GiB extents that libxenguest will request.
import { GIB, MIB, PAGE_BYTES, PAGES_PER_MIB } from '../../base/units.js';
import { type ContainerKind, mmioHoleBytes, pfnRanges, VGA_HOLE } from '../memory/guest-pages.js';
import { ACPI_ADDRESS } from './acpi.js';

export const FOUR_GIB = 4 * GIB;
/**
 * libxenguest puts the special pages (XenStore, console, ...) below 0xff000000
 * (X86_HVM_END_SPECIAL_REGION, 8 pages).
 */
const SPECIAL_ADDRESS = 0xfeff_8000;
const SPECIAL_BYTES = 0x8000;

export const E820_RAM = 1;
export const E820_RESERVED = 2;
export const E820_ACPI = 3;

export interface E820Entry {
  readonly address: number;
  readonly sizeBytes: number;
  readonly type: number;
}

export interface GuestMemory {
  readonly mmioStart: number;
  readonly mmioSizeBytes: number;
  /** End of the memory below 4 GiB. */
  readonly lowmemEnd: number;
  /** End of the memory above 4 GiB; when there is none, 4 GiB for PVH and 0 for HVM. */
  readonly highmemEnd: number;
}

/**
 * XenServer's xenguest.patch, pvh_setup_mem and hvm_build_setup_mem: memory that does not fit below
 * the hole goes above 4 GiB.
 */
export function guestMemory(kind: 'pvh' | 'hvm', memMaxMib: number): GuestMemory {
  const bytes = memMaxMib * MIB;
  const mmioSizeBytes = mmioHoleBytes(kind);
  const mmioStart = FOUR_GIB - mmioSizeBytes;
  const ends =
    bytes > mmioStart
      ? { lowmemEnd: mmioStart, highmemEnd: FOUR_GIB + bytes - mmioStart }
      : { lowmemEnd: bytes, highmemEnd: kind === 'pvh' ? FOUR_GIB : 0 };
  return { mmioStart, mmioSizeBytes, ...ends };
}

/**
 * The map that the guest reads: RAM, the ACPI pages, the special pages, RAM above 4 GiB; ascending.
 */
export function pvhE820({ lowmemEnd, highmemEnd }: GuestMemory, acpiBytes: number): E820Entry[] {
  const entries: E820Entry[] = [
    { address: 0, sizeBytes: lowmemEnd, type: E820_RAM },
    { address: ACPI_ADDRESS, sizeBytes: acpiBytes, type: E820_ACPI },
    { address: SPECIAL_ADDRESS, sizeBytes: SPECIAL_BYTES, type: E820_RESERVED },
  ];
  if (highmemEnd > FOUR_GIB) entries.push({ address: FOUR_GIB, sizeBytes: highmemEnd - FOUR_GIB, type: E820_RAM });
  return entries;
}

export const E820_ENTRY_BYTES = 20;

/** struct e820entry: address and size as u64, type as u32, packed. */
export function e820Bytes(entries: readonly E820Entry[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * E820_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, { address, sizeBytes, type }] of entries.entries()) {
    view.setBigUint64(index * E820_ENTRY_BYTES, BigInt(address), true);
    view.setBigUint64(index * E820_ENTRY_BYTES + 8, BigInt(sizeBytes), true);
    view.setUint32(index * E820_ENTRY_BYTES + 16, type, true);
  }
  return bytes;
}

/** Bytes of guest memory [start, end), as vmemranges name them. */
export function byteRanges(kind: ContainerKind, mib: number): { readonly start: number; readonly end: number }[] {
  return pfnRanges(kind, mib * PAGES_PER_MIB).map(({ start, end }) => ({ start: start * PAGE_BYTES, end: end * PAGE_BYTES }));
}

/**
 * The number of 1 GiB extents that libxenguest requests, before it tries 2 MiB ones: every aligned
 * whole GiB of a PVH or HVM guest's memory that no hole touches
 * (tools/libs/guest/xg_dom_x86.c:1348-1648). A PV guest gets 2 MiB extents at most.
 */
export function gibExtents(kind: ContainerKind, mib: number): number {
  if (kind === 'pv') return 0;
  let extents = 0;
  const first = kind === 'hvm' ? VGA_HOLE.end * PAGE_BYTES : 0;
  for (const { start, end } of byteRanges(kind, mib)) {
    extents += Math.max(0, Math.floor(end / GIB) - Math.ceil(Math.max(start, first) / GIB));
  }
  return extents;
}
