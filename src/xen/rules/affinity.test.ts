// vCPU affinity and node affinity: rules measured on a real Xen 4.17.7, in bytes through the door.
import { expect, test } from 'vitest';
import { bootedXen } from '../../../test/support/booted-xen.js';
import { CPUPOOL_OP, DOMCTL } from '../../abi/commands.js';
import { ERRNO } from '../../base/errors.js';

test('the node affinity narrows only when the last vCPU is set', () => {
  const { xen } = bootedXen();
  const domid = xen.guest(4);
  for (let vcpu = 0; vcpu < 3; vcpu++) {
    xen.setAffinity(domid, vcpu, { soft: [4, 5] });
    expect(xen.nodes(domid)).toBe('0-1');
  }
  xen.setAffinity(domid, 3, { soft: [4, 5] });
  expect(xen.nodes(domid)).toBe('1');
});

test('an empty hard mask is refused, an empty soft mask is accepted and leaves the hard one to decide', () => {
  const { xen } = bootedXen();
  const domid = xen.guest(1);
  expect(xen.setAffinity(domid, 0, { hard: [] }).result).toBe(-ERRNO.EINVAL);
  expect(xen.setAffinity(domid, 0, { hard: [0, 1], soft: [] })).toEqual({ result: 0, hard: '0-1', soft: '' });
  expect(xen.nodes(domid)).toBe('0');
});

test('the full request is stored, the effective masks are answered', () => {
  const { xen } = bootedXen();
  const pool = xen.createPool(5);
  for (const cpu of [6, 7]) {
    expect(xen.pool(CPUPOOL_OP.rmcpu, { pool: 0, cpu })).toBe(0);
    expect(xen.pool(CPUPOOL_OP.addcpu, { pool, cpu })).toBe(0);
  }
  const domid = xen.guest(1);
  expect(xen.setAffinity(domid, 0, { hard: [5, 6], soft: [4, 5, 6] })).toEqual({ result: 0, hard: '5', soft: '5' });
  expect(xen.getAffinity(domid, 0)).toEqual({ result: 0, hard: '5-6', soft: '4-6' });
});

test('a failing soft half rolls the hard one back, but the answer already holds the effective hard mask', () => {
  const { door, xen } = bootedXen();
  const domid = xen.guest(1);
  const hard = door.allocBuffer(1);
  hard.bytes[0] = 0x03;
  const result = xen.domctl(DOMCTL.setvcpuaffinity, domid, (view) => {
    view.setUint32(20, 3, true);
    view.setBigUint64(24, BigInt(hard.address), true);
    view.setUint32(32, 8, true);
    view.setBigUint64(40, 8n, true);
    view.setUint32(48, 8, true);
  });
  expect(result).toBe(-ERRNO.EFAULT);
  expect(hard.bytes[0]).toBe(0x03);
  expect(xen.getAffinity(domid, 0).hard).toBe('0-7');
});

// 4.17: measured on 4.17.7. 4.20: measured on 4.20.4 (Xen 6a21252a74). The others: stable branches.
test.each([
  ['4.17', 0],
  ['4.19', 0],
  ['4.20', -ERRNO.EFAULT],
  ['4.22', -ERRNO.EFAULT],
])('on %s a hard mask that cannot be copied out answers %d, and the soft one is written', (version, expected) => {
  const { door, xen } = bootedXen(2, 4, { version });
  const domid = xen.guest(1);
  xen.setAffinity(domid, 0, { soft: [4, 5] });
  const soft = door.allocBuffer(1);
  const get = (hardHandle: bigint, softHandle: bigint) =>
    xen.domctl(DOMCTL.getvcpuaffinity, domid, (view) => {
      view.setUint32(20, 3, true);
      view.setBigUint64(24, hardHandle, true);
      view.setUint32(32, 8, true);
      view.setBigUint64(40, softHandle, true);
      view.setUint32(48, 8, true);
    });
  expect(get(8n, BigInt(soft.address))).toBe(expected);
  expect(soft.bytes[0]).toBe(0x30);
  expect(get(BigInt(soft.address), 8n)).toBe(-ERRNO.EFAULT);
});

test('unknown flags are not refused, no flags are', () => {
  const { xen } = bootedXen();
  const domid = xen.guest(1);
  expect(xen.setAffinity(domid, 0, { flags: 8 }).result).toBe(0);
  expect(xen.setAffinity(domid, 0, { flags: 4 }).result).toBe(0);
  expect(xen.setAffinity(domid, 0, { flags: 0 }).result).toBe(-ERRNO.EINVAL);
  expect(xen.setAffinity(domid, 0, { flags: 1 }).result).toBe(-ERRNO.EINVAL);
  expect(xen.setAffinity(domid, 1, { soft: [0] }).result).toBe(-ERRNO.EINVAL);
  const bare = xen.create({ vcpus: 2 });
  expect(xen.setAffinity(bare, 1, { soft: [0] }).result).toBe(-ERRNO.ESRCH);
});

test('only all 64 bits make the node affinity automatic again', () => {
  const { xen } = bootedXen();
  const domid = xen.guest(1);
  expect(xen.nodes(xen.create())).toBe('0-63');
  expect(xen.setNodes(domid, [5])).toBe(-ERRNO.EINVAL);
  expect(xen.setNodes(domid, [0, 5])).toBe(0);
  expect(xen.nodes(domid)).toBe('0,5');
  expect(xen.setNodes(domid, [0, 1])).toBe(0);
  xen.setAffinity(domid, 0, { hard: [4] });
  expect(xen.nodes(domid)).toBe('0-1');
  expect(
    xen.setNodes(
      domid,
      Array.from({ length: 63 }, (_, node) => node),
    ),
  ).toBe(0);
  expect(xen.nodes(domid)).toBe('0-62');
  expect(
    xen.setNodes(
      domid,
      Array.from({ length: 64 }, (_, node) => node),
    ),
  ).toBe(0);
  expect(xen.nodes(domid)).toBe('1');
});
