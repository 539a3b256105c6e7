// The arguments of memory operations: orders, lists, address widths, virtual nodes, and memory on
// demand (xen/common/memory.c; xen/arch/x86/mm/p2m-pod.c; xen/common/domctl.c, vnuma_init()).
import { describe, expect, test } from 'vitest';
import { bootedXen, EXACT, nodeOf, onNode } from '../../../test/support/booted-xen.js';
import { HYPERCALL } from '../../abi/commands.js';
import { ERRNO } from '../../base/errors.js';

const ON_DEMAND = 1 << 16;
const VNODE = 1 << 18;

describe('extents', () => {
  test('of 1 GiB at most, for the control domain', () => {
    const { xen } = bootedXen();
    const domid = xen.guest();
    expect(xen.populate(domid, 1, 18).done).toBe(1);
    expect(xen.populate(domid, 1, 19).done).toBe(0);
  });

  test('as many as the list has entries: the next one faults', () => {
    const { xen } = bootedXen();
    const domid = xen.guest();
    expect(xen.populate(domid, 5, 0, 0, 2).done).toBe(2);
    expect(xen.populate(domid, 0).done).toBe(0);
  });

  test('of a domain that is not there, none; the caller itself is 0x7ff0', () => {
    const { door, xen } = bootedXen();
    const before = door.inspect.pagesByNode(0)!.reduce((a, b) => a + b, 0);
    expect(xen.populate(31_000, 1).done).toBe(0);
    expect(xen.populate(0x7ff0, 3).done).toBe(3);
    expect(door.inspect.pagesByNode(0)!.reduce((a, b) => a + b, 0)).toBe(before + 3);
  });

  test('below an address width: 32 bits are the frames below 2^20; a width of 12 bits or less has none', () => {
    const { xen } = bootedXen(4, 2, { dmaBits: 0 });
    const domid = xen.guest();
    const { done, frames } = xen.populate(domid, 8, 0, 32);
    expect(done).toBe(8);
    for (const mfn of frames) expect(mfn).toBeLessThan(2 ** 20);
    expect(xen.populate(domid, 1, 0, 12).done).toBe(0);
    expect(xen.populate(domid, 8, 0, 60).frames.some((mfn) => mfn >= 2 ** 20)).toBe(true);
  });

  test('an unknown memory operation is ENOSYS; populate never answers an errno, claims do', () => {
    const { door } = bootedXen();
    expect(door.hypercall(HYPERCALL.memoryOp, 99, 8)).toBe(-ERRNO.ENOSYS);
    expect(door.hypercall(HYPERCALL.memoryOp, 6, 8)).toBe(0);
    expect(door.hypercall(HYPERCALL.memoryOp, 24, 8)).toBe(-ERRNO.EFAULT);
    expect(door.hypercall(HYPERCALL.memoryOp, 16, 8)).toBe(-ERRNO.EFAULT);
  });
});

test('a claim takes what other claims have left, and no more', () => {
  const { door, xen } = bootedXen();
  const [one, two] = [xen.guest(), xen.guest()];
  const free = door.inspect.freePages().reduce((a, b) => a + b, 0);
  expect(xen.claim(one, 1000)).toBe(0);
  expect(xen.claim(two, free - 999)).toBe(-ERRNO.ENOMEM);
  expect(xen.claim(two, free - 1000)).toBe(0);
});

describe('virtual nodes', () => {
  const placed = (xen: ReturnType<typeof bootedXen>, domid: number, memFlags: number) =>
    xen.xen.populate(domid, 4, 0, memFlags).frames.map((mfn) => nodeOf(xen.machine, mfn));

  test('name the node that they are on', () => {
    const host = bootedXen();
    const domid = host.xen.guest(2);
    expect(host.xen.vnuma(domid, 2, [1, 0, 63])).toBe(0);
    expect(placed(host, domid, onNode(0) | VNODE)).toEqual([1, 1, 1, 1]);
    expect(placed(host, domid, onNode(1) | VNODE | EXACT)).toEqual([0, 0, 0, 0]);
    // A node that the host does not have.
    expect(placed(host, domid, onNode(2) | VNODE | EXACT)).toEqual([]);
    expect(placed(host, domid, onNode(2) | VNODE)).toHaveLength(4);
    expect(placed(host, domid, onNode(3) | VNODE)).toEqual([]);
  });

  test('with an exact node, take no memory of another once theirs has none; else they do', () => {
    const { xen, door } = bootedXen();
    const domid = xen.guest(2);
    expect(xen.maxMem(domid, 2 ** 30)).toBe(0);
    expect(xen.vnuma(domid, 2, [1])).toBe(0);
    // Node 1 has 3 GiB free: 1,536 extents of 2 MiB at most.
    const onOne = xen.populate(domid, 1600, 9, onNode(0) | VNODE | EXACT).done;
    expect(onOne).toBeLessThanOrEqual(1536);
    expect(door.inspect.pagesByNode(domid)).toEqual([0, 512 * onOne]);
    expect(xen.populate(domid, 10, 9, onNode(0) | VNODE).done).toBe(10);
    expect(door.inspect.pagesByNode(domid)).toEqual([5120, 512 * onOne]);
  });

  test('are passed over for a domain without virtual NUMA', () => {
    const host = bootedXen();
    expect(placed(host, host.xen.guest(2), onNode(0) | VNODE | EXACT)).toEqual([1, 0, 1, 0]);
  });

  test('are described in full: a list that ends one byte early faults', () => {
    const { xen } = bootedXen();
    const domid = xen.guest(2);
    for (const handle of [32, 40, 48, 56]) {
      const late = (view: DataView) => view.setBigUint64(handle, view.getBigUint64(handle, true) + 1n, true);
      expect(xen.vnuma(domid, 2, [0, 1], late)).toBe(-ERRNO.EFAULT);
    }
    expect(xen.vnuma(domid, 2, [0, 63])).toBe(0);
  });
});

describe('memory on demand', () => {
  test('the target fills the cache: 2 MiB extents, then pages', () => {
    const { door, xen } = bootedXen();
    const domid = xen.guest(1, { hvm: true });
    expect(xen.populate(domid, 1, 9, ON_DEMAND).done).toBe(1);
    expect(xen.podTarget(domid, 300)).toEqual({ result: 0, total: 300, cache: 300, entries: 512 });
    expect(xen.podTarget(domid, 1400)).toEqual({ result: 0, total: 1400, cache: 1400, entries: 512 });
    expect(door.inspect.pagesByNode(domid)!.reduce((a, b) => a + b, 0)).toBe(1400);
  });

  test('a smaller target takes nothing away', () => {
    const { xen } = bootedXen();
    const domid = xen.guest(1, { hvm: true });
    xen.populate(domid, 1, 9, ON_DEMAND);
    xen.podTarget(domid, 300);
    expect(xen.podTarget(domid, 299)).toEqual({ result: 0, total: 300, cache: 300, entries: 512 });
  });

  test('a guest that has memory gets no more for its promised frames than there are of them', () => {
    const { xen } = bootedXen();
    const domid = xen.guest(1, { hvm: true });
    expect(xen.populate(domid, 1, 9, ON_DEMAND).done).toBe(1);
    expect(xen.populate(domid, 1).done).toBe(1);
    expect(xen.podTarget(domid, 1000)).toEqual({ result: 0, total: 512, cache: 511, entries: 511 });
    const without = xen.guest(1, { hvm: true });
    expect(xen.populate(without, 1).done).toBe(1);
    expect(xen.podTarget(without, 1000)).toEqual({ result: 0, total: 1, cache: 0, entries: 0 });
  });

  test('the target ends at max_pages, and says so', () => {
    const { xen } = bootedXen();
    const domid = xen.guest(1, { hvm: true });
    xen.populate(domid, 1, 9, ON_DEMAND);
    xen.maxMem(domid, 4 * 100);
    expect(xen.podTarget(domid, 100).result).toBe(0);
    expect(xen.podTarget(domid, 101)).toMatchObject({ result: -ERRNO.ENOMEM, total: 100 });
  });

  test('only domains with hardware virtualisation have a target', () => {
    const { xen } = bootedXen();
    expect(xen.podTarget(xen.guest(), 10).result).toBe(-ERRNO.EINVAL);
    expect(xen.podTarget(31_000, 10).result).toBe(-ERRNO.ESRCH);
  });
});
