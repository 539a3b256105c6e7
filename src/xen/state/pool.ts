// CPU pools, and Xen's data of each CPU: types that the domain needs.

import type { Bitset } from '../../base/bitset.js';
import type { CpuId, PoolId } from '../../base/ids.js';

export interface Cpupool {
  readonly id: PoolId;
  readonly schedulerId: number;
  /** Its CPUs, all of them online (cpu_valid). */
  readonly cpus: Bitset;
  /** How many domains are in it. */
  domains: number;
}

export interface CpuState {
  readonly online: Bitset;
  /** Present, whether online or not. */
  readonly present: Bitset;
  /** In no pool and ready for one. */
  readonly free: Bitset;
  /** CPUs whose hot-unplug failed: they stay locked (cpupool_locked_cpus). */
  readonly locked: Bitset;
  /** The CPU of a removal that could not be finished; -1 = none. */
  movingCpu: CpuId;
  /** The pool of that removal. */
  movingPool: Cpupool | null;
}
