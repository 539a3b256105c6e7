// 64-bit words of the ABI as numbers.

const TWO_32 = 2 ** 32;

/** A handle, a count or a size. Above 2^53 it is rounded, which no valid one is. */
export function readU64(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * TWO_32;
}

export function writeU64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value, true);
  view.setUint32(offset + 4, value / TWO_32, true);
}

/** All 64 bits set: Xen's "none" for an address (INVALID_GFN). */
export function writeNoneU64(view: DataView, offset: number): void {
  view.setUint32(offset, TWO_32 - 1, true);
  view.setUint32(offset + 4, TWO_32 - 1, true);
}
