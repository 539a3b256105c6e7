// The hypercall door of a real Xen: libxencall.so.1 (a stable ABI) through koffi, which is loaded
// only here and only when it is needed.
import { accessSync, constants, existsSync } from 'node:fs';
import { HYPERCALL } from '../../abi/commands.js';
import { InputError } from '../../base/errors.js';
import { npmCommand } from '../../base/own-package.js';
import { PAGE_BYTES } from '../../base/units.js';
import { BufferPool } from './buffer-pool.js';
import type { HypercallBuffer, HypercallDoor } from './door.js';
import { type ForkGuard, forkGuard, type GuardCalls } from './fork-guard.js';

const MADV_DONTFORK = 10;
const LIBRARY = 'libxencall.so.1';
const DEVICES = ['/dev/xen/privcmd', '/proc/xen/privcmd'];

type Call = (...args: number[]) => number;

/** libxencall, and the calls of the C library that belong to it. */
export interface Library {
  readonly open: Call;
  readonly close: Call;
  readonly alloc: Call;
  readonly free: Call;
  readonly xencall1: Call;
  readonly xencall2: Call;
  readonly xencall3: Call;
  readonly xencall2L: Call;
  guard(): ForkGuard;
  /** Keeps pages out of forked children. */
  keepFromForks(address: number, sizeBytes: number): void;
  errno(): number;
  view(address: number, sizeBytes: number): ArrayBuffer;
}

/**
 * Opens Xen's privileged interface. The device is closed on exec (libxencall sees to it). A bare
 * fork() would share device and buffers, as the kernel's /dev/xen/hypercall maps them shared: the
 * buffers are kept from it, and the child's door refuses all calls.
 * @throws InputError when this machine has no Xen, this user may not use it, or the library is not
 * there
 */
export async function openLibxencall(): Promise<HypercallDoor> {
  requireXen();
  return new LibxencallDoor(await loadLibrary());
}

/** @throws InputError with what is missing */
function requireXen(): void {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new InputError(`a real Xen can be reached from Linux on x86-64 only, this is ${process.platform} on ${process.arch}`);
  }
  const device = DEVICES.find((path) => existsSync(path));
  if (device === undefined) {
    throw new InputError(
      `there is no Xen here: neither ${DEVICES.join(' nor ')} exists`,
      {},
      'run it in the control domain of a Xen host; there, load the module xen-privcmd, or mount xenfs on /proc/xen',
    );
  }
  try {
    accessSync(device, constants.R_OK | constants.W_OK);
  } catch {
    throw new InputError('no permission to make hypercalls', { file: device }, 'run it as root');
  }
}

async function loadLibrary(): Promise<Library> {
  const koffi = await import('koffi').catch((error: unknown) => {
    throw new InputError(`the package koffi cannot be loaded: ${reason(error)}`, {}, `install it with ${npmCommand('install', 'koffi')}`);
  });
  let xencall: ReturnType<typeof koffi.load>;
  try {
    xencall = koffi.load(LIBRARY);
  } catch (error) {
    throw new InputError(
      `${LIBRARY} cannot be loaded: ${reason(error)}`,
      {},
      "install Xen's libraries (on Debian the package libxencall1)",
    );
  }
  // Addresses are declared as integers: below 2^47 they come and go as plain numbers, which costs
  // less than pointer objects.
  const call = (declaration: string) => xencall.func(declaration) as Call;
  const view = (address: number, sizeBytes: number) => koffi.view(BigInt(address), sizeBytes);
  const memory = memoryCalls(koffi.load('libc.so.6'));
  return {
    open: call('uintptr_t xencall_open(uintptr_t logger, unsigned int flags)'),
    close: call('int xencall_close(uintptr_t handle)'),
    alloc: call('uintptr_t xencall_alloc_buffer(uintptr_t handle, size_t size)'),
    free: call('void xencall_free_buffer(uintptr_t handle, uintptr_t buffer)'),
    xencall1: call('int xencall1(uintptr_t handle, unsigned int op, uint64_t a1)'),
    xencall2: call('int xencall2(uintptr_t handle, unsigned int op, uint64_t a1, uint64_t a2)'),
    xencall3: call('int xencall3(uintptr_t handle, unsigned int op, uint64_t a1, uint64_t a2, uint64_t a3)'),
    xencall2L: call('long xencall2L(uintptr_t handle, unsigned int op, uint64_t a1, uint64_t a2)'),
    guard: () => forkGuard({ ...memory, view }),
    keepFromForks: (address, sizeBytes) => {
      // libxencall keeps a header of its own before the memory that it returns.
      const start = Math.floor(address / PAGE_BYTES) * PAGE_BYTES;
      if (memory.madvise(start, address + sizeBytes - start, MADV_DONTFORK) !== 0)
        throw new Error(`hypercall buffer: madvise: errno ${koffi.errno()}`);
    },
    errno: () => koffi.errno(),
    view,
  };
}

/** @param libc the C library, as koffi loads it */
export function memoryCalls(libc: { func(declaration: string): unknown }): Omit<GuardCalls, 'view'> {
  return {
    mmap: libc.func('intptr_t mmap(intptr_t address, size_t size, int protection, int flags, int fd, long offset)') as Call,
    madvise: libc.func('int madvise(intptr_t address, size_t size, int advice)') as Call,
    munmap: libc.func('int munmap(intptr_t address, size_t size)') as Call,
  };
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A door over a loaded library; openLibxencall loads it. */
export class LibxencallDoor implements HypercallDoor {
  readonly name = 'libxencall';
  readonly #library: Library;
  readonly #handle: number;
  readonly #guard: ForkGuard;
  readonly #pool: BufferPool;
  #closed = false;

  constructor(library: Library) {
    this.#library = library;
    this.#guard = library.guard();
    this.#handle = library.open(0, 0);
    if (this.#handle === 0) {
      this.#guard.release();
      throw new InputError(`xencall_open failed with errno ${library.errno()}`, {}, 'see what the kernel says of xen-privcmd (dmesg)');
    }
    this.#pool = new BufferPool({
      allocPages: (sizeBytes) => {
        const address = library.alloc(this.#handle, sizeBytes);
        if (address === 0) throw new Error(`no memory for a hypercall buffer of ${sizeBytes} bytes (errno ${library.errno()})`);
        library.keepFromForks(address, sizeBytes);
        return { address, memory: library.view(address, sizeBytes) };
      },
      freePages: (address) => void library.free(this.#handle, address),
    });
  }

  allocBuffer(sizeBytes: number): HypercallBuffer {
    this.#checkOpen();
    return this.#pool.alloc(sizeBytes);
  }

  freeBuffer(buffer: HypercallBuffer): void {
    // The buffers of a closed door are gone, and freeing one again is an error.
    if (!this.#closed) this.#checkProcess();
    this.#pool.free(buffer);
  }

  hypercall(op: number, a1: number, a2?: number, a3?: number): number {
    this.#checkOpen();
    const result = this.#call(op, a1, a2, a3);
    return result === -1 ? -this.#library.errno() : result;
  }

  close(): void {
    if (this.#closed) return;
    this.#checkProcess();
    this.#closed = true;
    this.#pool.clear();
    this.#library.close(this.#handle);
    this.#guard.release();
  }

  /** Only the result of memory_op may not fit in an int. */
  #call(op: number, a1: number, a2: number | undefined, a3: number | undefined): number {
    const library = this.#library;
    if (op === HYPERCALL.memoryOp) return library.xencall2L(this.#handle, op, a1, a2 ?? 0);
    if (a3 !== undefined) return library.xencall3(this.#handle, op, a1, a2 ?? 0, a3);
    return a2 === undefined ? library.xencall1(this.#handle, op, a1) : library.xencall2(this.#handle, op, a1, a2);
  }

  #checkOpen(): void {
    if (this.#closed) throw new Error('a hypercall through a door that was closed');
    this.#checkProcess();
  }

  #checkProcess(): void {
    if (!this.#guard.isHere()) throw new Error('a hypercall door does not survive a fork: open another in this process');
  }
}
