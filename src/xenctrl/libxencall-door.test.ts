// What the libxencall door says where there is no Xen, and its buffer pool over memory of this process. On a real Xen: test/xen/.
import { existsSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InputError } from '../errors.js';
import { BufferPool } from './buffer-pool.js';
import type { HypercallBuffer } from './door.js';
import { openLibxencall } from './libxencall-door.js';

const hasXen = existsSync('/dev/xen/privcmd') || existsSync('/proc/xen/privcmd');

test.skipIf(hasXen)('no Xen: one clear error', async () => {
  const error = await openLibxencall().then(
    () => undefined,
    (one: unknown) => one,
  );
  expect(error).toBeInstanceOf(InputError);
  expect(String(error)).toMatch(/there is no Xen here.*run it in the control domain/);
});

function countingPool() {
  const pages = new Map<number, ArrayBuffer>();
  let next = 4096;
  const pool = new BufferPool({
    allocPages(sizeBytes) {
      const address = next;
      next += Math.ceil(sizeBytes / 4096 + 1) * 4096;
      const memory = new ArrayBuffer(Math.ceil(sizeBytes / 4096) * 4096);
      new Uint8Array(memory).fill(0xa5);
      pages.set(address, memory);
      return { address, memory };
    },
    freePages(address) {
      if (!pages.delete(address)) throw new Error('pages given back twice');
    },
  });
  return { pool, pages };
}

test('any order of buffers: zeroed, never overlapping, all pages back at the end', () => {
  const step = fc.oneof(
    fc.record({ alloc: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 20_000 })) }),
    fc.record({ free: fc.nat() }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const { pool, pages } = countingPool();
      const live: HypercallBuffer[] = [];
      for (const one of steps) {
        if ('alloc' in one) {
          const buffer = pool.alloc(one.alloc);
          expect(buffer.bytes.every((byte) => byte === 0)).toBe(true);
          expect(buffer.bytes).toHaveLength(one.alloc);
          expect(buffer.view.byteLength).toBe(one.alloc);
          for (const other of live) {
            const apart = buffer.address >= other.address + other.bytes.length || other.address >= buffer.address + buffer.bytes.length;
            expect(apart).toBe(true);
          }
          buffer.bytes.fill(0xff);
          live.push(buffer);
        } else if (live.length > 0) {
          const [buffer] = live.splice(one.free % live.length, 1);
          pool.free(buffer!);
          expect(buffer!.bytes).toHaveLength(0);
          expect(() => pool.free(buffer!)).toThrow('given back twice');
        }
      }
      expect(pool.liveBuffers).toBe(live.length);
      pool.clear();
      expect(pages.size).toBe(0);
      expect(live.every((buffer) => buffer.bytes.length === 0)).toBe(true);
    }),
    { seed: 7, numRuns: 200 },
  );
});

test('small buffers share pages, and empty pages go back but one', () => {
  const { pool, pages } = countingPool();
  const buffers = Array.from({ length: 640 }, () => pool.alloc(32));
  expect(pages.size).toBe(5);
  for (const buffer of buffers) pool.free(buffer);
  expect(pages.size).toBe(1);
});

test.each([0, -1, 1.5, Number.NaN])('a buffer of %s bytes is refused', (sizeBytes) => {
  expect(() => countingPool().pool.alloc(sizeBytes)).toThrow(RangeError);
});
