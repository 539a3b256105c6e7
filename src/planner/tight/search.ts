// What every search of policy `tight` answers: the set of nodes with room for a VM whose worst
// distance is smallest, and among those the smallest mean distance over all ordered pairs.

/** How much of the VM each node can hold: vCPUs that have their share of the memory beside them. */
export type Capacity = ArrayLike<number>;

export interface Found {
  /** Ascending; every member has capacity. */
  readonly nodes: readonly number[];
  readonly worst: number;
  readonly mean: number;
  /**
   * No set with room is better than this: equal to `worst` and `mean` when the search was exact.
   */
  readonly worstAtLeast: number;
  readonly meanAtLeast: number;
  readonly exact: boolean;
}

/**
 * Two means this close are one: they differ by rounding only, since distances are whole numbers or
 * halves.
 */
export const MEAN_TOLERANCE = 1e-9;

/** Whether (worst, mean) of `a` is smaller than of `b`. */
export function isCloser(
  a: { readonly worst: number; readonly mean: number },
  b: { readonly worst: number; readonly mean: number },
): boolean {
  if (a.worst !== b.worst) return a.worst < b.worst;
  return a.mean < b.mean - MEAN_TOLERANCE;
}
