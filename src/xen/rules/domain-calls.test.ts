// The errors and effects of domctl and sched_op, call by call (xen/common/domctl.c, domain.c and
// sched/core.c), in bytes through the door.
import { describe, expect, test } from 'vitest';
import { bootedXen } from '../../../test/support/booted-xen.js';
import { DOMCTL, HYPERCALL, SYSCTL } from '../../abi/commands.js';
import { ERRNO } from '../../base/errors.js';

type Booted = ReturnType<typeof bootedXen>;

/** Offsets of the public headers: of the domctl's union, and of createdomain and getdomaininfo. */
const UNION = 16;
const CREATE = { ssidref: 0, handle: 4, flags: 20, iommuOpts: 24, maxVcpus: 28, emulation417: 56 };
const INFO = { flags: 4, online: 64, maxVcpuId: 68, ssidref: 72, handle: 76, cpupool: 92, gpaddrBits: 96, sharedInfo: 48 };
const FLAG = { hvm: 2, shutdown: 4, paused: 8, running: 32, xenstore: 128, hap: 256 };

function create({ xen }: Booted, fill: (view: DataView) => void): number {
  const result = xen.domctl(DOMCTL.createdomain, 0, (view) => {
    view.setUint32(UNION + CREATE.maxVcpus, 1, true);
    fill(view);
  });
  return result < 0 ? result : xen.view.getUint16(8, true);
}

function infoFlags({ xen }: Booted, domid: number): { code: number; flags: number } {
  expect(xen.domctl(DOMCTL.getdomaininfo, domid)).toBe(0);
  const flags = xen.view.getUint32(UNION + INFO.flags, true);
  return { code: flags >>> 16, flags: flags & 0xffff };
}

describe('createdomain', () => {
  test.each([
    ['a flag that 4.17 does not know', CREATE.flags, 256],
    ['HAP without hardware virtualisation', CREATE.flags, 2],
    ['IOMMU options without an IOMMU', CREATE.iommuOpts, 1],
    ['no vCPU', CREATE.maxVcpus, 0],
    ['an emulated device that Xen does not know', CREATE.emulation417, 0x800],
  ])('%s: EINVAL', (_title, at, value) => {
    expect(create(bootedXen(), (view) => view.setUint32(UNION + at, value, true))).toBe(-ERRNO.EINVAL);
  });

  test('IOMMU options beside the IOMMU flag are fine', () => {
    const booted = bootedXen();
    const domid = create(booted, (view) => {
      view.setUint32(UNION + CREATE.flags, 32, true);
      view.setUint32(UNION + CREATE.iommuOpts, 1, true);
    });
    expect(domid).toBe(1);
  });

  test('an id outside 1 to 0x7fef is the next one after the last that Xen chose', () => {
    const { xen } = bootedXen();
    expect([xen.create(), xen.create({ id: 3 }), xen.create(), xen.create(), xen.create({ id: 0x7ff0 })]).toEqual([1, 3, 2, 4, 5]);
    expect(xen.create({ id: 0x7fef })).toBe(0x7fef);
    expect(xen.domctl(DOMCTL.destroydomain, 1)).toBe(0);
    expect(xen.create()).toBe(6);
  });

  test('what was said of the domain is what getdomaininfo answers', () => {
    const booted = bootedXen();
    const pool = booted.xen.createPool(6);
    for (const cpu of [6, 7]) {
      booted.xen.pool(5, { pool: 0, cpu });
      booted.xen.pool(4, { pool, cpu });
    }
    const domid = create(booted, (view) => {
      view.setUint32(UNION + CREATE.ssidref, 77, true);
      for (let i = 0; i < 16; i++) view.setUint8(UNION + CREATE.handle + i, 0xa0 + i);
      view.setUint32(UNION + CREATE.flags, 16, true);
      view.setUint32(UNION + 52, pool, true);
    });
    expect(infoFlags(booted, domid)).toEqual({ code: 0xffff, flags: FLAG.xenstore | FLAG.paused });
    const { view } = booted.xen;
    expect([INFO.ssidref, INFO.cpupool].map((at) => view.getUint32(UNION + at, true))).toEqual([77, pool]);
    const handle = Array.from({ length: 16 }, (_, i) => view.getUint8(UNION + INFO.handle + i));
    expect(handle).toEqual(Array.from({ length: 16 }, (_, i) => 0xa0 + i));
    expect(view.getBigUint64(UNION + INFO.sharedInfo, true)).toBe(2n ** 64n - 1n);
    // A PV domain has no guest-physical addresses.
    expect(view.getUint8(UNION + INFO.gpaddrBits)).toBe(0);
  });
});

test('getdomaininfo has no address bits before 4.16', () => {
  const booted = bootedXen(2, 4, { version: '4.15' });
  const domid = booted.xen.guest(1, { hvm: true });
  expect(infoFlags(booted, domid).flags).toBe(FLAG.hvm | FLAG.hap | FLAG.paused);
  expect(booted.xen.view.getUint8(UNION + INFO.gpaddrBits)).toBe(0);
});

test('Domain-0 runs on all of its vCPUs', () => {
  const booted = bootedXen();
  expect(infoFlags(booted, 0)).toEqual({ code: 0xffff, flags: FLAG.running });
  const { view } = booted.xen;
  const online = view.getUint32(UNION + INFO.online, true);
  expect(online).toBeGreaterThan(0);
  expect(view.getUint32(UNION + INFO.maxVcpuId, true)).toBe(online - 1);
  expect(booted.xen.domctl(DOMCTL.getvcpuinfo, 0)).toBe(0);
  expect([4, 5, 6].map((at) => booted.xen.view.getUint8(UNION + at))).toEqual([1, 0, 1]);
});

test('Domain-0 cannot destroy, pause, resume, reset or resize itself', () => {
  const { xen } = bootedXen();
  for (const cmd of [DOMCTL.destroydomain, DOMCTL.pausedomain, DOMCTL.resumedomain, DOMCTL.soft_reset]) {
    expect(xen.domctl(cmd, 0), String(cmd)).toBe(-ERRNO.EINVAL);
  }
  expect(xen.domctl(DOMCTL.getdomaininfo, 0)).toBe(0);
  expect(xen.maxVcpus(0, xen.view.getUint32(UNION + INFO.maxVcpuId, true) + 1)).toBe(-ERRNO.EINVAL);
});

test('the vCPU of a stopped guest is on the first CPU that both masks allow, else on the first of the hard one', () => {
  const { xen } = bootedXen();
  const domid = xen.guest(1);
  const cpu = () => {
    xen.domctl(DOMCTL.getvcpuinfo, domid);
    return xen.view.getUint32(UNION + 16, true);
  };
  xen.setAffinity(domid, 0, { hard: [2, 5], soft: [5, 6] });
  expect(cpu()).toBe(5);
  xen.setAffinity(domid, 0, { soft: [6] });
  expect(cpu()).toBe(2);
});

test('max_mem counts whole pages, up to 32 bits of them', () => {
  const { xen } = bootedXen();
  const domid = xen.create();
  const maxPages = (kib: number) => {
    expect(xen.maxMem(domid, kib)).toBe(0);
    xen.domctl(DOMCTL.getdomaininfo, domid);
    return xen.view.getBigUint64(UNION + 16, true);
  };
  expect([maxPages(7), maxPages(8), maxPages(2 ** 40)]).toEqual([1n, 2n, 2n ** 32n - 1n]);
});

describe('shutdown', () => {
  const shutdown = ({ door }: Booted, domid: number, reason: number) => {
    const buffer = door.allocBuffer(8);
    buffer.view.setUint16(0, domid, true);
    buffer.view.setUint8(4, reason);
    return door.hypercall(HYPERCALL.schedOp, 4, buffer.address);
  };

  test('the first reason stays until the domain resumes', () => {
    const booted = bootedXen();
    const domid = booted.xen.guest(1);
    expect(shutdown(booted, domid, 2)).toBe(0);
    expect(shutdown(booted, domid, 1)).toBe(0);
    expect(infoFlags(booted, domid)).toEqual({ code: 2, flags: FLAG.shutdown | FLAG.paused });
    expect(booted.xen.domctl(DOMCTL.resumedomain, domid)).toBe(0);
    expect(infoFlags(booted, domid)).toEqual({ code: 0xffff, flags: FLAG.paused });
    expect(shutdown(booted, domid, 1)).toBe(0);
    expect(infoFlags(booted, domid).code).toBe(1);
  });

  test('not of Domain-0, of an absent domain, or from memory that is not there', () => {
    const booted = bootedXen();
    expect(shutdown(booted, 0, 0)).toBe(-ERRNO.EPERM);
    expect(shutdown(booted, 31_000, 0)).toBe(-ERRNO.ESRCH);
    expect(booted.door.hypercall(HYPERCALL.schedOp, 4, 8)).toBe(-ERRNO.EFAULT);
    expect(booted.door.hypercall(HYPERCALL.schedOp, 7, 8)).toBe(-ERRNO.EFAULT);
    expect(booted.door.hypercall(HYPERCALL.schedOp, 99, 8)).toBe(-ERRNO.ENOSYS);
  });

  test('a soft reset needs stopped vCPUs and hardware virtualisation; it crashes any other domain', () => {
    const booted = bootedXen();
    const { xen } = booted;
    const [hvm, pv] = [xen.guest(1, { hvm: true }), xen.guest(1)];
    expect(xen.domctl(DOMCTL.soft_reset, hvm)).toBe(-ERRNO.EINVAL);
    expect(infoFlags(booted, hvm).code).toBe(0xffff);
    shutdown(booted, hvm, 5);
    shutdown(booted, pv, 5);
    expect(xen.domctl(DOMCTL.soft_reset, hvm)).toBe(0);
    expect(infoFlags(booted, hvm)).toEqual({ code: 0xffff, flags: FLAG.hvm | FLAG.hap | FLAG.paused });
    expect(xen.domctl(DOMCTL.soft_reset, pv)).toBe(-ERRNO.EINVAL);
    // Without vCPUs there is none that runs: a PV domain then crashes, reason 3.
    const bare = xen.create();
    expect(xen.domctl(DOMCTL.soft_reset, bare)).toBe(-ERRNO.EINVAL);
    expect(infoFlags(booted, bare)).toEqual({ code: 3, flags: FLAG.shutdown | FLAG.paused });
  });
});

describe('a temporary pin', () => {
  test('is of a CPU of the pool', () => {
    const { door, xen } = bootedXen();
    const pinned = door.allocBuffer(4);
    const pin = (cpu: number) => {
      pinned.view.setInt32(0, cpu, true);
      return door.hypercall(HYPERCALL.schedOp, 7, pinned.address);
    };
    xen.pool(5, { pool: 0, cpu: 7 });
    expect([pin(8), pin(7), pin(0)]).toEqual([-ERRNO.EINVAL, -ERRNO.EINVAL, 0]);
    // FORCE undoes it before the new masks are set; a soft mask alone is refused like a hard one.
    expect(xen.setAffinity(0, 0, { soft: [1] }).result).toBe(-ERRNO.EBUSY);
    expect(xen.setAffinity(0, 0, { hard: [1, 2], flags: 5 })).toMatchObject({ result: 0, hard: '1-2' });
    expect(pin(-1)).toBe(-ERRNO.EINVAL);
  });
});

describe('set_paging_mempool_size', () => {
  const resize = ({ xen }: Booted, domid: number, bytes: bigint) =>
    xen.domctl(DOMCTL.set_paging_mempool_size, domid, (view) => view.setBigUint64(UNION, bytes, true));
  const free = ({ door }: Booted) => door.inspect.freePages().reduce((a, b) => a + b, 0);

  test('not for PV domains, and in whole pages, 32 bits of them at most', () => {
    const booted = bootedXen();
    expect(resize(booted, booted.xen.guest(1), 4096n)).toBe(-ERRNO.EOPNOTSUPP);
    const domid = booted.xen.guest(1, { hvm: true });
    expect(resize(booted, domid, 4097n)).toBe(-ERRNO.EINVAL);
    expect(resize(booted, domid, 2n ** 44n)).toBe(-ERRNO.EINVAL);
  });

  test('a pool of HAP starts with 256 pages; it grows, shrinks, and gives every page back', () => {
    const booted = bootedXen();
    const domid = booted.xen.guest(1, { hvm: true });
    const before = free(booted);
    expect(resize(booted, domid, 256n * 4096n)).toBe(0);
    expect(free(booted)).toBe(before);
    expect(resize(booted, domid, 1001n * 4096n)).toBe(0);
    expect(free(booted)).toBe(before - (1001 - 256));
    expect(resize(booted, domid, 10n * 4096n)).toBe(0);
    expect(free(booted)).toBe(before + 246);
    expect(booted.door.inspect.invariants()).toEqual([]);
  });

  test('what does not fit is ENOMEM', () => {
    const booted = bootedXen();
    const domid = booted.xen.guest(1, { hvm: true });
    expect(resize(booted, domid, BigInt(free(booted) + 257) * 4096n)).toBe(-ERRNO.ENOMEM);
    expect(free(booted)).toBe(0);
    expect(booted.xen.create({ hvm: true })).toBe(-ERRNO.ENOMEM);
  });
});

test('getdomaininfolist: from an id on, ascending, no more than there is room for', () => {
  const { door, xen } = bootedXen();
  for (const id of [9, 4, 6]) xen.create({ id });
  const SIZE = 112;
  const table = door.allocBuffer(2 * SIZE);
  const list = (first: number, most: number, address = table.address) => {
    table.bytes.fill(0xee);
    const result = xen.sysctl(SYSCTL.getdomaininfolist, (view) => {
      view.setUint16(8, first, true);
      view.setUint32(12, most, true);
      view.setBigUint64(16, BigInt(address), true);
    });
    if (result !== 0) return result;
    const count = xen.view.getUint32(24, true);
    return Array.from({ length: count }, (_, i) => table.view.getUint16(i * SIZE, true));
  };
  expect(list(0, 2)).toEqual([0, 4]);
  expect(list(4, 2)).toEqual([4, 6]);
  expect(list(5, 1)).toEqual([6]);
  expect(table.bytes[SIZE]).toBe(0xee);
  expect(list(7, 2)).toEqual([9]);
  expect(list(10, 2)).toEqual([]);
  expect(list(10, 2, 8)).toEqual([]);
  expect(list(0, 2, 8)).toBe(-ERRNO.EFAULT);
});
