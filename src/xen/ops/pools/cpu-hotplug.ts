// CPU hotplug (xen/common/cpu.c, xen/common/sched/cpupool.c).

import { ERRNO } from '../../../base/errors.js';
import type { CpuId } from '../../../base/ids.js';
import type { XenState } from '../../state/xen-state.js';
import { assignCpu, takeCpuAway } from './cpupool.js';

/**
 * A CPU of Pool-0 or of no pool goes offline. A CPU of another pool does not, and the attempt locks
 * it until the next boot.
 */
export function cpuOffline(xen: XenState, cpu: CpuId): number {
  const { cpu: state } = xen;
  if (cpu === 0 || cpu >= xen.nrCpuIds) return -ERRNO.EINVAL;
  if (!state.online.has(cpu)) return -ERRNO.EEXIST;
  if (state.locked.has(cpu)) return -ERRNO.EBUSY;
  const pool = xen.pools[0]!;
  if (pool.cpus.has(cpu)) {
    const result = takeCpuAway(xen, pool, cpu);
    if (result !== 0) return result;
  } else if (!state.free.has(cpu)) {
    state.locked.add(cpu);
    return -ERRNO.ENODEV;
  }
  state.free.delete(cpu);
  state.online.delete(cpu);
  return 0;
}

/** The CPU joins Pool-0, whichever pool it was in. */
export function cpuOnline(xen: XenState, cpu: CpuId): number {
  const { cpu: state } = xen;
  if (cpu >= xen.nrCpuIds || !state.present.has(cpu)) return -ERRNO.EINVAL;
  if (state.online.has(cpu)) return -ERRNO.EEXIST;
  state.online.add(cpu);
  assignCpu(xen, xen.pools[0]!, cpu);
  return 0;
}
