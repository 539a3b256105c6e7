// CPU pools (xen/common/sched/cpupool.c), and the effect of their changes on hard affinity.

import { CPUPOOL_ANY as POOL_ANY, SCHEDULERS } from '../../../abi/commands.js';
import { Bitset } from '../../../base/bitset.js';
import { ERRNO } from '../../../base/errors.js';
import type { CpuId, Domid, PoolId } from '../../../base/ids.js';
import type { Domain } from '../../state/domain.js';
import type { Cpupool } from '../../state/pool.js';
import type { XenState } from '../../state/xen-state.js';
import { domainUpdateNodeAffinity } from '../domain-update-node-affinity.js';

/**
 * Schedulers of a release build (seen on Debian's 4.17.7); rtds, arinc653 and null are for experts'
 * builds.
 */
const BUILT_IN: readonly number[] = [SCHEDULERS.credit, SCHEDULERS.credit2];

/** Pools that Xen allows for each CPU number, Pool-0 included. */
const POOLS_A_CPU = 2;

export function poolById(xen: XenState, id: PoolId): Cpupool | undefined {
  return xen.pools.find((pool) => pool.id === id);
}

function domainsIn(xen: XenState, pool: Cpupool): Domain[] {
  return [...xen.domains.values()].filter((domain) => domain.pool === pool);
}

/** @returns 0 and the new pool, or a negative errno. `id` POOL_ANY = one past the last pool's. */
export function cpupoolCreate(xen: XenState, id: PoolId, schedulerId: number): { readonly result: number; readonly pool?: Cpupool } {
  if (xen.version.limitedPools && xen.pools.length >= POOLS_A_CPU * xen.nrCpuIds) return { result: -ERRNO.ENOSPC };
  const last = xen.pools[xen.pools.length - 1]!;
  const newId = id === POOL_ANY ? last.id + 1 : id;
  if (poolById(xen, newId) !== undefined) return { result: -ERRNO.EEXIST };
  if (!BUILT_IN.includes(schedulerId) && schedulerId !== SCHEDULERS[xen.machine.scheduler]) return { result: -ERRNO.ENOENT };
  const pool: Cpupool = { id: newId, schedulerId, cpus: new Bitset(xen.nrCpuIds), domains: 0 };
  xen.pools.push(pool);
  xen.pools.sort((a, b) => a.id - b.id);
  return { result: 0, pool };
}

export function cpupoolDestroy(xen: XenState, id: PoolId): number {
  const pool = poolById(xen, id);
  if (pool === undefined) return -ERRNO.ENOENT;
  if (!pool.cpus.isEmpty || pool.domains > 0 || xen.cpu.movingPool === pool) return -ERRNO.EBUSY;
  xen.pools.splice(xen.pools.indexOf(pool), 1);
  return 0;
}

export function cpupoolAddCpu(xen: XenState, id: PoolId, requested: CpuId): number {
  const { cpu: state } = xen;
  const pool = poolById(xen, id);
  if (pool === undefined) return -ERRNO.ENOENT;
  // "Any" is the first free CPU, even when that one is locked.
  const cpu = requested === POOL_ANY ? state.free.first : requested;
  if (cpu < 0) return -ERRNO.ENODEV;
  if (cpu >= xen.nrCpuIds) return -ERRNO.EINVAL;
  if (!state.online.has(cpu) || !state.free.has(cpu) || state.locked.has(cpu)) return -ERRNO.ENODEV;
  if (state.movingCpu === cpu && state.movingPool !== pool) return -ERRNO.EADDRNOTAVAIL;
  assignCpu(xen, pool, cpu);
  return 0;
}

/**
 * The CPU joins the pool, and the node affinity of the pool's domains is computed again
 * (cpupool_assign_cpu_locked).
 */
export function assignCpu(xen: XenState, pool: Cpupool, cpu: CpuId): void {
  const { cpu: state } = xen;
  state.free.delete(cpu);
  if (state.movingCpu === cpu) {
    state.movingCpu = -1;
    state.movingPool = null;
  }
  pool.cpus.add(cpu);
  for (const domain of domainsIn(xen, pool)) domainUpdateNodeAffinity(xen, domain);
}

export function cpupoolRemoveCpu(xen: XenState, id: PoolId, requested: CpuId): number {
  const pool = poolById(xen, id);
  if (pool === undefined) return -ERRNO.ENOENT;
  const { cpu: state } = xen;
  const cpu = requested === POOL_ANY ? lastOf(pool.cpus) : requested;
  if (cpu < 0 || cpu >= xen.nrCpuIds || !state.online.has(cpu)) return -ERRNO.EINVAL;
  if (pool.id === 0 && cpu === 0) return -ERRNO.EINVAL;
  const resumed = state.movingCpu === cpu;
  if (state.movingCpu >= 0 && !resumed) return -ERRNO.EADDRNOTAVAIL;
  if (!pool.cpus.has(cpu) && !resumed) return -ERRNO.EADDRNOTAVAIL;
  if (pool.cpus.size === 1 && !resumed && pool.domains > 0) return -ERRNO.EBUSY;
  const result = takeCpuAway(xen, pool, cpu);
  state.free.add(cpu);
  return result;
}

function lastOf(set: Bitset): number {
  let last = -1;
  for (const member of set) last = member;
  return last;
}

/**
 * The CPU leaves the pool. Only a vCPU whose hard mask has no other CPU of the pool gets all CPUs
 * as its hard mask; the others keep the dead CPU in theirs (sched/core.c, cpu_disable_scheduler).
 * EADDRINUSE when a temporary pin holds a vCPU there: the removal then stays half done until the
 * next removal or until the CPU is added again. In both cases the node affinity of all domains of
 * the pool is computed again.
 */
export function takeCpuAway(xen: XenState, pool: Cpupool, cpu: CpuId): number {
  const { cpu: state } = xen;
  pool.cpus.delete(cpu);
  state.movingCpu = cpu;
  state.movingPool = pool;
  let result = 0;
  for (const domain of domainsIn(xen, pool)) {
    for (const vcpu of domain.vcpus) {
      if (!vcpu.hard.has(cpu) || vcpu.hard.intersects(pool.cpus)) continue;
      if (vcpu.unpinned !== null) {
        result = -ERRNO.EADDRINUSE;
        break;
      }
      vcpu.hard.fill();
    }
    domainUpdateNodeAffinity(xen, domain);
  }
  if (result !== 0) return result;
  state.movingCpu = -1;
  state.movingPool = null;
  return 0;
}

/**
 * Moves a domain: its hard and soft masks become all CPUs; an automatic node affinity is computed
 * again, one that was set explicitly stays (sched/core.c, sched_move_domain). Xen's EBUSY for a
 * temporary pin cannot occur: only Domain-0 pins itself, and it never moves.
 */
export function cpupoolMoveDomain(xen: XenState, id: PoolId, domid: Domid): number {
  if (domid === 0) return -ERRNO.EPERM;
  const domain = xen.domains.get(domid);
  if (domain === undefined) return -ERRNO.ESRCH;
  if (domain.pool.id === id) return 0;
  const pool = poolById(xen, id);
  if (pool === undefined || pool.cpus.isEmpty) return -ERRNO.ENOENT;
  domain.pool.domains--;
  domain.pool = pool;
  pool.domains++;
  domain.weight = 256;
  domain.cap = 0;
  for (const vcpu of domain.vcpus) {
    vcpu.hard.fill();
    vcpu.soft.fill();
  }
  domainUpdateNodeAffinity(xen, domain);
  return 0;
}
