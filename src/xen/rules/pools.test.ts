// CPU pools and CPU hotplug: rules measured on a real Xen 4.17.7, in bytes through the door.
import { expect, test } from 'vitest';
import { bootedXen } from '../../../test/support/booted-xen.js';
import { CPUPOOL_OP, HYPERCALL } from '../../abi/commands.js';
import { ERRNO } from '../../base/errors.js';

test('moving resets hard and soft; an explicit node affinity survives', () => {
  const { xen } = bootedXen();
  const pool = xen.createPool(6);
  const [byRule, explicit] = [xen.guest(1), xen.guest(1)];
  expect(xen.pool(CPUPOOL_OP.movedomain, { pool, domid: byRule })).toBe(-ERRNO.ENOENT);
  expect(xen.create({ pool })).toBe(-ERRNO.ENODEV);
  expect(xen.create({ pool: 9 })).toBe(-ERRNO.ESRCH);
  xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu: 7 });
  xen.pool(CPUPOOL_OP.addcpu, { pool, cpu: 7 });
  xen.setNodes(explicit, [0]);
  for (const domid of [byRule, explicit]) {
    xen.setAffinity(domid, 0, { hard: [0], soft: [1] });
    expect(xen.pool(CPUPOOL_OP.movedomain, { pool, domid })).toBe(0);
    expect(xen.getAffinity(domid, 0)).toEqual({ result: 0, hard: '0-7', soft: '0-7' });
  }
  expect(xen.nodes(byRule)).toBe('1');
  expect(xen.nodes(explicit)).toBe('0');
  expect(xen.pool(CPUPOOL_OP.rmcpu, { pool, cpu: 7 })).toBe(-ERRNO.EBUSY);
  expect(xen.pool(CPUPOOL_OP.movedomain, { pool: 0, domid: 0 })).toBe(-ERRNO.EPERM);
});

test('there are at most twice as many pools as CPU numbers, Pool-0 included, from 4.17 on', () => {
  const { xen } = bootedXen(1, 2);
  expect([1, 2, 3].map(() => xen.createPool(6))).toEqual([1, 2, 3]);
  expect(xen.createPool(6)).toBe(-ERRNO.ENOSPC);
  expect(xen.createPool(6, 1)).toBe(-ERRNO.ENOSPC);
  expect(xen.pool(CPUPOOL_OP.destroy, { pool: 2 })).toBe(0);
  expect(xen.createPool(6)).toBe(4);
  const before = bootedXen(1, 2, { version: '4.16' }).xen;
  expect([1, 2, 3, 4].map(() => before.createPool(6))).toEqual([1, 2, 3, 4]);
});

test('a CPU of no pool goes offline and comes back into Pool-0; one of another pool stays locked, and "any" still means it', () => {
  const { xen } = bootedXen();
  const any = 0xffffffff;
  expect(xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu: 7 })).toBe(0);
  expect(xen.hotplug(7, false)).toBe(0);
  expect(xen.pool(CPUPOOL_OP.addcpu, { pool: 0, cpu: any })).toBe(-ERRNO.ENODEV);
  expect(xen.hotplug(7, true)).toBe(0);
  expect(xen.pool(CPUPOOL_OP.addcpu, { pool: 0, cpu: 7 })).toBe(-ERRNO.ENODEV);
  const pool = xen.createPool(6);
  for (const cpu of [5, 6]) expect(xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu })).toBe(0);
  expect(xen.pool(CPUPOOL_OP.addcpu, { pool, cpu: any })).toBe(0);
  expect(xen.hotplug(5, false)).toBe(-ERRNO.ENODEV);
  expect(xen.pool(CPUPOOL_OP.rmcpu, { pool, cpu: 5 })).toBe(0);
  expect(xen.pool(CPUPOOL_OP.addcpu, { pool, cpu: any })).toBe(-ERRNO.ENODEV);
  expect(xen.pool(CPUPOOL_OP.addcpu, { pool, cpu: 6 })).toBe(0);
});

test('a temporary pin does not move the nodes; a CPU that it holds leaves the pool by half', () => {
  const { door, xen } = bootedXen();
  const pinned = door.allocBuffer(4);
  const pin = (cpu: number) => {
    pinned.view.setInt32(0, cpu, true);
    return door.hypercall(HYPERCALL.schedOp, 7, pinned.address);
  };
  expect(xen.nodes(0)).toBe('0-1');
  expect(pin(5)).toBe(0);
  expect(pin(6)).toBe(-ERRNO.EBUSY);
  expect(xen.getAffinity(0, 0).hard).toBe('5');
  expect(xen.setAffinity(0, 0, { hard: [0] }).result).toBe(-ERRNO.EBUSY);
  expect(xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu: 5 })).toBe(-ERRNO.EADDRINUSE);
  expect(xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu: 6 })).toBe(-ERRNO.EADDRNOTAVAIL);
  expect(xen.pool(CPUPOOL_OP.addcpu, { pool: 0, cpu: 5 })).toBe(0);
  expect(pin(-1)).toBe(0);
  expect(pin(-1)).toBe(-ERRNO.EINVAL);
  expect(xen.getAffinity(0, 0).hard).toBe('0-7');
  expect(door.inspect.invariants()).toEqual([]);
});

test('an offline CPU stays in a mask that has others, replaces one that has none, and does not come back into it', () => {
  const { xen } = bootedXen();
  const [one, two] = [xen.guest(1), xen.guest(1)];
  xen.setAffinity(one, 0, { hard: [7], soft: [7] });
  xen.setAffinity(two, 0, { hard: [6, 7] });
  expect(xen.hotplug(7, false)).toBe(0);
  expect(xen.getAffinity(one, 0)).toEqual({ result: 0, hard: '0-7', soft: '7' });
  expect(xen.getAffinity(two, 0).hard).toBe('6-7');
  expect(xen.nodes(one)).toBe('0-1');
  expect(xen.hotplug(7, false)).toBe(-ERRNO.EEXIST);
  expect(xen.hotplug(7, true)).toBe(0);
  expect(xen.getAffinity(one, 0).hard).toBe('0-7');
  expect(xen.hotplug(0, false)).toBe(-ERRNO.EINVAL);
  expect(xen.hotplug(8, false)).toBe(-ERRNO.EINVAL);
});
