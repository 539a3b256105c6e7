// The largest machine and the most domains: rules measured on a real Xen 4.17.7, in bytes through
// the door.
import { expect, test } from 'vitest';
import { bootedXen, hostOf } from '../../../test/support/booted-xen.js';
import { RawCaller } from '../../../test/support/raw-caller.js';
import { DOMCTL, SYSCTL } from '../../abi/commands.js';
import { ERRNO } from '../../base/errors.js';
import { GIB, TIB } from '../../base/units.js';
import { EmbeddedDoor } from '../../xenctrl/doors/embedded-door.js';
import { machineFromHost } from '../state/machine.js';

test('8,192 vCPUs of a PV domain and 128 of a PVH one, and not one more', () => {
  const { xen } = bootedXen();
  expect(xen.create({ vcpus: 8193 })).toBe(-ERRNO.EINVAL);
  expect(xen.create({ vcpus: 129, hvm: true })).toBe(-ERRNO.EINVAL);
  expect(xen.create({ vcpus: 128, hvm: true })).toBeGreaterThan(0);
  const domid = xen.guest(8192);
  expect(xen.setAffinity(domid, 8191, { soft: [0] }).result).toBe(0);
  expect(xen.setAffinity(domid, 8192, { soft: [0] }).result).toBe(-ERRNO.EINVAL);
});

test('32,751 domains beside Domain-0, and not one more', () => {
  const { xen } = bootedXen();
  for (let id = 1; id < 0x7ff0; id++) if (xen.create() !== id) expect.fail(`domain ${id} was not created`);
  expect(xen.create()).toBe(-ERRNO.ENOMEM);
  expect(xen.domctl(DOMCTL.destroydomain, 77)).toBe(0);
  expect(xen.create()).toBe(77);
  expect(xen.create({ id: 77 })).toBe(-ERRNO.EEXIST);
});

test('64 nodes, 4,096 CPUs and 64 TiB', () => {
  const machine = machineFromHost(hostOf(64, 64, TIB, TIB - 2 * GIB));
  const door = new EmbeddedDoor(machine);
  const xen = new RawCaller(door, 4096);
  expect(door.inspect.freePages()).toEqual(new Array(64).fill((TIB - 2 * GIB) / 4096));
  const domid = xen.guest(64);
  for (let vcpu = 0; vcpu < 64; vcpu++) xen.setAffinity(domid, vcpu, { soft: [4032 + vcpu] });
  expect(xen.nodes(domid)).toBe('63');
  expect(xen.populate(domid, 2 ** 19, 9).done).toBe(2 ** 19);
  const pages = door.inspect.pagesByNode(domid)!;
  expect(pages.reduce((a, b) => a + b, 0)).toBe(2 ** 28);
  expect(pages[63]! + 512 * 2).toBeGreaterThan((TIB - 2 * GIB) / 4096);
  expect(door.inspect.invariants()).toEqual([]);
  xen.domctl(DOMCTL.destroydomain, domid);
  expect(door.inspect.freePages()).toEqual(new Array(64).fill((TIB - 2 * GIB) / 4096));
});

test('absent CPUs stay holes', () => {
  const host = { ...hostOf(2, 4), cpus: hostOf(2, 4).cpus.filter((cpu) => cpu.id !== 5) };
  const door = new EmbeddedDoor(machineFromHost(host));
  const xen = new RawCaller(door, 8);
  const table = door.allocBuffer(12 * 8);
  const result = xen.sysctl(SYSCTL.cputopoinfo, (view) => {
    view.setUint32(8, 8, true);
    view.setBigUint64(16, BigInt(table.address), true);
  });
  expect(result).toBe(0);
  const nodes = Array.from({ length: 8 }, (_, cpu) => table.view.getUint32(cpu * 12 + 8, true));
  expect(nodes).toEqual([0, 0, 0, 0, 1, 0xffffffff, 1, 1]);
  expect(xen.hotplug(5, true)).toBe(-ERRNO.EINVAL);
});
