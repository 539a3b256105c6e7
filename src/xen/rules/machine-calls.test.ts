// The answers and errors of sysctl, call by call (xen/common/sysctl.c, sched/cpupool.c and
// drivers/char/console.c), in bytes through the door.
import { describe, expect, test } from 'vitest';
import { bootedXen, EXACT, onNode } from '../../../test/support/booted-xen.js';
import { CPUPOOL_OP, HYPERCALL, SYSCTL } from '../../abi/commands.js';
import { ERRNO } from '../../base/errors.js';

const NONE = 0xffffffff;
/** Offset of the sysctl's union. */
const UNION = 8;
const BAD_ADDRESS = 8n;

test('an unknown command is ENOSYS, one that is cut off EFAULT', () => {
  const { door, xen } = bootedXen();
  expect(xen.sysctl(999)).toBe(-ERRNO.ENOSYS);
  expect(door.hypercall(HYPERCALL.sysctl, 8)).toBe(-ERRNO.EFAULT);
  expect(door.hypercall(HYPERCALL.xenVersion, 7)).toBe(-ERRNO.ENOSYS);
  expect(xen.sysctl(SYSCTL.cpu_hotplug, (view) => view.setUint32(UNION + 4, 2, true))).toBe(-ERRNO.EOPNOTSUPP);
});

describe('physinfo', () => {
  const at = (xen: ReturnType<typeof bootedXen>['xen'], offset: number) => xen.view.getUint32(UNION + offset, true);

  test('threads of a core and cores of a socket, one at least', () => {
    // Two sockets of two cores of two threads; the last CPU is absent.
    const cpus = Array.from({ length: 8 }, (_, id) => ({ core: id >> 1, socket: id >> 2, node: id >> 2 }));
    const smt = bootedXen(2, 4, { cpus: [...cpus, null] }).xen;
    expect(smt.sysctl(SYSCTL.physinfo)).toBe(0);
    expect([at(smt, 0), at(smt, 4), at(smt, 8), at(smt, 12)]).toEqual([2, 2, 8, 8]);
    const plain = bootedXen(2, 4).xen;
    plain.sysctl(SYSCTL.physinfo);
    // HVM, PV, direct I/O, HAP and shadow paging.
    expect([at(plain, 0), at(plain, 4), at(plain, 28)]).toEqual([1, 8, 31]);
  });

  test('an offline CPU is no longer counted, but keeps its number; claims are outstanding', () => {
    const { xen } = bootedXen(2, 4);
    xen.hotplug(7, false);
    xen.claim(xen.guest(), 1000);
    xen.sysctl(SYSCTL.physinfo);
    expect([at(xen, 8), at(xen, 12)]).toEqual([7, 7]);
    expect(xen.view.getBigUint64(UNION + 40 + 24, true)).toBe(1000n);
  });
});

test('numainfo: either array alone, each checked', () => {
  const { door, xen } = bootedXen(2, 2);
  const [memory, distances] = [door.allocBuffer(2 * 16), door.allocBuffer(4 * 4)];
  const ask = (memoryAt: bigint, distancesAt: bigint) => {
    memory.bytes.fill(0xee);
    distances.bytes.fill(0xee);
    return xen.sysctl(SYSCTL.numainfo, (view) => {
      view.setUint32(UNION, 2, true);
      view.setBigUint64(UNION + 8, memoryAt, true);
      view.setBigUint64(UNION + 16, distancesAt, true);
    });
  };
  expect(ask(BigInt(memory.address), 0n)).toBe(0);
  expect([memory.bytes[0], distances.bytes[0]]).toEqual([0, 0xee]);
  expect(ask(0n, BigInt(distances.address))).toBe(0);
  expect([memory.bytes[0], distances.view.getUint32(4, true)]).toEqual([0xee, 21]);
  expect(ask(BAD_ADDRESS, 0n)).toBe(-ERRNO.EFAULT);
  expect(ask(0n, BAD_ADDRESS)).toBe(-ERRNO.EFAULT);
});

test('cputopoinfo: a table that ends before its last entry faults', () => {
  const { door, xen } = bootedXen(2, 2);
  const table = door.allocBuffer(4 * 12);
  const ask = (skipped: number) =>
    xen.sysctl(SYSCTL.cputopoinfo, (view) => {
      view.setUint32(UNION, 4, true);
      view.setBigUint64(UNION + 8, BigInt(table.address + skipped), true);
    });
  expect(ask(0)).toBe(0);
  expect(ask(1)).toBe(-ERRNO.EFAULT);
});

test('cputopoinfo: the count without room, then core, socket and node up to the last CPU that is online', () => {
  const cpus = Array.from({ length: 4 }, (_, id) => ({ core: 10 + id, socket: 20 + id, node: id >> 1 }));
  const { door, xen } = bootedXen(2, 2, { cpus });
  expect(xen.sysctl(SYSCTL.cputopoinfo)).toBe(0);
  expect(xen.view.getUint32(UNION, true)).toBe(4);
  const table = door.allocBuffer(4 * 12);
  const ask = (room: number, address = BigInt(table.address)) =>
    xen.sysctl(SYSCTL.cputopoinfo, (view) => {
      view.setUint32(UNION, room, true);
      view.setBigUint64(UNION + 8, address, true);
    });
  expect(ask(9)).toBe(0);
  expect(xen.view.getUint32(UNION, true)).toBe(4);
  expect(Array.from({ length: 12 }, (_, i) => table.view.getUint32(4 * i, true))).toEqual([10, 20, 0, 11, 21, 0, 12, 22, 1, 13, 23, 1]);
  table.bytes.fill(0);
  expect(ask(1)).toBe(0);
  expect([xen.view.getUint32(UNION, true), table.view.getUint32(12, true)]).toEqual([1, 0]);
  expect(ask(4, BAD_ADDRESS)).toBe(-ERRNO.EFAULT);
  xen.hotplug(1, false);
  xen.hotplug(3, false);
  ask(4);
  // An offline CPU in front keeps its entry and its node.
  expect([xen.view.getUint32(UNION, true), table.view.getUint32(12 + 8, true)]).toEqual([3, 0]);
});

describe('the console', () => {
  function pressed() {
    const booted = bootedXen();
    const { door, xen } = booted;
    const keys = door.allocBuffer(3);
    const text = door.allocBuffer(65536);
    const press = (letters: string, count = letters.length, address = BigInt(keys.address)) => {
      keys.bytes.set(Buffer.from(letters));
      return xen.sysctl(SYSCTL.debug_keys, (view) => {
        view.setBigUint64(UNION, address, true);
        view.setUint32(UNION + 8, count, true);
      });
    };
    const read = (options: { clear?: boolean; incremental?: boolean; index?: number; size?: number; address?: bigint } = {}) => {
      const result = xen.sysctl(SYSCTL.readconsole, (view) => {
        view.setUint8(UNION, options.clear === true ? 1 : 0);
        view.setUint8(UNION + 1, options.incremental === true ? 1 : 0);
        view.setUint32(UNION + 4, options.index ?? 0, true);
        view.setBigUint64(UNION + 8, options.address ?? BigInt(text.address), true);
        view.setUint32(UNION + 16, options.size ?? 65536, true);
      });
      const [index, count] = [xen.view.getUint32(UNION + 4, true), xen.view.getUint32(UNION + 16, true)];
      return { result, index, text: Buffer.from(text.bytes.subarray(0, count)).toString('latin1') };
    };
    read({ clear: true });
    return { press, read };
  }
  const shown = (text: string) => text.split('NODE0 start').length - 1;

  test('each u among the keys prints once, other keys and none do not', () => {
    const { press, read } = pressed();
    expect(press('hab')).toBe(0);
    expect(press('u', 0)).toBe(0);
    expect(press('u', 0, BAD_ADDRESS)).toBe(0);
    expect(read().text).toBe('');
    expect(press('uhu')).toBe(0);
    expect(shown(read({ clear: true }).text)).toBe(2);
    // No more keys than the call has.
    expect(press('uhu', 2)).toBe(0);
    expect(shown(read().text)).toBe(1);
    expect(press('u', 1, BAD_ADDRESS)).toBe(-ERRNO.EFAULT);
  });

  test('stays until it is cleared; an incremental reading goes on from the index', () => {
    const { press, read } = pressed();
    press('u');
    const first = read();
    expect(read().text).toBe(first.text);
    press('u');
    expect(read({ incremental: true, index: first.index }).text).toBe(first.text);
    expect(shown(read({ incremental: false, index: first.index }).text)).toBe(2);
    const part = read({ clear: true, size: 10 });
    expect(part.text).toBe(first.text.slice(0, 10));
    expect(read().text).toBe((first.text + first.text).slice(10));
    expect(read({ address: BAD_ADDRESS }).result).toBe(-ERRNO.EFAULT);
    expect(read({ address: BAD_ADDRESS, size: 0 }).result).toBe(0);
  });
});

describe('CPU pools', () => {
  test('info answers for the pool or the next one, with its scheduler, domains and CPUs', () => {
    const { door, xen } = bootedXen();
    const pool = xen.createPool(6, 5);
    expect(pool).toBe(5);
    xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu: 7 });
    xen.guest();
    const map = door.allocBuffer(1);
    const ask = (op: number, id: number, address = BigInt(map.address)) => {
      map.bytes.fill(0);
      const result = xen.sysctl(SYSCTL.cpupool_op, (view) => {
        view.setUint32(UNION, op, true);
        view.setUint32(UNION + 4, id, true);
        view.setBigUint64(UNION + 24, address, true);
        view.setUint32(UNION + 32, 8, true);
      });
      const at = (offset: number) => xen.view.getUint32(UNION + offset, true);
      return { result, pool: at(4), scheduler: at(8), domains: at(20), cpus: map.bytes[0] };
    };
    expect(ask(CPUPOOL_OP.info, 0)).toEqual({ result: 0, pool: 0, scheduler: 5, domains: 2, cpus: 0x7f });
    expect(ask(CPUPOOL_OP.info, 1)).toEqual({ result: 0, pool: 5, scheduler: 6, domains: 0, cpus: 0 });
    expect(ask(CPUPOOL_OP.info, 6).result).toBe(-ERRNO.ENOENT);
    expect(ask(CPUPOOL_OP.freeinfo, 0)).toMatchObject({ result: 0, cpus: 0x80 });
    expect(ask(CPUPOOL_OP.info, 0, BAD_ADDRESS).result).toBe(-ERRNO.EFAULT);
    expect(ask(CPUPOOL_OP.freeinfo, 0, BAD_ADDRESS).result).toBe(-ERRNO.EFAULT);
    expect(ask(99, 0).result).toBe(-ERRNO.ENOSYS);
  });

  test('what cannot be done says why', () => {
    const { xen } = bootedXen();
    const pool = xen.createPool(6);
    expect(xen.createPool(6, pool)).toBe(-ERRNO.EEXIST);
    // The null scheduler is for experts' builds.
    expect(xen.createPool(9)).toBe(-ERRNO.ENOENT);
    for (const op of [CPUPOOL_OP.destroy, CPUPOOL_OP.addcpu, CPUPOOL_OP.rmcpu]) {
      expect(xen.pool(op, { pool: 99, cpu: 1 }), String(op)).toBe(-ERRNO.ENOENT);
    }
    expect(xen.pool(CPUPOOL_OP.addcpu, { pool, cpu: 8 })).toBe(-ERRNO.EINVAL);
    expect(xen.pool(CPUPOOL_OP.addcpu, { pool, cpu: 1 })).toBe(-ERRNO.ENODEV);
    expect(xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu: 0 })).toBe(-ERRNO.EINVAL);
    expect(xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu: 8 })).toBe(-ERRNO.EINVAL);
    expect(xen.pool(CPUPOOL_OP.rmcpu, { pool, cpu: 1 })).toBe(-ERRNO.EADDRNOTAVAIL);
    expect(xen.pool(CPUPOOL_OP.rmcpu, { pool, cpu: NONE })).toBe(-ERRNO.EINVAL);
    expect(xen.pool(CPUPOOL_OP.destroy, { pool: 0 })).toBe(-ERRNO.EBUSY);
    expect(xen.pool(CPUPOOL_OP.movedomain, { pool, domid: 31_000 })).toBe(-ERRNO.ESRCH);
    expect(xen.pool(CPUPOOL_OP.destroy, { pool })).toBe(0);
    expect(xen.pool(CPUPOOL_OP.destroy, { pool })).toBe(-ERRNO.ENOENT);
  });

  test('"any" removes the last CPU of a pool and adds the first free one', () => {
    const { xen } = bootedXen();
    const pool = xen.createPool(6);
    expect(xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu: NONE })).toBe(0);
    expect(xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu: 3 })).toBe(0);
    expect(xen.pool(CPUPOOL_OP.addcpu, { pool, cpu: NONE })).toBe(0);
    // CPU 3 is gone, CPU 7 is the one that is left.
    expect(xen.pool(CPUPOOL_OP.addcpu, { pool, cpu: 3 })).toBe(-ERRNO.ENODEV);
    expect(xen.pool(CPUPOOL_OP.addcpu, { pool, cpu: 7 })).toBe(0);
    expect(xen.pool(CPUPOOL_OP.destroy, { pool })).toBe(-ERRNO.EBUSY);
  });

  test('moving to the same pool does nothing; to another, weight and cap are the defaults again', () => {
    const { xen } = bootedXen();
    const pool = xen.createPool(6);
    xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu: 7 });
    xen.pool(CPUPOOL_OP.addcpu, { pool, cpu: 7 });
    const domid = xen.guest(1);
    xen.setAffinity(domid, 0, { hard: [1] });
    expect(xen.pool(CPUPOOL_OP.movedomain, { pool: 0, domid })).toBe(0);
    expect(xen.getAffinity(domid, 0).hard).toBe('1');
    expect(xen.pool(CPUPOOL_OP.movedomain, { pool: 99, domid })).toBe(-ERRNO.ENOENT);
    expect(xen.pool(CPUPOOL_OP.movedomain, { pool, domid })).toBe(0);
    expect(xen.getAffinity(domid, 0).hard).toBe('0-7');
    expect(xen.setAffinity(domid, 0, { hard: [7, 1] }).hard).toBe('7');
    expect(xen.pool(CPUPOOL_OP.destroy, { pool })).toBe(-ERRNO.EBUSY);
  });
});

describe('claims', () => {
  test('the total, pages held already included, up to max_pages; one at a time; 0 cancels', () => {
    const { xen } = bootedXen();
    const domid = xen.guest();
    xen.maxMem(domid, 4 * 100);
    xen.populate(domid, 10);
    expect(xen.claim(domid, 10)).toBe(-ERRNO.EINVAL);
    expect(xen.claim(domid, 101)).toBe(-ERRNO.EINVAL);
    expect(xen.claim(domid, 100)).toBe(0);
    expect(xen.claim(domid, 90)).toBe(-ERRNO.EINVAL);
    expect(xen.claim(domid, 0)).toBe(0);
    expect(xen.claim(domid, 0)).toBe(0);
    expect(xen.claim(domid, 11)).toBe(0);
    expect(xen.claim(31_000, 1)).toBe(-ERRNO.EINVAL);
  });

  test('a node is refused upstream', () => {
    const { xen } = bootedXen();
    expect(xen.claim(xen.guest(), 10, EXACT | onNode(0))).toBe(-ERRNO.EINVAL);
  });
});
