import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { MIB } from '../../base/units.js';
import { fillHvmInfo, hvmE820, readFirmware } from './hvm-guest.js';
import { E820_RAM, FOUR_GIB, guestMemory } from './memory-layout.js';

const folder = mkdtempSync(join(tmpdir(), 'xennuma-firmware-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** As xc_dom_boot_image leaves it. */
function table(): Uint8Array {
  const bytes = new Uint8Array(2048);
  bytes.set(Buffer.from('HVM INFO'));
  new DataView(bytes.buffer).setUint32(8, 48, true);
  return bytes;
}

describe('the table of an HVM guest', () => {
  it('has the vCPUs, those online as bits, and a checksum that makes the sum 0', () => {
    const bytes = table();
    fillHvmInfo(bytes, { vcpus: 12, vcpusCurrent: 10, apic: true });
    expect(new DataView(bytes.buffer).getUint32(16, true)).toBe(12);
    expect([bytes[13], bytes[32], bytes[33], bytes[34]]).toEqual([1, 0xff, 0b11, 0]);
    expect(bytes.subarray(0, 48).reduce((sum, byte) => sum + byte, 0) & 0xff).toBe(0);
  });

  it('is not written where there is none', () => {
    const other = table();
    other[0] = 0;
    expect(() => fillHvmInfo(other, { vcpus: 1, vcpusCurrent: 1, apic: true })).toThrow('no hvm_info_table');
    const longer = table();
    new DataView(longer.buffer).setUint32(8, 4096, true);
    expect(() => fillHvmInfo(longer, { vcpus: 1, vcpusCurrent: 1, apic: true })).toThrow('no hvm_info_table');
  });
});

describe('the memory map of an HVM guest', () => {
  it('has RAM from 1 MiB on, around the hole', () => {
    expect(hvmE820(guestMemory('hvm', 128))).toEqual([{ address: MIB, sizeBytes: 127 * MIB, type: E820_RAM }]);
    const [low, high] = hvmE820(guestMemory('hvm', 4096));
    expect(low).toEqual({ address: MIB, sizeBytes: 0xf000_0000 - MIB, type: E820_RAM });
    expect(high).toEqual({ address: FOUR_GIB, sizeBytes: 256 * MIB, type: E820_RAM });
  });
});

describe('a firmware', () => {
  it('is read whole', () => {
    writeFileSync(join(folder, 'bios'), 'abc');
    expect(Buffer.from(readFirmware(join(folder, 'bios'))).toString()).toBe('abc');
  });

  it('is refused when it is missing, empty or too large', () => {
    writeFileSync(join(folder, 'empty'), '');
    writeFileSync(join(folder, 'large'), Buffer.alloc(16 * MIB + 1));
    expect(() => readFirmware(join(folder, 'none'))).toThrow('cannot be read');
    expect(() => readFirmware(join(folder, 'empty'))).toThrow('has 0 bytes');
    expect(() => readFirmware(join(folder, 'large'))).toThrow('large: expected at most 16 MiB, got 17 MiB');
  });
});
