// What the rebalancing of a host is asked, and what it answers. Memory is in pages of one size, by
// node where not said otherwise; arrays are by Xen's node number.
import type { PlannerHost } from '../policy.js';

export interface RebalanceVm {
  /** The caller's own, such as a domid. */
  readonly id: number;
  readonly vcpus: number;
  readonly pages: readonly number[];
  /** Share of the CPUs that its vCPUs prefer which is on each node; they sum up to 1. */
  readonly shares: readonly number[];
  /** CPUs that its hard mask and its pool allow to every vCPU; absent = all CPUs of the host. */
  readonly allowedCpus?: readonly number[];
  /** Free pages that its copy needs beside its memory while it migrates, such as a paging pool. */
  readonly sparePages: number;
  /** Its soft affinity may be set. */
  readonly mayPin: boolean;
  /** It may migrate. */
  readonly mayMove: boolean;
}

export interface RebalanceProblem {
  readonly host: PlannerHost;
  /** Free and not claimed. */
  readonly freePages: readonly number[];
  /** Pages of each node that no migration uses; absent = none. */
  readonly reservePages?: readonly number[];
  /** A node with this many pages of a VM or fewer does not count for it. */
  readonly ignoredPages: number;
  readonly vms: readonly RebalanceVm[];
}

export interface RebalanceLimits {
  readonly maxMoves?: number;
  /** Pages that all migrations together copy at most. */
  readonly maxPages?: number;
}

export interface PlaceFigures {
  /** From a node that a vCPU prefers to a node with memory, at most. */
  readonly worst: number;
  /** Mean distance from the preferred CPUs to the memory. */
  readonly mean: number;
  /** Memory and preferred CPUs are on one and the same node. */
  readonly onOneNode: boolean;
  /** Pages on nodes where no vCPU prefers to run. */
  readonly remotePages: number;
  /** All of its memory, by which VMs weigh. */
  readonly pages: number;
}

/** Soft affinity for the nodes where the memory lies. */
export interface FreeMove {
  readonly vm: number;
  /** Ascending. */
  readonly nodes: readonly number[];
  /** For every vCPU, ascending: those of the nodes that the VM may use. */
  readonly cpus: readonly number[];
  readonly before: PlaceFigures;
  readonly after: PlaceFigures;
}

export interface Migration {
  readonly vm: number;
  /** The target, ascending. */
  readonly nodes: readonly number[];
  readonly cpus: readonly number[];
  readonly pagesBefore: readonly number[];
  readonly pagesAfter: readonly number[];
  readonly before: PlaceFigures;
  readonly after: PlaceFigures;
  /** It gains nothing itself, and makes room for others. */
  readonly makesRoom: boolean;
}

export interface RebalanceTotals {
  readonly vms: number;
  readonly onOneNode: number;
  /** Memory of the VMs that are on one node. */
  readonly pagesOnOneNode: number;
  /** Over all VMs, weighted by their memory; null without VMs. */
  readonly meanDistance: number | null;
  readonly worstDistance: number | null;
  readonly remotePages: number;
}

/** How a VM ends. */
export interface RebalanceEnd {
  readonly vm: number;
  readonly onOneNode: boolean;
  /** A node has enough cores for all of its vCPUs. */
  readonly cpusFit: boolean;
}

export interface RebalancePlan {
  readonly freeMoves: readonly FreeMove[];
  /** In their order, each after the one before has ended. */
  readonly migrations: readonly Migration[];
  readonly before: RebalanceTotals;
  readonly afterFreeMoves: RebalanceTotals;
  readonly after: RebalanceTotals;
  /** One for each VM, in their order. */
  readonly ends: readonly RebalanceEnd[];
  /**
   * Proved: within the limits no list of migrations, each to the nearest nodes that have room then,
   * gives a smaller mean distance; none that gives the same is shorter, and none as short copies
   * less.
   */
  readonly exact: boolean;
}
