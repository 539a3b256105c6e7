// The caller's memory as the hypervisor reads and writes it: handles, words and bitmaps in live
// buffers; anything else faults.
import { BITMAP_AT } from '../../abi/layout.js';
import { readU64 } from '../../abi/u64.js';
import type { Bitset } from '../../base/bitset.js';

export interface GuestBuffer {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

export interface GuestMemory {
  /** The live buffer that holds this address; undefined = the access faults. */
  find(address: number): GuestBuffer | undefined;
}

/** `size` bytes at `address` lie in one live buffer: that buffer, else undefined. */
export function buffer(memory: GuestMemory, address: number, size: number): GuestBuffer | undefined {
  const found = memory.find(address);
  return found !== undefined && address + size <= found.address + found.bytes.length ? found : undefined;
}

/**
 * A xenctl_bitmap at `offset` into `into`: missing bytes are 0, excess is dropped, and bits past
 * nr_bits are masked only when the caller's map is not longer than Xen's
 * (xen/common/bitmap.c:380-465).
 * @returns false when the caller's memory faults; `into` is then unchanged
 */
export function readBitmap(memory: GuestMemory, view: DataView, offset: number, into: Bitset): boolean {
  const bits = view.getUint32(offset + BITMAP_AT.bits, true);
  const guestBytes = Math.ceil(bits / 8);
  const copied = Math.min(guestBytes, (into.width + 7) >>> 3);
  if (copied === 0) {
    into.words.fill(0);
    return true;
  }
  const address = readU64(view, offset + BITMAP_AT.handle);
  const found = buffer(memory, address, copied);
  if (found === undefined) return false;
  const start = address - found.address;
  const { words } = into;
  words.fill(0);
  for (let i = 0; i < copied; i++) words[i >>> 2]! |= found.bytes[start + i]! << ((i & 3) * 8);
  const last = copied - 1;
  if ((bits & 7) !== 0 && guestBytes === copied) words[last >>> 2]! &= ~((0xff & (0xff << (bits & 7))) << ((last & 3) * 8));
  into.trim();
  return true;
}

/**
 * `set` to the caller's xenctl_bitmap at `offset`: whole bytes, not cut at nr_bits; the rest of the
 * caller's bytes become 0.
 * @returns false when the caller's memory faults
 */
export function writeBitmap(memory: GuestMemory, view: DataView, offset: number, set: Bitset): boolean {
  const guestBytes = Math.ceil(view.getUint32(offset + BITMAP_AT.bits, true) / 8);
  if (guestBytes === 0) return true;
  const address = readU64(view, offset + BITMAP_AT.handle);
  const found = buffer(memory, address, guestBytes);
  if (found === undefined) return false;
  const start = address - found.address;
  const copied = Math.min(guestBytes, (set.width + 7) >>> 3);
  const { words } = set;
  for (let i = 0; i < copied; i++) found.bytes[start + i] = words[i >>> 2]! >>> ((i & 3) * 8);
  if (copied < guestBytes) found.bytes.fill(0, start + copied, start + guestBytes);
  return true;
}
