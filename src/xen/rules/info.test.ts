// Xen's reports of domains, vCPUs and the machine, read from the bytes at the offsets of its
// headers.
import { describe, expect, test } from 'vitest';
import { bootedXen } from '../../../test/support/booted-xen.js';
import { DOMCTL, SYSCTL } from '../../abi/commands.js';
import { ERRNO } from '../../base/errors.js';
import { GIB } from '../../base/units.js';

const NONE = 0xffffffff;

describe('getdomaininfo', () => {
  test('a new domain: paused, no shutdown code, no vCPUs', () => {
    const { xen } = bootedXen();
    const domid = xen.create({ vcpus: 3 });
    xen.maxMem(domid, 4 * 1000);
    expect(xen.domctl(DOMCTL.getdomaininfo, domid)).toBe(0);
    const { view } = xen;
    expect(view.getUint16(16, true)).toBe(domid);
    expect(view.getUint32(20, true)).toBe((0xffff0000 | 8) >>> 0);
    expect(view.getBigUint64(24, true)).toBe(0n);
    expect(view.getBigUint64(32, true)).toBe(1000n);
    expect(view.getUint32(16 + 64, true)).toBe(0);
    expect(view.getUint32(16 + 68, true)).toBe(NONE);
  });

  test('a PVH domain has hardware virtualisation and 48 address bits; its claim and its pages are reported', () => {
    const { xen } = bootedXen();
    const domid = xen.guest(3, { hvm: true });
    xen.populate(domid, 5);
    xen.claim(domid, 25);
    xen.domctl(DOMCTL.unpausedomain, domid);
    xen.domctl(DOMCTL.getdomaininfo, domid);
    const { view } = xen;
    expect(view.getUint32(20, true)).toBe((0xffff0000 | 2 | 256) >>> 0);
    expect(view.getBigUint64(24, true)).toBe(5n);
    expect(view.getBigUint64(40, true)).toBe(20n);
    expect(view.getUint32(16 + 68, true)).toBe(2);
    expect(view.getUint8(16 + 96)).toBe(48);
  });
});

test('getvcpuinfo: the vCPU must be there', () => {
  const { xen } = bootedXen();
  const domid = xen.create({ vcpus: 2 });
  const ask = (vcpu: number) => xen.domctl(DOMCTL.getvcpuinfo, domid, (view) => view.setUint32(16, vcpu, true));
  expect(ask(1)).toBe(-ERRNO.ESRCH);
  expect(ask(2)).toBe(-ERRNO.EINVAL);
  xen.maxVcpus(domid, 2);
  xen.setAffinity(domid, 1, { hard: [4, 5, 6], soft: [5] });
  expect(ask(1)).toBe(0);
  expect([xen.view.getUint8(20), xen.view.getUint32(32, true)]).toEqual([0, 5]);
});

test('max_vcpus: the number of createdomain, once more without harm', () => {
  const { xen } = bootedXen();
  const domid = xen.create({ vcpus: 2 });
  expect(xen.maxVcpus(domid, 3)).toBe(-ERRNO.EINVAL);
  expect(xen.maxVcpus(domid, 2)).toBe(0);
  expect(xen.maxVcpus(domid, 2)).toBe(0);
});

describe('scheduler_op', () => {
  const CREDIT = 5;
  const credit = (xen: ReturnType<typeof bootedXen>['xen'], domid: number, cmd: number, weight = 0, cap = 0, scheduler = CREDIT) =>
    xen.domctl(DOMCTL.scheduler_op, domid, (view) => {
      view.setUint32(16, scheduler, true);
      view.setUint32(20, cmd, true);
      view.setUint16(24, weight, true);
      view.setUint16(26, cap, true);
    });

  test('weight 256 and cap 0 at first; weight 0 and cap 0xffff leave them as they are', () => {
    const { xen } = bootedXen();
    const domid = xen.guest();
    const values = () => {
      expect(credit(xen, domid, 1)).toBe(0);
      return [xen.view.getUint16(24, true), xen.view.getUint16(26, true)];
    };
    expect(values()).toEqual([256, 0]);
    credit(xen, domid, 0, 512, 0xffff);
    expect(values()).toEqual([512, 0]);
    credit(xen, domid, 0, 0, 40);
    expect(values()).toEqual([512, 40]);
  });

  test("of another scheduler than the pool's, or an unknown command: EINVAL", () => {
    const { xen } = bootedXen();
    const domid = xen.guest();
    expect(credit(xen, domid, 1, 0, 0, 6)).toBe(-ERRNO.EINVAL);
    expect(credit(xen, domid, 2)).toBe(-ERRNO.EINVAL);
  });

  test('a scheduler without weights takes the call and answers nothing', () => {
    const { xen } = bootedXen(2, 4, { scheduler: 'null' });
    const domid = xen.guest();
    expect(credit(xen, domid, 1, 7, 8, 9)).toBe(0);
    expect([xen.view.getUint16(24, true), xen.view.getUint16(26, true)]).toEqual([7, 8]);
  });
});

describe('the machine', () => {
  test('physinfo: 2 nodes of 4 CPUs and 4 GiB, before and from 4.17 on', () => {
    for (const [version, pagesAt] of [
      ['4.16', 32],
      ['4.17', 40],
    ] as const) {
      const { door, xen } = bootedXen(2, 4, { version });
      expect(xen.sysctl(SYSCTL.physinfo)).toBe(0);
      const at = (offset: number) => xen.view.getUint32(8 + offset, true);
      expect([at(8), at(12), at(16), at(20)]).toEqual([8, 7, 2, 63]);
      const word = (offset: number) => Number(xen.view.getBigUint64(8 + pagesAt + offset, true));
      const free = door.inspect.freePages().reduce((a, b) => a + b, 0);
      expect([word(0), word(8), word(16), word(24), word(32)]).toEqual([2 * 2 ** 20, free, 0, 0, 2 * 2 ** 20 - 1]);
    }
  });

  test('numainfo: the count without room, then no more nodes than there is room for, with that stride', () => {
    const { door, xen } = bootedXen(3, 2);
    expect(xen.sysctl(SYSCTL.numainfo)).toBe(0);
    expect(xen.view.getUint32(8, true)).toBe(3);
    const [memory, distances] = [door.allocBuffer(2 * 16), door.allocBuffer(4 * 4)];
    const ask = (room: number) =>
      xen.sysctl(SYSCTL.numainfo, (view) => {
        view.setUint32(8, room, true);
        view.setBigUint64(16, BigInt(memory.address), true);
        view.setBigUint64(24, BigInt(distances.address), true);
      });
    expect(ask(2)).toBe(0);
    expect(xen.view.getUint32(8, true)).toBe(2);
    expect(memory.view.getBigUint64(16, true)).toBe(BigInt(4 * GIB));
    expect(Number(memory.view.getBigUint64(24, true))).toBe(door.inspect.freePages()[1]! * 4096);
    expect([0, 4, 8, 12].map((at) => distances.view.getUint32(at, true))).toEqual([10, 21, 21, 10]);
    expect(ask(3)).toBe(-ERRNO.EFAULT);
  });

  test('availheap: of one node, of all, and below an address width', () => {
    const { door, xen } = bootedXen(2, 2);
    const bytes = (node: number, minBits = 0, maxBits = 0) => {
      const result = xen.sysctl(SYSCTL.availheap, (view) => {
        view.setUint32(8, minBits, true);
        view.setUint32(12, maxBits, true);
        view.setInt32(16, node, true);
      });
      expect(result).toBe(0);
      return Number(xen.view.getBigUint64(24, true));
    };
    const [first, second] = door.inspect.freePages().map((pages) => pages * 4096) as [number, number];
    expect([bytes(0), bytes(1), bytes(-1)]).toEqual([first, second, first + second]);
    // Node 0 ends at 4 GiB, so all of it lies below 32 bits and none of node 1 does.
    expect([bytes(0, 0, 32), bytes(1, 0, 32)]).toEqual([first, 0]);
    expect([bytes(0, 32), bytes(1, 32)]).toEqual([0, second]);
  });
});
