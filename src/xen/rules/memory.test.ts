// The nodes of memory, and claims: rules measured on a real Xen 4.17.7, in bytes through the door.
import { expect, test } from 'vitest';
import { bootedXen, EXACT, hostOf, nodeOf, onNode } from '../../../test/support/booted-xen.js';
import { RawCaller } from '../../../test/support/raw-caller.js';
import { DOMCTL } from '../../abi/commands.js';
import { ERRNO } from '../../base/errors.js';
import { GIB } from '../../base/units.js';
import { EmbeddedDoor } from '../../xenctrl/doors/embedded-door.js';
import { machineFromHost } from '../state/machine.js';

test('extents alternate over the node affinity and start on node 3 mod N', () => {
  for (const [nodes, first] of [
    [2, 1],
    [4, 3],
    [8, 3],
  ] as const) {
    const { xen, machine } = bootedXen(nodes, 2);
    const { frames } = xen.populate(xen.guest(), 3 * nodes, 9);
    const wanted = Array.from({ length: 3 * nodes }, (_, i) => (first + i) % nodes);
    expect(frames.map((mfn) => nodeOf(machine, mfn))).toEqual(wanted);
  }
});

test('frames of a node descend', () => {
  const { xen } = bootedXen();
  const domid = xen.guest();
  xen.setNodes(domid, [1]);
  const { frames } = xen.populate(domid, 5, 9);
  for (let i = 1; i < frames.length; i++) expect(frames[i]).toBe(frames[i - 1]! - 512);
});

test('exact and offline gives nothing; an offline node without exact goes to the first of the affinity, always', () => {
  const { xen, machine } = bootedXen();
  const domid = xen.guest();
  expect(xen.populate(domid, 4, 0, onNode(5) | EXACT).done).toBe(0);
  expect(xen.populate(domid, 4, 0, onNode(5)).frames.map((mfn) => nodeOf(machine, mfn))).toEqual([0, 0, 0, 0]);
  expect(xen.populate(domid, 4, 0, onNode(64)).done).toBe(0);
});

test('a full node spills over; exact on it stops', () => {
  const { door, xen } = bootedXen(2, 2, { dmaBits: 0 });
  const [filler, domid] = [xen.guest(), xen.guest()];
  const blocks = xen.populate(filler, 4096, 9, onNode(0) | EXACT).done;
  // 3 GiB, less the few pages that the two domains themselves took.
  expect(blocks).toBe(1535);
  xen.setNodes(domid, [0]);
  expect(xen.populate(domid, 2, 9, onNode(0) | EXACT).done).toBe(0);
  expect(xen.populate(domid, 2, 9).done).toBe(2);
  expect(door.inspect.pagesByNode(domid)).toEqual([0, 1024]);
  expect(xen.populate(domid, 3).done).toBe(3);
  expect(door.inspect.pagesByNode(domid)).toEqual([3, 1024]);
});

test('DMA memory of the preferred node is used only when all other memory is', () => {
  const machine = machineFromHost(hostOf(2, 2, GIB, GIB), { dmaBits: 28 });
  const door = new EmbeddedDoor(machine);
  const xen = new RawCaller(door, 4);
  const domid = xen.guest();
  xen.setNodes(domid, [0]);
  const { frames } = xen.populate(domid, 1024, 9);
  const below = frames.findIndex((mfn) => mfn < 2 ** 16);
  const spilled = frames.findIndex((mfn) => nodeOf(machine, mfn) === 1);
  // 1 GiB less 256 MiB of node 0, then node 1, then the rest of node 0.
  expect(spilled).toBeGreaterThan(370);
  expect(below).toBeGreaterThan(spilled + 500);
  expect(frames.slice(below).every((mfn) => mfn < 2 ** 16)).toBe(true);
});

test('max_pages stops populate, and the refused extent has moved the cursor', () => {
  const { xen, machine } = bootedXen();
  const domid = xen.guest();
  xen.maxMem(domid, 8);
  expect(xen.populate(domid, 5).frames.map((mfn) => nodeOf(machine, mfn))).toEqual([1, 0]);
  xen.maxMem(domid, 2 ** 30);
  expect(xen.populate(domid, 2).frames.map((mfn) => nodeOf(machine, mfn))).toEqual([0, 1]);
});

test('memory is promised on demand only where a PVH domain has none; a PV domain has no frames to promise', () => {
  const { xen } = bootedXen();
  const ON_DEMAND = 1 << 16;
  const pvh = xen.guest(1, { hvm: true });
  // The caller's list is all zeros: each extent is at frame 0.
  expect(xen.populate(pvh, 3, 9, ON_DEMAND).done).toBe(3);
  expect(xen.populate(pvh, 1).done).toBe(1);
  expect(xen.populate(pvh, 3, 9, ON_DEMAND).done).toBe(0);
  expect(xen.populate(pvh, 1, 0, ON_DEMAND).done).toBe(0);
  const pv = xen.guest();
  xen.populate(pv, 1);
  expect(xen.populate(pv, 3, 0, ON_DEMAND).done).toBe(3);
});

test('claims: total includes what is held, one at a time, others cannot have the pages', () => {
  const { door, xen } = bootedXen();
  const [domid, other] = [xen.guest(), xen.guest()];
  const free = () => door.inspect.freePages().reduce((a, b) => a + b, 0);
  xen.populate(domid, 100);
  expect(xen.claim(domid, 100)).toBe(-ERRNO.EINVAL);
  xen.maxMem(domid, 4 * 2 ** 22);
  expect(xen.claim(domid, 2 ** 22)).toBe(-ERRNO.ENOMEM);
  expect(xen.claim(domid, 2 ** 22 + 1)).toBe(-ERRNO.EINVAL);
  expect(xen.claim(domid, 101 + free())).toBe(-ERRNO.ENOMEM);
  expect(xen.claim(domid, 100 + free())).toBe(0);
  expect(xen.claim(domid, 200)).toBe(-ERRNO.EINVAL);
  expect(xen.populate(other, 1).done).toBe(0);
  expect(xen.populate(domid, 10).done).toBe(10);
  expect(xen.claim(domid, 0)).toBe(0);
  expect(xen.populate(other, 1).done).toBe(1);
  expect(xen.claim(31_000, 10)).toBe(-ERRNO.EINVAL);
  expect(xen.claim(domid, 1000, onNode(0) | EXACT)).toBe(-ERRNO.EINVAL);
});

test("claims on a node, with XenServer's patch, keep that node's memory for their domain", () => {
  const { door, xen } = bootedXen(2, 2, { perNodeClaims: true, dmaBits: 0 });
  const [domid, other] = [xen.guest(), xen.guest()];
  const [free0] = door.inspect.freePages();
  expect(xen.claim(domid, free0! + 1, onNode(0) | EXACT)).toBe(-ERRNO.ENOMEM);
  expect(xen.claim(domid, free0!, onNode(0) | EXACT)).toBe(0);
  xen.setNodes(other, [0]);
  expect(xen.populate(other, 8, 9).done).toBe(8);
  expect(door.inspect.pagesByNode(other)).toEqual([0, 4096]);
  xen.setNodes(domid, [0]);
  expect(xen.populate(domid, 8, 9).done).toBe(8);
  expect(door.inspect.pagesByNode(domid)).toEqual([4096, 0]);
  expect(door.inspect.invariants()).toEqual([]);
});

test("with XenServer's patch and all memory claimed, a host-wide claim holds on every node, one on a node only there", () => {
  const wide = bootedXen(2, 2, { perNodeClaims: true, dmaBits: 0 });
  const all = (host: typeof wide) => host.door.inspect.freePages().reduce((a, b) => a + b, 0);
  const whole = wide.xen.guest();
  expect(wide.xen.claim(whole, all(wide))).toBe(0);
  for (const node of [0, 1]) expect(wide.xen.populate(whole, 2, 9, onNode(node) | EXACT).done).toBe(2);
  const split = bootedXen(2, 2, { perNodeClaims: true, dmaBits: 0 });
  const [onZero, rest] = [split.xen.guest(), split.xen.guest()];
  expect(split.xen.claim(onZero, 4096, onNode(0) | EXACT)).toBe(0);
  expect(split.xen.claim(rest, all(split) - 4096)).toBe(0);
  expect(split.xen.populate(onZero, 1, 9, onNode(1) | EXACT).done).toBe(0);
  expect(split.xen.populate(onZero, 1, 9, onNode(0) | EXACT).done).toBe(1);
  expect(split.xen.populate(rest, 1, 9, onNode(1) | EXACT).done).toBe(1);
  expect(split.door.inspect.invariants()).toEqual([]);
});

test('destroying a domain gives everything back', () => {
  const { door, xen } = bootedXen(4, 2);
  const before = door.inspect.freePages();
  const domid = xen.guest(4, { hvm: true });
  xen.domctl(DOMCTL.set_paging_mempool_size, domid, (view) => view.setUint32(16, 2 ** 20, true));
  xen.populate(domid, 1000, 0);
  xen.populate(domid, 100, 9);
  xen.claim(domid, 100_000);
  expect(door.inspect.freePages()).not.toEqual(before);
  xen.domctl(DOMCTL.destroydomain, domid);
  expect(door.inspect.freePages()).toEqual(before);
  expect(door.inspect.invariants()).toEqual([]);
});
