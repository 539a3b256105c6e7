// The CPU demand of VMs that policy `tight` has placed, and what of a host it leaves alone: the
// same for each caller of the planner.
import { GIB } from '../../base/units.js';

/** Cores that one vCPU keeps busy, on average. */
export const DEFAULT_CORES_PER_VCPU = 0.4;

/** CPU demand for each core above which a node counts as crowded. */
export const CROWDED = 1.5;

/**
 * Xen keeps low memory of node 0 for devices: xapi's planner of the 26.1 line leaves as much of it
 * alone.
 */
export const NODE_0_RESERVE_BYTES = 2 * GIB;

/** @param vcpus by node, of all VMs that were placed there */
export function busyCores(vcpus: readonly number[]): number[] {
  return vcpus.map((count) => count * DEFAULT_CORES_PER_VCPU);
}
