// The kinds of drift, by name: a running domain differs from what was requested, or its masks, node
// affinity and memory do not match each other. judge.ts finds them.
import type { MapDomain } from './host-map.js';

/**
 * CPUs by vCPU; null = nothing is known of that vCPU. CPUs that the host does not have may be among
 * them.
 */
export type ExpectedMasks = readonly (readonly number[] | null)[];

/** The request for a domain when it was built. */
export interface Expected {
  /** Where the request was found: "xennuma's state", "XenStore", "libxl's userdata". */
  readonly source: string;
  /**
   * 'all': nothing was requested, so every vCPU must still have all CPUs. 'placed': nothing was
   * requested, and a placement may have pinned the vCPUs to whole nodes. null: not known.
   */
  readonly hard: ExpectedMasks | 'all' | 'placed' | null;
  /** null: left to the placement, or not known. */
  readonly soft: ExpectedMasks | null;
  /** A requested mask that the toolstack did not understand. */
  readonly ignoredMask?: { readonly mask: string; readonly reason: string };
  /**
   * The fewest nodes that could hold it, when its policy asks for no more; absent: any number will
   * do.
   */
  readonly fewestNodes?: number;
}

/**
 * What the host says of a running domain. null: the host does not say (a pool's API knows no
 * masks).
 */
export interface Actual {
  readonly pool: number | null;
  readonly vcpus: MapDomain['vcpus'] | null;
  /** The raw mask; may name nodes that do not exist. */
  readonly nodeAffinity: readonly number[] | null;
  /** Index = node. */
  readonly pages: readonly number[] | null;
}

/** Each drift, by the name that scripts know it by. */
export const DRIFTS = {
  'hard-differs': 'hard affinity differs from what was requested',
  'soft-differs': 'soft affinity differs from what was requested',
  'mask-ignored': 'the requested mask was ignored',
  'hard-offline': 'hard affinity names CPUs that are offline or absent',
  'hard-other-pool': 'hard affinity names CPUs of another pool',
  'soft-ignored': 'soft affinity names no CPU that hard affinity allows',
  'memory-outside-node-affinity': 'memory outside the node affinity',
  'soft-not-memory': "soft affinity does not match the memory's nodes",
  'memory-unreachable': 'vCPUs may not run where the memory is',
  'memory-on-more-nodes': 'memory is on more nodes than it needs',
  'node-affinity-by-hand': 'node affinity was set explicitly',
} as const;

export type DriftCode = keyof typeof DRIFTS;

export interface Drift {
  readonly code: DriftCode;
  /**
   * A clause with the numbers: "hard affinity differs from what was requested: vCPU 0: 4-5 instead
   * of 2-3".
   */
  readonly text: string;
}

export function drift(code: DriftCode, detail: string): Drift {
  return { code, text: `${DRIFTS[code]}: ${detail}` };
}
