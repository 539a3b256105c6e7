// The union rule on hand-made cases, and against the embedded hypervisor, which computes it on
// bitmaps in its own domain_update_node_aff().
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RawCaller } from '../../test/support/raw-caller.js';
import { CPUPOOL_OP } from '../abi/commands.js';
import { parseList } from '../base/bitset.js';
import { MIB } from '../base/units.js';
import { machineFromHost } from '../xen/state/machine.js';
import { EmbeddedDoor } from '../xenctrl/doors/embedded-door.js';
import { unionRule } from './union-rule.js';

const CPUS = 12;
/** CPU 6 is absent; node 3 has no CPUs. */
const NODE_OF_CPU = [0, 0, 0, 0, 1, 1, undefined, 1, 2, 2, 2, 2];
const ALL = [...NODE_OF_CPU.keys()];

describe('hand-made cases', () => {
  const cpus = { poolCpus: [0, 1, 2, 3, 4, 5], nodeOf: (cpu: number) => NODE_OF_CPU[cpu] };
  const rule = (...vcpus: { hard: number[]; soft: number[] }[]) => unionRule(vcpus, cpus);

  test('no vCPUs: Xen leaves the node affinity as it is', () => expect(rule()).toBeNull());
  test('soft affinity decides while hard affinity is everything', () => expect(rule({ hard: ALL, soft: [5] })).toEqual([1]));
  test('one vCPU without restrictions makes the domain span every node of its pool', () =>
    expect(rule({ hard: ALL, soft: [5] }, { hard: ALL, soft: ALL })).toEqual([0, 1]));
  test('a soft mask outside of all hard masks has no effect', () => expect(rule({ hard: [0], soft: [4] })).toEqual([0]));
  test('the soft mask of one vCPU counts within the hard mask of another', () =>
    expect(rule({ hard: [0], soft: [4] }, { hard: [4], soft: [] })).toEqual([1]));
  test('CPUs of another pool do not count, in either mask', () => expect(rule({ hard: [0, 8], soft: [8] })).toEqual([0]));
});

const mask = fc.oneof(fc.constant(ALL), fc.uniqueArray(fc.nat(CPUS - 1), { maxLength: 4 }));
const domains = fc.array(fc.record({ hard: mask, soft: mask }), { minLength: 1, maxLength: 5 });
/** CPUs that leave Pool-0: offline, or free for another pool. */
const removals = fc.uniqueArray(fc.record({ cpu: fc.integer({ min: 1, max: CPUS - 1 }), offline: fc.boolean() }), {
  selector: ({ cpu }) => cpu,
  maxLength: 6,
});

test('the rule and the embedded hypervisor agree on any domain', () => {
  const machine = machineFromHost({
    name: 'odd',
    source: 'test',
    nodes: [0, 1, 2, 3].map((id) => ({ id, memoryBytes: 64 * MIB, freeBytes: 32 * MIB })),
    cpus: NODE_OF_CPU.flatMap((node, id) => (node === undefined ? [] : [{ id, node, core: id, socket: 0 }])),
    distances: [0, 1, 2, 3].map((i) => [0, 1, 2, 3].map((j) => (i === j ? 10 : 20))),
    notes: [],
  });
  fc.assert(
    fc.property(domains, removals, (vcpus, removed) => {
      const xen = new RawCaller(new EmbeddedDoor(machine), CPUS);
      const domid = xen.guest(vcpus.length);
      const poolCpus = new Set(ALL.filter((cpu) => NODE_OF_CPU[cpu] !== undefined));
      for (const { cpu, offline } of removed) {
        const result = offline ? xen.hotplug(cpu, false) : xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu });
        if (result === 0) poolCpus.delete(cpu);
      }
      for (const [vcpu, masks] of vcpus.entries()) xen.setAffinity(domid, vcpu, masks);
      const lists = vcpus
        .map((_, vcpu) => xen.getAffinity(domid, vcpu))
        .map(({ hard, soft }) => ({ hard: cpusOf(hard), soft: cpusOf(soft) }));
      const nodes = unionRule(lists, { poolCpus, nodeOf: (cpu) => NODE_OF_CPU[cpu] });
      expect(nodes).toEqual(cpusOf(xen.nodes(domid)));
    }),
    { seed: 7, numRuns: 500 },
  );
});

function cpusOf(list: string): number[] {
  return list === '' ? [] : parseList(list, 64).toArray();
}
