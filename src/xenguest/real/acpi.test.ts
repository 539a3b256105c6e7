import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../machine/model.js';
import type { GuestVnuma } from '../../xenctrl/xenctrl.js';
import { ACPI_ADDRESS, acpiPages } from './acpi.js';

const sum = (bytes: Uint8Array) => bytes.reduce((total, byte) => total + byte, 0) & 0xff;
const name = (bytes: Uint8Array, from: number, length: number) => Buffer.from(bytes.subarray(from, from + length)).toString('latin1');

/** Walks the page as a kernel does: RSDP, XSDT, its tables, and the FADT's DSDT. */
function walk(page: Uint8Array): Map<string, Uint8Array> {
  const view = new DataView(page.buffer);
  expect(name(page, 0, 8)).toBe('RSD PTR ');
  expect(page[15], 'revision').toBe(2);
  expect(sum(page.subarray(0, 20)), 'checksum of the first 20 bytes').toBe(0);
  expect(sum(page.subarray(0, view.getUint32(20, true))), 'checksum of all').toBe(0);
  const at = (address: bigint): Uint8Array => {
    const offset = Number(address) - ACPI_ADDRESS;
    expect(offset).toBeGreaterThan(0);
    const table = page.subarray(offset, offset + view.getUint32(offset + 4, true));
    expect(sum(table), `checksum of ${name(table, 0, 4)}`).toBe(0);
    return table;
  };
  const tables = new Map<string, Uint8Array>();
  const xsdt = at(view.getBigUint64(24, true));
  tables.set(name(xsdt, 0, 4), xsdt);
  const inXsdt = new DataView(xsdt.buffer, xsdt.byteOffset, xsdt.length);
  for (let entry = 36; entry < xsdt.length; entry += 8) {
    const table = at(inXsdt.getBigUint64(entry, true));
    tables.set(name(table, 0, 4), table);
  }
  const fadt = tables.get('FACP')!;
  const dsdt = at(new DataView(fadt.buffer, fadt.byteOffset).getBigUint64(140, true));
  tables.set(name(dsdt, 0, 4), dsdt);
  return tables;
}

function vnumaOf(vcpus: number, vnodes: number): GuestVnuma {
  const list = Array.from({ length: vnodes }, (_, vnode) => vnode);
  return {
    vcpuToVnode: Array.from({ length: vcpus }, (_, vcpu) => vcpu % vnodes),
    distances: list.map((from) => list.map((to) => (from === to ? 10 : 20))),
    ranges: list.map((vnode) => ({ start: vnode * 2 ** 30, end: (vnode + 1) * 2 ** 30, vnode })),
  };
}

describe('ACPI tables of a PVH guest', () => {
  it.each([
    [1, 0, 1],
    [2, 0, 1],
    [LIMITS.vcpusPerHvm, 0, 1],
    [4, 2, 1],
    // SRAT and SLIT of as many virtual nodes as Xen allows do not fit into the first page.
    [LIMITS.vcpusPerHvm, 32, 2],
  ])(
    'of %d vCPUs and %d virtual nodes have right checksums, lie in %d pages without overlap and name every CPU',
    (vcpus, vnodes, count) => {
      const pages = acpiPages(vcpus, vnodes === 0 ? null : vnumaOf(vcpus, vnodes));
      expect(pages).toHaveLength(count * 4096);
      const tables = walk(pages);
      expect([...tables.keys()].sort()).toEqual(['APIC', 'DSDT', 'FACP', ...(vnodes === 0 ? [] : ['SLIT', 'SRAT']), 'XSDT']);
      const spans = [[0, 36], ...[...tables.values()].map((table) => [table.byteOffset, table.byteOffset + table.length])];
      spans.sort((a, b) => a[0]! - b[0]!);
      for (let i = 1; i < spans.length; i++) expect(spans[i]![0]!).toBeGreaterThanOrEqual(spans[i - 1]![1]!);
      expect(spans.at(-1)![1]!).toBeLessThanOrEqual(pages.length);

      const madt = tables.get('APIC')!;
      const view = new DataView(madt.buffer, madt.byteOffset, madt.length);
      expect(view.getUint32(36, true)).toBe(0xfee0_0000);
      const entries = [];
      for (let at = 44; at < madt.length; at += madt[at + 1]!)
        entries.push({ type: madt[at], uid: madt[at + 2], apic: madt[at + 3], flags: view.getUint32(at + 4, true) });
      expect(entries).toEqual(Array.from({ length: vcpus }, (_, vcpu) => ({ type: 0, uid: vcpu, apic: 2 * vcpu, flags: 1 })));
    },
  );

  it('tell the virtual node of each vCPU and of each range, and the distances', () => {
    const tables = walk(
      acpiPages(3, {
        vcpuToVnode: [1, 0, 1],
        distances: [
          [10, 21],
          [20, 10],
        ],
        ranges: [
          { start: 0, end: 0xfc00_0000, vnode: 0 },
          { start: 2 ** 32, end: 2 ** 33, vnode: 1 },
        ],
      }),
    );
    const srat = tables.get('SRAT')!;
    const view = new DataView(srat.buffer, srat.byteOffset, srat.length);
    const entries = [];
    for (let at = 48; at < srat.length; at += srat[at + 1]!) {
      const base = () => [Number(view.getBigUint64(at + 8, true)), Number(view.getBigUint64(at + 16, true)), view.getUint32(at + 28, true)];
      entries.push(srat[at] === 0 ? [srat[at + 2], srat[at + 3], view.getUint32(at + 4, true)] : [view.getUint32(at + 2, true), ...base()]);
    }
    expect(entries).toEqual([
      [1, 0, 1],
      [0, 2, 1],
      [1, 4, 1],
      [0, 0, 0xfc00_0000, 1],
      [1, 2 ** 32, 2 ** 32, 1],
    ]);
    const slit = tables.get('SLIT')!;
    expect([...slit.subarray(36)]).toEqual([2, 0, 0, 0, 0, 0, 0, 0, 10, 21, 20, 10]);
  });

  it('describes a hardware-reduced machine', () => {
    const fadt = walk(acpiPages(1, null)).get('FACP')!;
    const view = new DataView(fadt.buffer, fadt.byteOffset, fadt.length);
    expect(fadt).toHaveLength(268);
    expect(fadt[8]).toBe(5);
    expect(view.getUint32(112, true)).toBe((1 << 20) | 0x31);
    expect(view.getUint16(109, true)).toBe(0x24);
    expect(view.getUint32(40, true), 'DSDT and X_DSDT agree').toBe(Number(view.getBigUint64(140, true)));
  });

  it.each([0, -1, 1.5, LIMITS.vcpusPerHvm + 1])('refuses %d vCPUs', (vcpus) => expect(() => acpiPages(vcpus, null)).toThrow(RangeError));
});
