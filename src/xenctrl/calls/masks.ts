// CPU and node masks between lists of numbers and the bytes of a xenctl_bitmap.
import { InputError } from '../../base/errors.js';

/**
 * Sets the first `bits` bits of `bytes` to `members`. @throws InputError for a member that is not
 * in 0 .. bits-1
 */
export function encodeMask(bytes: Uint8Array, bits: number, members: Iterable<number>, what: string): void {
  bytes.fill(0, 0, (bits + 7) >>> 3);
  if (Array.isArray(members)) {
    for (let i = 0; i < members.length; i++) setBit(bytes, bits, members[i] as number, what);
    return;
  }
  for (const member of members) setBit(bytes, bits, member, what);
}

function setBit(bytes: Uint8Array, bits: number, member: number, what: string): void {
  if (!Number.isInteger(member) || member < 0 || member >= bits) {
    throw new InputError(`${what} ${member} is not in 0-${bits - 1}`, {}, `give ${what} numbers that the machine has`);
  }
  bytes[member >>> 3]! |= 1 << (member & 7);
}

/** Ascending members among the first `bits` bits. */
export function decodeMask(bytes: Uint8Array, bits: number): number[] {
  const members: number[] = [];
  const length = (bits + 7) >>> 3;
  for (let i = 0; i < length; i++) {
    for (let byte = bytes[i]!; byte !== 0; byte &= byte - 1) {
      const member = i * 8 + 31 - Math.clz32(byte & -byte);
      if (member < bits) members.push(member);
    }
  }
  return members;
}
