// The CPU pools of a described host, made as xl makes them on a booted one.
import type { SchedulerName } from '../../abi/commands.js';
import type { HostPool } from '../../machine/model.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';
import type { XenstoreConnection } from '../../xenstore/connection.js';

/**
 * The name of a pool is a key that libxl writes (libxl_cpupool.c, libxl_cpupool_create and
 * libxl_cpupool_rename).
 */
export function poolNameKey(id: number): string {
  return `/local/pool/${id}/name`;
}

/** @param pools by number; the first is Pool-0, which has all CPUs of a host that has booted */
export async function makeDescribedPools(
  xc: Xenctrl,
  xs: Pick<XenstoreConnection, 'write'>,
  pools: readonly HostPool[],
  scheduler: SchedulerName,
): Promise<void> {
  const stay = new Set(pools[0]?.cpus);
  for (const cpu of xc.cpupoolList().find(({ id }) => id === 0)?.cpus ?? []) if (!stay.has(cpu)) xc.cpupoolRemoveCpu(0, cpu);
  for (const [id, { name, cpus, scheduler: own }] of pools.entries()) {
    if (id > 0) {
      xc.cpupoolCreate(own ?? scheduler, id);
      for (const cpu of cpus) xc.cpupoolAddCpu(id, cpu);
    }
    await xs.write(poolNameKey(id), name);
  }
}
