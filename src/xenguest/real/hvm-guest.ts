// The parts of an HVM guest that a PVH guest lacks: the firmware that hvmloader starts, the memory
// map that hvmloader reads from Xen, and its table of CPUs and memory.

import koffi from 'koffi';
import { readUserFile } from '../../base/files/user-file.js';
import { MIB, PAGE_BYTES } from '../../base/units.js';
import { LIMITS } from '../../machine/model.js';
import type { PlatformFlags } from '../platform.js';
import { XenguestError } from '../xenguest.js';
import type { XcInterface } from './dom-image.js';
import { E820_RAM, type E820Entry, FOUR_GIB, type GuestMemory } from './memory-layout.js';

/** hvmloader has that much room below 1 MiB and below 4 GiB; OVMF's image has 2 or 4 MiB. */
export const FIRMWARE_MAX_BYTES = 16 * MIB;

/** HVM_INFO_PFN and HVM_INFO_OFFSET; the fields of struct hvm_info_table. */
const INFO_PFN = 0x9f;
const INFO_AT = 0x800;
const FIELDS = { signature: 0, length: 8, checksum: 12, apicMode: 13, vcpus: 16, online: 32 } as const;
const SIGNATURE = 'HVM INFO';
const PROT_READ_WRITE = 3;
const RAM_START = MIB;

/** @throws XenguestError for a file that no firmware can be in */
export function readFirmware(path: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = readUserFile(path, { mostBytes: FIRMWARE_MAX_BYTES });
  } catch (error) {
    throw new XenguestError(`xenguest: the firmware cannot be read: ${String(error)}`);
  }
  if (bytes.length === 0) throw new XenguestError(`xenguest: the firmware ${path} has 0 bytes: expected 1 to ${FIRMWARE_MAX_BYTES}`);
  return bytes;
}

/**
 * RAM from 1 MiB on: what lies below is hvmloader's to describe (libxl_x86.c,
 * libxl__arch_domain_construct_memmap). Without a map hvmloader stops.
 */
export function hvmE820({ lowmemEnd, highmemEnd }: GuestMemory): E820Entry[] {
  const entries: E820Entry[] = [{ address: RAM_START, sizeBytes: lowmemEnd - RAM_START, type: E820_RAM }];
  if (highmemEnd > FOUR_GIB) entries.push({ address: FOUR_GIB, sizeBytes: highmemEnd - FOUR_GIB, type: E820_RAM });
  return entries;
}

/**
 * Fills in the table that xc_dom_boot_image has made (xenguest.patch, hvm_build_set_params): the
 * domain's page is mapped for it, and unmapped, or the domain could not be destroyed while this
 * process lives.
 */
export function writeHvmInfo(xch: XcInterface, domid: number, flags: PlatformFlags): void {
  const { lib, handle } = xch;
  const page = xch.pointer('xc_map_foreign_range', lib.xc_map_foreign_range(handle, domid, PAGE_BYTES, PROT_READ_WRITE, BigInt(INFO_PFN)));
  try {
    fillHvmInfo(new Uint8Array(koffi.view(page, PAGE_BYTES)).subarray(INFO_AT), flags);
  } finally {
    lib.munmap(page, BigInt(PAGE_BYTES));
  }
}

/**
 * @param table struct hvm_info_table with signature and length
 * @throws XenguestError without them
 */
export function fillHvmInfo(
  table: Uint8Array,
  { vcpus, vcpusCurrent, apic }: Pick<PlatformFlags, 'vcpus' | 'vcpusCurrent' | 'apic'>,
): void {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  const length = view.getUint32(FIELDS.length, true);
  const signature = Buffer.from(table.subarray(FIELDS.signature, FIELDS.length)).toString('latin1');
  if (signature !== SIGNATURE || length <= FIELDS.online + LIMITS.vcpusPerHvm / 8 - 1 || length > table.length) {
    throw new XenguestError('xenguest: hvm_build_set_params: there is no hvm_info_table in the guest');
  }
  table[FIELDS.apicMode] = apic ? 1 : 0;
  view.setUint32(FIELDS.vcpus, vcpus, true);
  table.fill(0, FIELDS.online, FIELDS.online + LIMITS.vcpusPerHvm / 8);
  for (let vcpu = 0; vcpu < vcpusCurrent; vcpu++) table[FIELDS.online + (vcpu >> 3)]! |= 1 << (vcpu & 7);
  table[FIELDS.checksum] = 0;
  table[FIELDS.checksum] = -table.subarray(0, length).reduce((sum, byte) => sum + byte, 0) & 0xff;
}
