// The ACPI tables of a PVH guest: RSDP, XSDT, MADT, FADT and an empty DSDT, with virtual nodes SRAT
// and SLIT as well. Without them a PVH Linux seems to boot, but has no timer and no second CPU.
import { LIMITS } from '../../machine/model.js';
import type { GuestVnuma } from '../../xenctrl/xenctrl.js';

/**
 * The tables' address in the guest (ACPI_INFO_PHYSICAL_ADDRESS of Xen's own tools): in the MMIO
 * hole, above all low memory.
 */
export const ACPI_ADDRESS = 0xfc00_0000;
const PAGE_BYTES = 4096;

const LAPIC_ADDRESS = 0xfee0_0000;
const HEADER_BYTES = 36;
const RSDP_BYTES = 36;
const FADT_BYTES = 268;

/**
 * Xen gives vCPU i the APIC id 2i (xen/arch/x86/hvm/vlapic.c); a MADT that says otherwise never
 * starts the second CPU.
 */
export const apicId = (vcpu: number): number => vcpu * 2;

/**
 * Whole pages to copy to ACPI_ADDRESS in the guest, with the RSDP at their start.
 * @param vcpus 1 to LIMITS.vcpusPerHvm
 * @param vnuma null = without virtual nodes
 */
export function acpiPages(vcpus: number, vnuma: GuestVnuma | null): Uint8Array {
  if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > LIMITS.vcpusPerHvm)
    throw new RangeError(`a PVH guest has 1 to ${LIMITS.vcpusPerHvm} vCPUs, not ${vcpus}`);
  const placed: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  let end = align(RSDP_BYTES);
  const place = (bytes: Uint8Array): number => {
    placed.push({ at: end, bytes });
    const address = ACPI_ADDRESS + end;
    end = align(end + bytes.length);
    return address;
  };
  const dsdt = place(table('DSDT', 2, HEADER_BYTES, () => {}));
  const ofNodes = vnuma === null ? [] : [resourceAffinity(vnuma), localityDistances(vnuma)];
  const listed = [fixedDescription(dsdt), interruptControllers(vcpus), ...ofNodes].map(place);
  const xsdt = place(
    table('XSDT', 1, HEADER_BYTES + 8 * listed.length, (view) => {
      for (const [index, address] of listed.entries()) view.setBigUint64(HEADER_BYTES + 8 * index, BigInt(address), true);
    }),
  );
  const pages = new Uint8Array(Math.ceil(end / PAGE_BYTES) * PAGE_BYTES);
  for (const { at, bytes } of placed) pages.set(bytes, at);
  pages.set(rootPointer(xsdt), 0);
  return pages;
}

const align = (offset: number): number => (offset + 15) & ~15;

function text(bytes: Uint8Array, offset: number, value: string): void {
  for (let i = 0; i < value.length; i++) bytes[offset + i] = value.charCodeAt(i);
}

/** The byte that makes the sum 0. */
function checksum(bytes: Uint8Array): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
}

/**
 * A table with its header (ACPI 6, 5.2.6): signature, length, revision, checksum, OEM and creator.
 */
function table(signature: string, revision: number, lengthBytes: number, fill: (view: DataView, bytes: Uint8Array) => void): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  const view = new DataView(bytes.buffer);
  text(bytes, 0, signature);
  view.setUint32(4, lengthBytes, true);
  bytes[8] = revision;
  text(bytes, 10, 'Xen\0\0\0');
  text(bytes, 16, 'XENNUMA\0');
  text(bytes, 28, 'XNUM');
  fill(view, bytes);
  bytes[9] = checksum(bytes);
  return bytes;
}

/** FADT revision 5 of a hardware-reduced machine: no chipset, PIC, CMOS clock or VGA. */
function fixedDescription(dsdt: number): Uint8Array {
  const WBINVD = 1;
  const PWR_BUTTON_NOT_FIXED = 1 << 4;
  const SLP_BUTTON_NOT_FIXED = 1 << 5;
  const HW_REDUCED_ACPI = 1 << 20;
  const VGA_NOT_PRESENT = 1 << 2;
  const CMOS_RTC_NOT_PRESENT = 1 << 5;
  return table('FACP', 5, FADT_BYTES, (view) => {
    view.setUint32(40, dsdt, true);
    view.setUint16(109, VGA_NOT_PRESENT | CMOS_RTC_NOT_PRESENT, true);
    view.setUint32(112, WBINVD | PWR_BUTTON_NOT_FIXED | SLP_BUTTON_NOT_FIXED | HW_REDUCED_ACPI, true);
    view.setBigUint64(140, BigInt(dsdt), true);
  });
}

/** MADT: one enabled local APIC for each vCPU. */
function interruptControllers(vcpus: number): Uint8Array {
  const ENTRY_BYTES = 8;
  return table('APIC', 4, HEADER_BYTES + 8 + vcpus * ENTRY_BYTES, (view, bytes) => {
    view.setUint32(HEADER_BYTES, LAPIC_ADDRESS, true);
    for (let vcpu = 0; vcpu < vcpus; vcpu++) {
      const entry = HEADER_BYTES + 8 + vcpu * ENTRY_BYTES;
      bytes[entry + 1] = ENTRY_BYTES;
      bytes[entry + 2] = vcpu;
      bytes[entry + 3] = apicId(vcpu);
      view.setUint32(entry + 4, 1, true);
    }
  });
}

/** SRAT: the virtual node of each vCPU and of each range of memory (libacpi's build.c). */
function resourceAffinity({ vcpuToVnode, ranges }: GuestVnuma): Uint8Array {
  const [HEAD_BYTES, PROCESSOR_BYTES, MEMORY_BYTES] = [HEADER_BYTES + 12, 16, 40];
  const MEMORY_AFFINITY = 1;
  const ENABLED = 1;
  const memoryAt = HEAD_BYTES + vcpuToVnode.length * PROCESSOR_BYTES;
  return table('SRAT', 1, memoryAt + ranges.length * MEMORY_BYTES, (view, bytes) => {
    // Reserved, and must be 1.
    view.setUint32(HEADER_BYTES, 1, true);
    for (const [vcpu, vnode] of vcpuToVnode.entries()) {
      const entry = HEAD_BYTES + vcpu * PROCESSOR_BYTES;
      bytes.set([0, PROCESSOR_BYTES, vnode, apicId(vcpu)], entry);
      view.setUint32(entry + 4, ENABLED, true);
    }
    for (const [index, { start, end, vnode }] of ranges.entries()) {
      const entry = memoryAt + index * MEMORY_BYTES;
      bytes.set([MEMORY_AFFINITY, MEMORY_BYTES], entry);
      view.setUint32(entry + 2, vnode, true);
      view.setBigUint64(entry + 8, BigInt(start), true);
      view.setBigUint64(entry + 16, BigInt(end - start), true);
      view.setUint32(entry + 28, ENABLED, true);
    }
  });
}

/** SLIT: a byte for each pair of virtual nodes. */
function localityDistances({ distances }: GuestVnuma): Uint8Array {
  const HEAD_BYTES = HEADER_BYTES + 8;
  return table('SLIT', 1, HEAD_BYTES + distances.length ** 2, (view, bytes) => {
    view.setBigUint64(HEADER_BYTES, BigInt(distances.length), true);
    bytes.set(distances.flat(), HEAD_BYTES);
  });
}

/**
 * RSDP revision 2: a checksum of its first 20 bytes (the part of ACPI 1), and one of the whole
 * table.
 */
function rootPointer(xsdt: number): Uint8Array {
  const bytes = new Uint8Array(RSDP_BYTES);
  const view = new DataView(bytes.buffer);
  text(bytes, 0, 'RSD PTR ');
  text(bytes, 9, 'Xen\0\0\0');
  bytes[15] = 2;
  view.setUint32(20, RSDP_BYTES, true);
  view.setBigUint64(24, BigInt(xsdt), true);
  bytes[8] = checksum(bytes.subarray(0, 20));
  bytes[32] = checksum(bytes);
  return bytes;
}
