// How few nodes can hold a VM at best. best_effort skips all smaller sets, which saves most of its
// time on a VM that needs many nodes. Part of the box numa_placement.

/** At k, the sum of the k largest values. */
export function largestSums(values: ArrayLike<number>): Float64Array {
  const sums = new Float64Array(values.length + 1);
  const sorted = Float64Array.from(values).sort();
  for (let count = 1; count < sums.length; count++) sums[count] = sums[count - 1]! + sorted[sorted.length - count]!;
  return sums;
}

/**
 * The smallest k >= 1 whose k largest values reach `wanted` together; one more than there are
 * values when all together do not.
 * @param sums of largestSums
 */
export function fewestNodes(sums: Float64Array, wanted: number): number {
  if (sums[sums.length - 1]! < wanted) return sums.length;
  let count = 1;
  while (count < sums.length && sums[count]! < wanted) count++;
  return count;
}

export function bitCount(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** Positions of the sets with at least `least` nodes, in order. */
export function setsOfAtLeast(sets: Uint32Array, least: number): Uint32Array {
  const kept: number[] = [];
  sets.forEach((mask, at) => {
    if (bitCount(mask) >= least) kept.push(at);
  });
  return Uint32Array.from(kept);
}
