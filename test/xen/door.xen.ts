// The libxencall door on a real Xen: memory that goes back, errors as errnos, nothing for children.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { DOMCTL, HYPERCALL, SYSCTL, XENMEM } from '../../src/abi/commands.js';
import { ERRNO } from '../../src/base/errors.js';
import { openLibxencall } from '../../src/xenctrl/doors/libxencall-door.js';
import { openXenctrl } from '../../src/xenctrl/open-xenctrl.js';

const door = await openLibxencall();
afterAll(() => door.close());

const XENMEM_MAXIMUM_RAM_PAGE = 2;

const mappings = () => readFileSync('/proc/self/maps', 'utf8').trimEnd().split('\n').length;
const residentKib = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]);

test('Xen reports its version, and its interface versions are found', () => {
  expect(door.hypercall(HYPERCALL.xenVersion, 0)).toBe((4 << 16) | 17);
  const xc = openXenctrl(door);
  expect(xc.version).toEqual({ xen: '4.17', domctl: 0x15, sysctl: 0x15 });
  xc.close();
});

test('what Xen refuses is a negative errno, whatever the hypercall', () => {
  const op = door.allocBuffer(144);
  op.view.setUint32(0, DOMCTL.getdomaininfo, true);
  op.view.setUint32(4, 0x14, true);
  expect(door.hypercall(HYPERCALL.domctl, op.address)).toBe(-ERRNO.EACCES);
  op.view.setUint32(0, SYSCTL.physinfo, true);
  expect(door.hypercall(HYPERCALL.sysctl, op.address)).toBe(-ERRNO.EACCES);
  expect(door.hypercall(HYPERCALL.domctl, 8)).toBe(-ERRNO.EFAULT);
  expect(door.hypercall(HYPERCALL.memoryOp, 8, 8)).toBeLessThan(0);
  expect(door.hypercall(63, 0)).toBe(-ERRNO.ENOSYS);
  op.bytes.fill(0);
  op.view.setUint16(24, 0x7e00, true);
  expect(door.hypercall(HYPERCALL.memoryOp, XENMEM.claim_pages, op.address)).toBe(-ERRNO.EINVAL);
  door.freeBuffer(op);
});

test("memory_op's result is its own: the machine's highest page", () => {
  expect(door.hypercall(HYPERCALL.memoryOp, XENMEM_MAXIMUM_RAM_PAGE, 0)).toBeGreaterThan(100_000);
});

test('buffers are zeroed, apart from one another, and gone once they are given back', () => {
  const buffers = Array.from({ length: 300 }, (_, i) => door.allocBuffer(1 + ((i * 37) % 9000)));
  for (const [i, buffer] of buffers.entries()) {
    expect(buffer.bytes.every((byte) => byte === 0)).toBe(true);
    buffer.bytes.fill(i & 0xff);
  }
  for (const [i, buffer] of buffers.entries()) expect(buffer.bytes.every((byte) => byte === (i & 0xff))).toBe(true);
  const first = buffers[0]!;
  for (const buffer of buffers) door.freeBuffer(buffer);
  expect(first.bytes).toHaveLength(0);
  expect(() => door.freeBuffer(first)).toThrow('given back twice');
});

test('100,000 buffers of all sizes leave neither mappings nor memory behind', () => {
  const round = (times: number) => {
    for (let i = 0; i < times; i++) {
      const small = door.allocBuffer(16 + (i % 1000));
      const large = i % 50 === 0 ? door.allocBuffer(4096 * (1 + (i % 7))) : undefined;
      door.freeBuffer(small);
      if (large !== undefined) door.freeBuffer(large);
    }
  };
  round(5_000);
  const before = { mappings: mappings(), resident: residentKib() };
  round(100_000);
  // The engine's own heap comes and goes by tens of mappings; the 2,000 large buffers alone would
  // leave as many.
  expect(mappings() - before.mappings).toBeLessThan(200);
  expect(residentKib() - before.resident).toBeLessThan(32 * 1024);
});

test('a child process has nothing of the door', () => {
  const list = spawnSync('/bin/ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' });
  expect(list.stdout).toContain('/fd');
  expect(list.stdout).not.toContain('xen');
});

test("no page of a hypercall buffer is in a fork's memory, and the guard's page is wiped there", () => {
  const buffer = door.allocBuffer(64);
  const page = Math.floor(buffer.address / 4096) * 4096;
  const mappings = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const flagsOf = (mapping: string) => /^VmFlags: (.*)$/m.exec(mapping)?.[1]?.trim().split(' ') ?? [];
  const holds = (mapping: string) => {
    const [first, end] = /^(\w+)-(\w+) /
      .exec(mapping)!
      .slice(1)
      .map((text) => Number.parseInt(text, 16));
    return first! <= page && page < end!;
  };
  // "dc": not copied on fork; "wf": wiped on fork (proc_pid_smaps(5)).
  expect(flagsOf(mappings.find(holds)!)).toContain('dc');
  expect(mappings.some((mapping) => flagsOf(mapping).includes('wf'))).toBe(true);
  door.freeBuffer(buffer);
});

test('a closed door takes no hypercall, and closing it again does nothing', async () => {
  const other = await openLibxencall();
  const buffer = other.allocBuffer(64);
  other.close();
  other.close();
  expect(buffer.bytes).toHaveLength(0);
  expect(() => other.hypercall(HYPERCALL.xenVersion, 0)).toThrow('closed');
  expect(() => other.allocBuffer(1)).toThrow('closed');
});
