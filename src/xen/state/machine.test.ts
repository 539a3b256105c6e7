// What Xen derives from the machine at boot: the memory that is kept back for DMA, and Domain-0's.
import { describe, expect, test } from 'vitest';
import { bootedXen, hostOf } from '../../../test/support/booted-xen.js';
import { GIB, MIB, PAGE_BYTES } from '../../base/units.js';
import { bitsToZone, dmaBitsOf, machineFromHost, type XenMachine, type XenNode } from './machine.js';

const pages = (bytes: number) => bytes / PAGE_BYTES;

describe('memory kept back for DMA: a quarter of the first node below 4 GiB (arch/x86/numa.c, arch_get_dma_bitsize)', () => {
  const span = (startBytes: number, endBytes: number): XenNode => ({
    startMfn: pages(startBytes),
    endMfn: pages(endBytes),
    freePages: 0,
  });
  const bits = (...nodes: XenNode[]) => dmaBitsOf({ ...machineFromHost(hostOf(2, 1)), nodes } satisfies XenMachine);
  const second = span(64 * GIB, 65 * GIB);

  test('rounded up to a power of two, and at most 4 GiB', () => {
    expect(bits(span(0, 4 * GIB), second)).toBe(30);
    expect(bits(span(0, 4 * GIB + 4 * PAGE_BYTES), second)).toBe(31);
    expect(bits(span(0, 8 * GIB), second)).toBe(31);
    expect(bits(span(0, 16 * GIB), second)).toBe(32);
    expect(bits(span(0, 64 * GIB), second)).toBe(32);
  });

  test('from the start of that node: nodes without memory and above 4 GiB are passed over', () => {
    expect(bits(span(0, 0), span(2 * GIB, 3 * GIB))).toBe(32);
    expect(bits(span(0, 0), span(256 * MIB, 512 * MIB))).toBe(29);
    expect(bits(second, span(0, 4 * GIB))).toBe(30);
    expect(bits(span(4 * GIB, 5 * GIB), span(0, 4 * GIB))).toBe(30);
    expect(bits(span(4 * GIB - PAGE_BYTES, 5 * GIB), span(0, 4 * GIB))).toBe(32);
  });

  test('none on a machine with one node, or without memory below 4 GiB; an option of the machine wins', () => {
    expect(bits(span(0, 4 * GIB))).toBe(0);
    expect(bits(second, span(4 * GIB, 5 * GIB))).toBe(0);
    expect(dmaBitsOf({ ...machineFromHost(hostOf(2, 1)), dmaBits: 20 })).toBe(20);
  });
});

test('the zone below an address width: width less 12 bits, from 1 to 40 (page_alloc.c, bits_to_zone)', () => {
  expect([0, 12, 13, 14, 32, 52, 53, 64].map(bitsToZone)).toEqual([1, 1, 1, 2, 20, 40, 40, 40]);
});

describe('a description of a host', () => {
  test('gives each node its pages one after the other; a first node that is wholly free has frame 0 besides', () => {
    const { nodes } = machineFromHost(hostOf(2, 1, GIB + 4095, GIB / 2));
    expect(nodes).toEqual([
      { startMfn: 0, endMfn: pages(GIB), freePages: pages(GIB / 2) },
      { startMfn: pages(GIB), endMfn: 2 * pages(GIB), freePages: pages(GIB / 2) },
    ]);
    const [first, next] = machineFromHost(hostOf(2, 1, GIB, 2 * GIB)).nodes;
    expect(first).toEqual({ startMfn: 0, endMfn: pages(GIB) + 1, freePages: pages(GIB) });
    expect(next).toEqual({ startMfn: pages(GIB) + 1, endMfn: 2 * pages(GIB) + 1, freePages: pages(GIB) });
    const empty = { ...hostOf(2, 1), nodes: [0, 1].map((id) => ({ id, memoryBytes: 0, freeBytes: 0 })) };
    expect(machineFromHost(empty).nodes[0]).toEqual({ startMfn: 0, endMfn: 0, freePages: 0 });
  });

  test('may leave out CPU numbers; a CPU without core and socket has those of its own and its node', () => {
    const cpus = [
      { id: 1, node: 1, core: null, socket: null },
      { id: 3, node: 0, core: 7, socket: 5 },
    ];
    const machine = machineFromHost({ ...hostOf(2, 1), cpus });
    expect(machine.cpus).toEqual([null, { node: 1, core: 1, socket: 1 }, null, { node: 0, core: 7, socket: 5 }]);
    expect(machine.dom0.vcpus).toBe(2);
  });

  test('has 1 to 64 nodes and CPU numbers up to the limit', () => {
    const none = hostOf(0, 0);
    expect(() => machineFromHost(none)).toThrow('a machine has 1 to 64 nodes, this one 0');
    expect(() => machineFromHost(hostOf(65, 1))).toThrow('a machine has 1 to 64 nodes, this one 65');
    expect(machineFromHost(hostOf(64, 1)).nodes).toHaveLength(64);
    expect(() => machineFromHost({ ...hostOf(1, 1), cpus: [] })).toThrow('CPU numbers go from 0 to');
  });
});

describe("Domain-0's memory", () => {
  const dom0 = (changes: Partial<XenMachine>) => bootedXen(2, 2, changes).door.inspect.pagesByNode(0);

  test('is used memory of the nodes in order, or first of the nodes of dom0_nodes=', () => {
    expect(dom0({ dom0: { vcpus: 1, pages: 1000 } })).toEqual([1000, 0]);
    expect(dom0({ dom0: { vcpus: 1, pages: 1000, nodes: [1] } })).toEqual([0, 1000]);
    // Each node has 1 GiB in use.
    expect(dom0({ dom0: { vcpus: 1, pages: pages(GIB) + 5, nodes: [1] } })).toEqual([5, pages(GIB)]);
    expect(dom0({ dom0: { vcpus: 1, pages: 1000, hardAffinity: [3] } })).toEqual([0, 1000]);
  });

  test('lies before, between and after the ranges that are free', () => {
    const node = (freeRanges: [number, number][], freePages: number): XenNode => ({ startMfn: 0, endMfn: 1000, freePages, freeRanges });
    const other: XenNode = { startMfn: 1000, endMfn: 1000, freePages: 0 };
    const all = { vcpus: 1, pages: 5000 };
    const used = (freeRanges: [number, number][], freePages: number) =>
      dom0({ nodes: [node(freeRanges, freePages), other], dom0: all })![0];
    const gaps: [number, number][] = [
      [100, 300],
      [400, 900],
    ];
    expect(used(gaps, 700)).toBe(100 + 100 + 100);
    expect(used([[0, 1000]], 999)).toBe(0);
    expect(used([], 0)).toBe(1000);
  });
});
