// What policy `tight` is asked, and what it answers.
import type { PlacementRequest, Plan } from '../policy.js';

export interface NodeShare {
  readonly node: number;
  readonly vcpus: number;
  readonly memoryBytes: number;
}

export interface TightRequest extends PlacementRequest {
  /** CPUs of the VM's hard mask; absent = all. */
  readonly allowedCpus?: readonly number[];
  /** Cores that are busy on each node, as measured or as planned; absent = none. */
  readonly busyCores?: readonly number[];
  /** The guest sees its nodes: its parts prefer nodes with much free memory. */
  readonly vnuma?: boolean;
  /**
   * Virtual nodes of the guest: it gets exactly so many nodes, an equal part of it on each.
   */
  readonly parts?: number;
}

export interface TightPlan extends Plan {
  readonly split: readonly NodeShare[];
  /** Every vCPU has its share of the memory on its node. */
  readonly balanced: boolean;
  readonly worstDistance: number;
  readonly meanDistance: number;
  /** No set of nodes that holds the VM is nearer than this. */
  readonly worstAtLeast: number;
  readonly meanAtLeast: number;
  /** The search proved that no set is nearer. */
  readonly exact: boolean;
}
