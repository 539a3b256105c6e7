// Any sequence of hypercalls keeps the invariants, and the same sequence gives the same bytes.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkProperty } from '../../test/support/check-property.js';
import { RawCaller } from '../../test/support/raw-caller.js';
import { CPUPOOL_OP, DOMCTL } from '../abi/commands.js';
import { MIB } from '../base/units.js';
import { EmbeddedDoor } from '../xenctrl/doors/embedded-door.js';
import { machineFromHost, type XenMachine } from './state/machine.js';

const CPUS = 12;

/** Four nodes of unlike size: one without CPUs, one without memory, a CPU number without a CPU. */
function machine(perNodeClaims: boolean): XenMachine {
  const sizes = [96, 64, 0, 40];
  const nodeOfCpu = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2];
  return machineFromHost(
    {
      name: 'odd',
      source: 'test',
      nodes: sizes.map((mib, id) => ({ id, memoryBytes: mib * MIB, freeBytes: Math.max(0, mib - 8) * MIB })),
      cpus: nodeOfCpu.map((node, id) => ({ id, node, core: id, socket: 0 })).filter((cpu) => cpu.id !== 6),
      distances: sizes.map((_, i) => sizes.map((_, j) => (i === j ? 10 : 20 + i))),
      notes: [],
    },
    { perNodeClaims, dmaBits: 24 },
  );
}

type Step = (xen: RawCaller, domids: number[]) => unknown;

const cpus = fc.uniqueArray(fc.nat(CPUS - 1), { maxLength: CPUS });
const nodes = fc.oneof(fc.uniqueArray(fc.nat(5), { maxLength: 4 }), fc.constant(Array.from({ length: 64 }, (_, node) => node)));
const which = fc.nat(5);
const at = (domids: number[], index: number) => domids[index % Math.max(1, domids.length)] ?? 77;
const orders = fc.constantFrom(0, 0, 1, 3, 9, 9, 12);
const flags = fc.constantFrom(0, 0, 1 << 8, 2 << 8, 4 << 8, (2 << 8) | (1 << 17), (4 << 8) | (1 << 17), (1 << 16) | 0, 24, 30);

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.integer({ min: 1, max: 4 }), fc.boolean(), fc.nat(2)).map(
    ([vcpus, hvm, pool]): Step =>
      (xen, domids) => {
        const domid = xen.guest(vcpus, { hvm, pool });
        if (domid > 0) domids.push(domid);
        return domid;
      },
  ),
  fc.tuple(which, fc.nat(4), cpus, cpus, fc.constantFrom(1, 2, 3, 7)).map(
    ([domain, vcpu, hard, soft, mask]): Step =>
      (xen, domids) =>
        xen.setAffinity(at(domids, domain), vcpu, { hard, soft, flags: mask }),
  ),
  fc.tuple(which, nodes).map(
    ([domain, set]): Step =>
      (xen, domids) =>
        xen.setNodes(at(domids, domain), set),
  ),
  fc.tuple(which, fc.nat(40), orders, flags).map(
    ([domain, extents, order, memFlags]): Step =>
      (xen, domids) =>
        xen.populate(at(domids, domain), extents, order, memFlags),
  ),
  fc.tuple(which, fc.nat(30_000), fc.constantFrom(0, 0, (1 << 8) | (1 << 17), (2 << 8) | (1 << 17))).map(
    ([domain, pages, memFlags]): Step =>
      (xen, domids) =>
        xen.claim(at(domids, domain), pages, memFlags),
  ),
  fc.tuple(which, fc.nat(2 ** 12)).map(
    ([domain, pages]): Step =>
      (xen, domids) =>
        xen.domctl(DOMCTL.set_paging_mempool_size, at(domids, domain), (view) => view.setUint32(16, pages * 4096, true)),
  ),
  fc.tuple(which, fc.nat(2 ** 17)).map(
    ([domain, kib]): Step =>
      (xen, domids) =>
        xen.maxMem(at(domids, domain), kib),
  ),
  which.map(
    (domain): Step =>
      (xen, domids) => {
        const domid = at(domids, domain);
        const result = xen.domctl(DOMCTL.destroydomain, domid);
        if (result === 0) domids.splice(domids.indexOf(domid), 1);
        return result;
      },
  ),
  fc.tuple(fc.nat(CPUS), fc.boolean()).map(
    ([cpu, online]): Step =>
      (xen) =>
        xen.hotplug(cpu, online),
  ),
  fc.constant<Step>((xen) => xen.createPool(6)),
  fc.tuple(fc.constantFrom(...Object.values(CPUPOOL_OP).filter((op) => op !== CPUPOOL_OP.create)), fc.nat(3), fc.nat(CPUS), which).map(
    ([op, pool, cpu, domain]): Step =>
      (xen, domids) =>
        xen.pool(op, { pool, cpu, domid: at(domids, domain) }),
  ),
);

function run(steps: readonly Step[], perNodeClaims: boolean, check: (door: EmbeddedDoor) => void) {
  const door = new EmbeddedDoor(machine(perNodeClaims));
  const xen = new RawCaller(door, CPUS);
  const domids: number[] = [];
  const bytes: string[] = [];
  for (const one of steps) {
    const answer = one(xen, domids);
    // Handles are addresses of the test's own buffers; the structure's other bytes and the answers
    // must repeat too.
    bytes.push(JSON.stringify(answer), Buffer.from(xen.view.buffer).toString('hex'));
    check(door);
  }
  return { door, xen, domids, bytes };
}

const sequences = fc.tuple(fc.array(step, { minLength: 1, maxLength: 60 }), fc.boolean());

test('invariants hold after every hypercall, and destroying all domains gives all memory back', { timeout: 60_000 }, () => {
  checkProperty(
    'xen-invariants',
    fc.property(sequences, ([steps, perNodeClaims]) => {
      const initial = new EmbeddedDoor(machine(perNodeClaims)).inspect.freePages();
      const { door, xen, domids } = run(steps, perNodeClaims, (one) => expect(one.inspect.invariants()).toEqual([]));
      for (const domid of [...domids]) expect(xen.domctl(DOMCTL.destroydomain, domid)).toBe(0);
      expect(door.inspect.freePages()).toEqual(initial);
      expect(door.inspect.invariants()).toEqual([]);
    }),
    { seed: 42, numRuns: 300 },
  );
});

test('the same sequence gives the same bytes', () => {
  checkProperty(
    'xen-same-bytes',
    fc.property(sequences, ([steps, perNodeClaims]) => {
      const first = run(steps, perNodeClaims, () => {});
      const second = run(steps, perNodeClaims, () => {});
      expect(second.bytes).toEqual(first.bytes);
    }),
    { seed: 42, numRuns: 100 },
  );
});

test('many extents in one call land where as many calls of one extent would put them', () => {
  checkProperty(
    'xen-batched-extents',
    fc.property(fc.array(fc.tuple(fc.nat(60), orders, flags, nodes), { minLength: 1, maxLength: 8 }), (calls) => {
      const frames = [true, false].map((batched) => {
        const xen = new RawCaller(new EmbeddedDoor(machine(false)), CPUS);
        const domid = xen.guest(2);
        return calls.flatMap(([extents, order, memFlags, set]) => {
          xen.setNodes(domid, set);
          if (batched) return xen.populate(domid, extents, order, memFlags).frames;
          const each: number[] = [];
          for (let i = 0; i < extents; i++) {
            const { done, frames } = xen.populate(domid, 1, order, memFlags);
            if (done === 0) break;
            each.push(...frames);
          }
          return each;
        });
      });
      expect(frames[0]).toEqual(frames[1]);
    }),
    { seed: 42, numRuns: 200 },
  );
});
