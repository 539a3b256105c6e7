// Units of memory, and sizes as people write and read them.

export const KIB = 2 ** 10;
export const MIB = 2 ** 20;
export const GIB = 2 ** 30;
export const TIB = 2 ** 40;
/** A page frame of x86: Xen's unit of memory. */
export const PAGE_BYTES = 4096;
export const PAGES_PER_MIB = MIB / PAGE_BYTES;
export const PAGES_PER_GIB = GIB / PAGE_BYTES;

const UNIT_BYTES: Readonly<Record<string, number>> = { B: 1, KiB: KIB, MiB: MIB, GiB: GIB, TiB: TIB };

/** How a size is written, for error messages. */
export const SIZE_FORM = 'a size with its unit, such as 64GiB, 512MiB or 4096B';

/**
 * "64GiB", "1.5 TiB", "512MiB", 1048576 in bytes; undefined when it is none of these, is negative
 * or is not a whole number of bytes.
 */
export function parseSizeBytes(value: string | number): number | undefined {
  const match = /^(\d{1,16}(?:\.\d{1,6})?)\s*(B|KiB|MiB|GiB|TiB)?$/.exec(typeof value === 'number' ? String(value) : value.trim());
  if (match === null) return undefined;
  const bytes = Number(match[1]) * UNIT_BYTES[match[2] ?? 'B']!;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Bytes for people: "64 GiB", "1.5 GiB", "640 MiB". */
export function formatBytes(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const size = bytes / UNIT_BYTES[unit]!;
    if (size >= 1) return `${Number(size.toFixed(size < 10 ? 2 : 1))} ${unit}`;
  }
  return `${bytes} B`;
}

/** Longest path of a unix socket: sun_path of struct sockaddr_un (linux/un.h), less its last 0. */
export const SOCKET_PATH_BYTES = 107;
