// Whole rounds of extents at once give exactly the state of the same extents one by one: frames,
// heap, cursor.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Bitset } from '../../base/bitset.js';
import { MIB } from '../../base/units.js';
import { Domain, MAX_NUMNODES, NUMA_NO_NODE } from '../state/domain.js';
import { machineFromHost } from '../state/machine.js';
import { ZONE_MAX } from './free-heap.js';
import { ExtentAllocator } from './get-free-buddy.js';
import { Heap } from './heap.js';

interface Case {
  readonly freeMib: readonly number[];
  readonly affinity: readonly number[];
  readonly cursor: number;
  readonly dmaBits: number;
  readonly claimedPages: number;
  readonly asks: readonly { readonly pages: number; readonly order: number }[];
}

function play(testCase: Case, rounds: boolean) {
  const { freeMib } = testCase;
  const machine = machineFromHost(
    {
      name: 'any',
      source: 'test',
      nodes: freeMib.map((mib, id) => ({ id, memoryBytes: 64 * MIB, freeBytes: mib * MIB })),
      cpus: freeMib.map((_, id) => ({ id, node: id, core: 0, socket: id })),
      distances: freeMib.map((_, i) => freeMib.map((_, j) => (i === j ? 10 : 20))),
      notes: [],
    },
    { dmaBits: testCase.dmaBits },
  );
  const heap = new Heap(machine);
  const config = { id: 1, hvm: true, hap: true, xenstoreDomain: false, maxVcpus: 1, handle: new Uint8Array(16), ssidref: 0 };
  const domain = new Domain(config, { id: 0, schedulerId: 6, cpus: new Bitset(freeMib.length), domains: 0 }, freeMib.length);
  const other = new Domain({ ...config, id: 2 }, domain.pool, freeMib.length);
  heap.stakeClaim(other, Math.min(testCase.claimedPages, heap.freePages()), NUMA_NO_NODE);
  domain.nodeAffinity.clear();
  for (const node of testCase.affinity) domain.nodeAffinity.add(node);
  domain.lastAllocNode = testCase.cursor;
  const online = new Bitset(MAX_NUMNODES);
  for (const node of freeMib.keys()) online.add(node);
  const taken: number[] = [];
  for (const { pages, order } of testCase.asks) {
    const request = { order, node: NUMA_NO_NODE, exact: false, zoneHigh: ZONE_MAX, coveredByClaim: false };
    const allocator = new ExtentAllocator(heap, online, domain, request, pages, domain.xenPages);
    let got = 0;
    while (got < pages) {
      if (rounds) got += allocator.nextRounds(pages - got);
      if (got === pages || allocator.next() < 0) break;
      got++;
    }
    allocator.close();
    taken.push(got);
  }
  return {
    taken,
    cursor: domain.lastAllocNode,
    runs: domain.xenPages.map((runs) => [...runs.runs()]),
    free: heap.nodes.map((node) => [...node.blocks()].sort((a, b) => a.mfn - b.mfn)),
  };
}

const cases: fc.Arbitrary<Case> = fc.integer({ min: 1, max: 5 }).chain((nodes) =>
  fc.record({
    freeMib: fc.array(fc.nat(48), { minLength: nodes, maxLength: nodes }),
    affinity: fc.uniqueArray(fc.nat(nodes), { maxLength: nodes + 1 }),
    cursor: fc.oneof(fc.nat(nodes), fc.constant(NUMA_NO_NODE)),
    dmaBits: fc.constantFrom(0, 24),
    claimedPages: fc.oneof(fc.constant(0), fc.nat(30_000)),
    asks: fc.array(fc.record({ pages: fc.nat(9000), order: fc.constantFrom(0, 0, 1, 9) }), { minLength: 1, maxLength: 4 }),
  }),
);

test('rounds at once are the same as one by one', () => {
  let took = 0;
  fc.assert(
    fc.property(cases, (testCase) => {
      const atOnce = play(testCase, true);
      took += atOnce.taken.reduce((sum, pages) => sum + pages, 0);
      expect(atOnce).toEqual(play(testCase, false));
    }),
    { seed: 20261125, numRuns: 400 },
  );
  expect(took).toBeGreaterThan(100_000);
});
