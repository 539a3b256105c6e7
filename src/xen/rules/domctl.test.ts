// do_domctl(): the order of its checks, and the life of a domain: rules measured on a real Xen
// 4.17.7, in bytes through the door.
import { expect, test } from 'vitest';
import { bootedXen } from '../../../test/support/booted-xen.js';
import { DOMCTL, HYPERCALL, SYSCTL } from '../../abi/commands.js';
import { ERRNO } from '../../base/errors.js';

test('checks the structure, then the version, then the domain, then the command', () => {
  const { door, xen } = bootedXen();
  expect(door.hypercall(HYPERCALL.domctl, 8)).toBe(-ERRNO.EFAULT);
  expect(xen.domctl(999, 31_000, (view) => view.setUint32(4, 0x14, true))).toBe(-ERRNO.EACCES);
  expect(xen.domctl(999, 31_000)).toBe(-ERRNO.ESRCH);
  expect(xen.domctl(999, 0)).toBe(-ERRNO.ENOSYS);
});

test('each version answers to its own interface numbers', () => {
  for (const [version, domctl, sysctl] of [
    ['4.13', 0x12, 0x12],
    ['4.14', 0x12, 0x13],
    ['4.16', 0x14, 0x14],
    ['4.17', 0x15, 0x15],
    ['4.18', 0x16, 0x15],
    ['4.21', 0x17, 0x16],
    ['4.22', 0x18, 0x16],
  ] as const) {
    const { door, xen } = bootedXen(2, 2, { version });
    expect(door.hypercall(HYPERCALL.xenVersion, 0)).toBe((4 << 16) | Number(version.slice(2)));
    expect(xen.domctl(DOMCTL.getdomaininfo, 0, (view) => view.setUint32(4, domctl, true))).toBe(0);
    expect(xen.sysctl(SYSCTL.physinfo, (view) => view.setUint32(4, sysctl, true))).toBe(0);
    expect(xen.sysctl(SYSCTL.physinfo, (view) => view.setUint32(4, sysctl + 1, true))).toBe(-ERRNO.EACCES);
  }
  expect(() => bootedXen(1, 1, { version: '4.12' })).toThrow(/'4\.12' is not known/);
});

test('getdomaininfo answers for the next domain up to 4.17, and no longer from 4.18 on', () => {
  const old = bootedXen().xen;
  old.create({ id: 7 });
  expect(old.domctl(DOMCTL.getdomaininfo, 3)).toBe(0);
  expect(old.view.getUint16(8, true)).toBe(7);
  expect(old.domctl(DOMCTL.getdomaininfo, 8)).toBe(-ERRNO.ESRCH);
  expect(old.domctl(DOMCTL.getdomaininfo, 0x7ff0)).toBe(-ERRNO.EINVAL);
  // The lowest id counts, not the order in which they were created.
  for (const id of [12, 9, 10]) old.create({ id });
  old.domctl(DOMCTL.getdomaininfo, 8);
  expect(old.view.getUint16(8, true)).toBe(9);
  const recent = bootedXen(2, 4, { version: '4.18' }).xen;
  recent.create({ id: 7 });
  expect(recent.domctl(DOMCTL.getdomaininfo, 3)).toBe(-ERRNO.ESRCH);
});

test('a domain starts paused once, can be paused 255 times, and is destroyed once', () => {
  const { xen } = bootedXen();
  const domid = xen.guest();
  for (let i = 1; i < 255; i++) expect(xen.domctl(DOMCTL.pausedomain, domid)).toBe(0);
  expect(xen.domctl(DOMCTL.pausedomain, domid)).toBe(-ERRNO.EOVERFLOW);
  for (let i = 0; i < 255; i++) expect(xen.domctl(DOMCTL.unpausedomain, domid)).toBe(0);
  expect(xen.domctl(DOMCTL.unpausedomain, domid)).toBe(-ERRNO.EINVAL);
  expect(xen.domctl(DOMCTL.destroydomain, domid)).toBe(0);
  expect(xen.domctl(DOMCTL.destroydomain, domid)).toBe(-ERRNO.ESRCH);
});
