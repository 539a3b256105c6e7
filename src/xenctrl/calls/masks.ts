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

/** A host has few different masks: a full one, and one for each node or set of nodes. */
const KNOWN_MASKS = 512;
/** Numbers in all lists that are kept: 16 MiB of them. */
const KNOWN_MEMBERS = 4 * 2 ** 20;

/**
 * Decodes masks of one width. Equal masks give the same list: thousands of vCPUs with thousands of
 * CPUs each cost one list for each mask, and a comparison of lists can compare objects first.
 */
export class MaskReader {
  readonly #bits: number;
  readonly #known = new Map<string | number, readonly number[]>();
  #members = 0;

  constructor(bits: number) {
    this.#bits = bits;
  }

  read(bytes: Uint8Array): readonly number[] {
    const key = keyOf(bytes, (this.#bits + 7) >>> 3);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const members = decodeMask(bytes, this.#bits);
    if (this.#known.size >= KNOWN_MASKS || this.#members + members.length > KNOWN_MEMBERS) {
      this.#known.clear();
      this.#members = 0;
    }
    this.#known.set(key, members);
    this.#members += members.length;
    return members;
  }
}

/** The first `length` bytes as a key of a map: up to three as a number, which costs less. */
function keyOf(bytes: Uint8Array, length: number): string | number {
  if (length > 3) return Buffer.prototype.latin1Slice.call(bytes, 0, length);
  let key = 0;
  for (let at = length - 1; at >= 0; at--) key = (key << 8) | bytes[at]!;
  return key;
}
