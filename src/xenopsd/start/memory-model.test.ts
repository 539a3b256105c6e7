// Expected values were worked out by hand from memory.ml's formulas.

import { describe, expect, it } from 'vitest';
import { MIB } from '../../base/units.js';
import type { VmKind } from '../../machine/vm.js';
import { memoryConfig } from './memory-model.js';

function config(kind: VmKind, maxMib: number, targetMib: number, vcpus: number, toolstack: 'xenopsd' | 'libxl' = 'xenopsd') {
  const memory = { memoryStaticMaxBytes: maxMib * MIB, memoryTargetBytes: targetMib * MIB };
  return memoryConfig({ name: 'a', kind, vcpusMax: vcpus, vcpusAtStartup: vcpus, ...memory, vcpusParams: {} }, toolstack);
}

describe('memory of a domain', () => {
  it('HVM: 1 MiB inside and 1 MiB outside its own, and the shadow', () => {
    // (256 * 4 + 2 * 1024) pages = 12 MiB
    expect(config('hvm', 1024, 512, 4)).toEqual({
      buildMaxMib: 1024,
      buildStartMib: 512,
      xenMaxMib: 1025,
      shadowMib: 12,
      requiredHostFreeMib: 526,
      buildClaimPages: 131072,
      staticMaxMib: 1024,
      targetMib: 512,
    });
  });
  it('PV: nothing inside', () => {
    const { xenMaxMib, requiredHostFreeMib, buildMaxMib } = config('pv', 1024, 1024, 1);
    expect({ xenMaxMib, requiredHostFreeMib, buildMaxMib }).toEqual({ xenMaxMib: 1024, requiredHostFreeMib: 1034, buildMaxMib: 1024 });
  });
  it('PV in PVH: the shim takes 23 MiB and a ninetieth, rounded down', () => {
    const { xenMaxMib, buildMaxMib, buildStartMib } = config('pvh', 1024, 512, 1);
    expect({ xenMaxMib, buildMaxMib, buildStartMib }).toEqual({
      xenMaxMib: 1024 + 1 + 34,
      buildMaxMib: 1024 + 34,
      buildStartMib: 512 + 28,
    });
  });
  it("libxl's PVH has no shim", () => {
    const { xenMaxMib, buildMaxMib } = config('pvh', 1024, 512, 1, 'libxl');
    expect({ xenMaxMib, buildMaxMib }).toEqual({ xenMaxMib: 1025, buildMaxMib: 1024 });
  });
  it('rounds up to MiB', () => {
    expect(config('hvm', 1.5, 0.5, 1)).toMatchObject({ staticMaxMib: 2, targetMib: 1 });
  });
});
