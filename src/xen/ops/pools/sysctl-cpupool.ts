// XEN_SYSCTL_cpupool_op (xen/common/sched/cpupool.c, cpupool_do_sysctl()).
import { CPUPOOL_OP } from '../../../abi/commands.js';
import { CPUPOOL_AT as AT } from '../../../abi/layout.js';
import { ERRNO } from '../../../base/errors.js';
import { type GuestMemory, writeBitmap } from '../../state/guest-memory.js';
import type { XenState } from '../../state/xen-state.js';
import { cpupoolAddCpu, cpupoolCreate, cpupoolDestroy, cpupoolMoveDomain, cpupoolRemoveCpu } from './cpupool.js';

export function cpupoolOp(xen: XenState, memory: GuestMemory, view: DataView, at: number): number {
  const id = view.getUint32(at + AT.pool, true);
  const op = view.getUint32(at + AT.op, true);
  if (op !== CPUPOOL_OP.info && op !== CPUPOOL_OP.freeinfo) xen.affinityGroups.allChanged();
  switch (op) {
    case CPUPOOL_OP.create: {
      const { result, pool } = cpupoolCreate(xen, id, view.getUint32(at + AT.scheduler, true));
      if (pool !== undefined) view.setUint32(at + AT.pool, pool.id, true);
      return result;
    }
    case CPUPOOL_OP.destroy:
      return cpupoolDestroy(xen, id);
    case CPUPOOL_OP.info: {
      const pool = xen.pools.find((one) => one.id >= id);
      if (pool === undefined) return -ERRNO.ENOENT;
      view.setUint32(at + AT.pool, pool.id, true);
      view.setUint32(at + AT.scheduler, pool.schedulerId, true);
      view.setUint32(at + AT.domains, pool.domains, true);
      return writeBitmap(memory, view, at + AT.cpumap, pool.cpus) ? 0 : -ERRNO.EFAULT;
    }
    case CPUPOOL_OP.addcpu:
      return cpupoolAddCpu(xen, id, view.getUint32(at + AT.cpu, true));
    case CPUPOOL_OP.rmcpu:
      return cpupoolRemoveCpu(xen, id, view.getUint32(at + AT.cpu, true));
    case CPUPOOL_OP.movedomain:
      return cpupoolMoveDomain(xen, id, view.getUint32(at + AT.domid, true));
    case CPUPOOL_OP.freeinfo:
      return writeBitmap(memory, view, at + AT.cpumap, xen.cpu.free) ? 0 : -ERRNO.EFAULT;
    default:
      return -ERRNO.ENOSYS;
  }
}
