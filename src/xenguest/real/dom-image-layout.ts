// struct xc_dom_image as data, by library version: the builder sets and reads fields of a structure
// that the library owns.

/** Offsets in bytes, x86-64. */
export interface DomImageLayout {
  readonly sizeBytes: number;
  /** u64 */
  readonly flags: number;
  /** u32 each */
  readonly consoleEvtchn: number;
  readonly xenstoreEvtchn: number;
  readonly consoleDomid: number;
  readonly xenstoreDomid: number;
  /**
   * Pointer to nrVmemranges structures of 24 bytes: start and end in bytes (u64), flags, nid (u32).
   */
  readonly vmemranges: number;
  readonly nrVmemranges: number;
  /** Pointer to nrVnodes u32. */
  readonly vnodeToPnode: number;
  readonly nrVnodes: number;
  /** u32: 0 = PV, 1 = HVM and PVH. */
  readonly containerType: number;
  /** u64 each */
  readonly targetPages: number;
  readonly mmioStart: number;
  readonly mmioSize: number;
  readonly lowmemEnd: number;
  readonly highmemEnd: number;
  readonly vgaHoleSize: number;
  /** u8 */
  readonly deviceModel: number;
  /** One module, as those of acpiModules: the firmware that hvmloader starts. */
  readonly systemFirmware: number;
  /**
   * The first of four modules of 24 bytes: data pointer, length u32 at 8, guest address u64 at 16.
   */
  readonly acpiModules: number;
  /** Pointer, and u32. */
  readonly e820: number;
  readonly e820Entries: number;
  /** u32 */
  readonly maxVcpus: number;
  /** u64 each, read after the build. */
  readonly consolePfn: number;
  readonly xenstorePfn: number;
  /** Pointer to p2mSize u64: machine frame of each pseudo-physical one. */
  readonly pvP2m: number;
  readonly p2mSize: number;
}

const LAYOUT_4_17: DomImageLayout = {
  sizeBytes: 1952,
  flags: 560,
  consoleEvtchn: 568,
  xenstoreEvtchn: 572,
  consoleDomid: 576,
  xenstoreDomid: 580,
  vmemranges: 1656,
  nrVmemranges: 1664,
  vnodeToPnode: 1672,
  nrVnodes: 1680,
  containerType: 1712,
  targetPages: 1720,
  mmioStart: 1728,
  mmioSize: 1736,
  lowmemEnd: 1744,
  highmemEnd: 1752,
  vgaHoleSize: 1760,
  deviceModel: 1768,
  systemFirmware: 1776,
  acpiModules: 1800,
  e820: 1920,
  e820Entries: 1928,
  maxVcpus: 1944,
  consolePfn: 384,
  xenstorePfn: 392,
  pvP2m: 480,
  p2mSize: 488,
};

/**
 * One entry for each libxenguest that this builder knows. The source: offsetof() of xenguest.h in
 * Debian's libxen-dev 4.17 and 4.20, and guests built with the libraries. The offsets of another
 * version can be taken from its own public xenguest.h in the same way.
 */
export const DOM_IMAGE_LAYOUTS: Readonly<Record<string, DomImageLayout>> = { '4.17': LAYOUT_4_17, '4.20': LAYOUT_4_17 };

export const SUPPORTED_VERSIONS = Object.keys(DOM_IMAGE_LAYOUTS);
