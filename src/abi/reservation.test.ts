// xen_memory_reservation and its node flags, against xen/include/public/memory.h: extent_start at
// 0, nr_extents at 8, order at 16, mem_flags at 20, domid at 24, 32 bytes in all; bits 8-15 of
// mem_flags are a node plus one.
import { expect, test } from 'vitest';
import { MEMF, memFlagsOfNode, NUMA_NO_NODE, nodeOfMemFlags, RESERVATION_BYTES, readReservation, writeReservation } from './reservation.js';

const RESERVATION = { extentStart: 0x1234_5678_9abc, extents: 0x1_0000_0002, order: 9, memFlags: 0x2_0300, domid: 0x7fef };
/** Little endian, written out in full. */
const BYTES = 'bc9a785634120000 0200000001000000 09000000 00030200 ef7f 000000000000'.replaceAll(' ', '');

test('the bytes of a reservation', () => {
  const view = new DataView(new ArrayBuffer(RESERVATION_BYTES));
  writeReservation(view, 0, RESERVATION);
  expect(Buffer.from(view.buffer).toString('hex')).toBe(BYTES);
});

test('a reservation is read from where it lies', () => {
  const view = new DataView(new ArrayBuffer(8 + RESERVATION_BYTES));
  Buffer.from(view.buffer).write(BYTES, 8, 'hex');
  expect(readReservation(view, 8)).toEqual(RESERVATION);
});

test('the node flags: node plus one in bits 8-15, exact in bit 17', () => {
  expect(memFlagsOfNode(0, false)).toBe(0x100);
  expect(memFlagsOfNode(63, false)).toBe(0x4000);
  expect(memFlagsOfNode(2, true)).toBe(0x2_0300);
});

test('the node of flags, whatever other flags there are', () => {
  expect(nodeOfMemFlags(0)).toBe(NUMA_NO_NODE);
  expect(nodeOfMemFlags(0xff)).toBe(NUMA_NO_NODE);
  expect(nodeOfMemFlags(0x7_0000)).toBe(NUMA_NO_NODE);
  expect(nodeOfMemFlags(0x100)).toBe(0);
  expect(nodeOfMemFlags(0x7_40ff)).toBe(63);
  expect(nodeOfMemFlags(0xff00)).toBe(254);
});

test('the other flags', () => {
  expect(MEMF).toEqual({ addressBits: 0xff, nodeShift: 8, populateOnDemand: 0x1_0000, exactNode: 0x2_0000, vnode: 0x4_0000 });
});
