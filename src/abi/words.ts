// 64-bit words of the ABI as numbers. Boxes of the chart: libxenctrl and Xen.

const TWO_32 = 2 ** 32;

/** A handle or any other 64-bit word; above 2^53 it is rounded, which no valid handle or count is. */
export function readWord(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * TWO_32;
}

export function writeWord(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value, true);
  view.setUint32(offset + 4, value / TWO_32, true);
}
