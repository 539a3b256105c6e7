// The hypercall buffers of the embedded door, as the memory that the hypervisor reads and writes.
import { PAGE_BYTES } from '../../base/units.js';
import type { GuestBuffer, GuestMemory } from '../../xen/state/guest-memory.js';
import type { HypercallBuffer } from './door.js';

const FIRST_ADDRESS = 0x10_0000_0000;

/**
 * Buffers on pages of their own with a gap after each, so that an access past the end of one
 * faults.
 */
export class BufferMemory implements GuestMemory {
  /** Ascending by address. */
  #buffers: GuestBuffer[] = [];
  #nextAddress = FIRST_ADDRESS;
  #last: GuestBuffer | undefined;

  alloc(sizeBytes: number): HypercallBuffer {
    const bytes = new Uint8Array(sizeBytes);
    const buffer = { address: this.#nextAddress, bytes, view: new DataView(bytes.buffer) };
    this.#nextAddress += (Math.floor(sizeBytes / PAGE_BYTES) + 2) * PAGE_BYTES;
    this.#buffers.push(buffer);
    return buffer;
  }

  free(buffer: HypercallBuffer): void {
    const index = this.#indexOf(buffer.address);
    if (this.#buffers[index] !== buffer) throw new RangeError('a hypercall buffer was given back twice, or is of another door');
    this.#buffers.splice(index, 1);
    this.#last = undefined;
  }

  clear(): void {
    this.#buffers = [];
    this.#last = undefined;
  }

  find(address: number): GuestBuffer | undefined {
    const last = this.#last;
    if (last !== undefined && address >= last.address && address < last.address + last.bytes.length) return last;
    const found = this.#buffers[this.#indexOf(address)];
    if (found === undefined || address >= found.address + found.bytes.length) return undefined;
    this.#last = found;
    return found;
  }

  /** The last buffer that starts at or below `address`; -1 when none does. */
  #indexOf(address: number): number {
    let low = 0;
    let high = this.#buffers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#buffers[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
