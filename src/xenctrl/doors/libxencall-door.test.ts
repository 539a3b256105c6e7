// The errors of the libxencall door without a Xen, and its buffer pool over memory of this process.
// On a real Xen: test/xen/.
import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InputError } from '../../base/errors.js';
import { BufferPool } from './buffer-pool.js';
import type { HypercallBuffer } from './door.js';
import { forkGuard } from './fork-guard.js';
import { type Library, LibxencallDoor, memoryCalls, openLibxencall } from './libxencall-door.js';

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

/**
 * A library that answers each hypercall with 0; `fork` makes the process a child of the one that
 * opened the door.
 */
function forkableLibrary() {
  const state = { here: true, kept: 0, guards: 0, opened: 0, calls: 0, pages: new Set<number>() };
  let next = 4096;
  const count = () => {
    state.calls++;
    return 0;
  };
  const library: Library = {
    open: () => {
      state.opened++;
      return 7;
    },
    close: () => {
      state.opened--;
      return 0;
    },
    alloc: () => {
      next += 65_536;
      state.pages.add(next);
      return next;
    },
    free: (_handle, address) => {
      state.pages.delete(address!);
      return 0;
    },
    xencall1: count,
    xencall2: count,
    xencall3: count,
    xencall2L: count,
    guard: () => {
      state.guards++;
      return {
        address: 0,
        isHere: () => {
          if (state.guards === 0) throw new Error('asked after its release');
          return state.here;
        },
        release: () => void state.guards--,
      };
    },
    keepFromForks: () => {
      state.kept++;
    },
    errno: () => 0,
    view: (_address, sizeBytes) => new ArrayBuffer(Math.ceil(sizeBytes / 4096) * 4096),
  };
  return { library, state };
}

test('no hypercall handle survives a fork: the child is refused all, and changes nothing of its parent', () => {
  const { library, state } = forkableLibrary();
  const door = new LibxencallDoor(library);
  const buffer = door.allocBuffer(64);
  expect(state.kept).toBe(1);
  expect(door.hypercall(17, 0)).toBe(0);
  const before = { ...state, pages: [...state.pages] };
  state.here = false;
  const refusal = 'a hypercall door does not survive a fork: open another in this process';
  expect(() => door.hypercall(17, 0)).toThrow(refusal);
  expect(() => door.hypercall(36, buffer.address)).toThrow(refusal);
  expect(() => door.allocBuffer(16)).toThrow(refusal);
  expect(() => door.freeBuffer(buffer)).toThrow(refusal);
  expect(() => door.close()).toThrow(refusal);
  expect({ ...state, pages: [...state.pages] }).toEqual({ ...before, here: false });

  // The parent goes on as if nothing had been.
  state.here = true;
  expect(door.hypercall(36, buffer.address)).toBe(0);
  door.freeBuffer(buffer);
  door.close();
  door.close();
  expect(state).toMatchObject({ guards: 0, opened: 0, calls: 2 });
  expect(state.pages.size).toBe(0);
});

const koffi = await import('koffi').catch(() => undefined);

test.skipIf(koffi === undefined || process.platform !== 'linux')(
  'the kernel has been told to wipe the page of the guard in children',
  () => {
    const { load, view } = koffi!;
    const guard = forkGuard({ ...memoryCalls(load('libc.so.6')), view: (address, size) => view(BigInt(address), size) });
    expect(guard.isHere()).toBe(true);
    const start = guard.address.toString(16);
    const [, mapping = ''] = readFileSync('/proc/self/smaps', 'utf8').split(new RegExp(`^(?=0*${start}-)`, 'm'));
    // "wf": wipe on fork (proc_pid_smaps(5)).
    expect(/^VmFlags:(.*)$/m.exec(mapping)?.[1]?.trim().split(' ')).toContain('wf');
    guard.release();
  },
);

test('a kernel that cannot wipe is one clear error, and nothing stays mapped', () => {
  const mapped = new Set<number>();
  const calls = {
    mmap: () => {
      mapped.add(4096);
      return 4096;
    },
    madvise: () => -1,
    munmap: (address: number) => {
      mapped.delete(address);
      return 0;
    },
    view: () => new ArrayBuffer(4096),
  };
  expect(() => forkGuard(calls)).toThrow(/MADV_WIPEONFORK/);
  expect(mapped.size).toBe(0);
});
