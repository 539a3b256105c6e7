import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GIB, MIB } from '../../base/units.js';
import { byteRanges, E820_ACPI, E820_RAM, e820Bytes, gibExtents, guestMemory, pvhE820 } from './memory-layout.js';

describe('the memory of a PVH guest', () => {
  it('ends below the hole up to 4032 MiB, and goes on above 4 GiB past that', () => {
    const hole = { mmioStart: 0xfc00_0000, mmioSizeBytes: 64 * MIB };
    expect(guestMemory('pvh', 4032)).toEqual({ ...hole, lowmemEnd: 0xfc00_0000, highmemEnd: 4 * GIB });
    expect(guestMemory('pvh', 4033)).toEqual({ ...hole, lowmemEnd: 0xfc00_0000, highmemEnd: 4 * GIB + MIB });
  });

  it('is all in the map, in order and without overlap', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 16 * 1024 * 1024 }), (mib) => {
        const map = pvhE820(guestMemory('pvh', mib), 4096);
        const ram = map.filter((entry) => entry.type === E820_RAM).reduce((sum, entry) => sum + entry.sizeBytes, 0);
        expect(ram).toBe(mib * MIB);
        for (let i = 1; i < map.length; i++) expect(map[i]!.address).toBeGreaterThanOrEqual(map[i - 1]!.address + map[i - 1]!.sizeBytes);
        expect(byteRanges('pvh', mib).reduce((sum, range) => sum + range.end - range.start, 0)).toBe(mib * MIB);
      }),
      { seed: 417, numRuns: 300 },
    );
  });

  it('has the ACPI pages, in the binary form that Xen reads', () => {
    expect(pvhE820(guestMemory('pvh', 256), 8192)).toContainEqual({ address: 0xfc00_0000, sizeBytes: 8192, type: E820_ACPI });
    const map = pvhE820(guestMemory('pvh', 256), 4096);
    const bytes = e820Bytes(map);
    expect(bytes).toHaveLength(60);
    expect([...bytes.subarray(0, 20)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 1, 0, 0, 0]);
  });
});

describe('the memory of an HVM guest', () => {
  it('has a hole of 256 MiB below 4 GiB, and no end above without memory there', () => {
    const hole = { mmioStart: 0xf000_0000, mmioSizeBytes: 256 * MIB };
    expect(guestMemory('hvm', 3840)).toEqual({ ...hole, lowmemEnd: 0xf000_0000, highmemEnd: 0 });
    expect(guestMemory('hvm', 3841)).toEqual({ ...hole, lowmemEnd: 0xf000_0000, highmemEnd: 4 * GIB + MIB });
  });
});

describe('extents of 1 GiB', () => {
  it.each<['pv' | 'pvh' | 'hvm', number, number]>([
    ['pvh', 1023, 0],
    ['pvh', 1024, 1],
    // Measured: a guest of 1200 MiB took 1 GiB from another node and 176 MiB from its own.
    ['pvh', 1200, 1],
    // The GiB from 3 to 4 has the hole in it.
    ['pvh', 4032, 3],
    ['pvh', 4032 + 1023, 3],
    ['pvh', 4032 + 1024, 4],
    ['pv', 8192, 0],
    // The first GiB has the VGA hole in it, and the fourth the MMIO hole.
    ['hvm', 1024, 0],
    ['hvm', 2048, 1],
    ['hvm', 3840 + 1024, 3],
  ])('%s with %d MiB requests %d', (kind, mib, extents) => expect(gibExtents(kind, mib)).toBe(extents));
});
