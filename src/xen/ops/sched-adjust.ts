// Weight and cap of a domain (xen/common/sched/core.c, sched_adjust()).
import { SCHEDULERS } from '../../abi/commands.js';
import { SCHEDULER_OP_AT as AT, SCHEDULER_KEEP, SCHEDULER_OP } from '../../abi/layout.js';
import { ERRNO } from '../../base/errors.js';
import type { Domain } from '../state/domain.js';

/** XEN_DOMCTL_scheduler_op; weight 0 and cap 0xffff leave the values alone. */
export function schedAdjust(domain: Domain, view: DataView, at: number): number {
  const schedulerId = view.getUint32(at + AT.scheduler, true);
  const cmd = view.getUint32(at + AT.cmd, true);
  if (schedulerId !== domain.pool.schedulerId || (cmd !== SCHEDULER_OP.put && cmd !== SCHEDULER_OP.get)) return -ERRNO.EINVAL;
  if (schedulerId !== SCHEDULERS.credit && schedulerId !== SCHEDULERS.credit2) return 0;
  if (cmd === SCHEDULER_OP.get) {
    view.setUint16(at + AT.weight, domain.weight, true);
    view.setUint16(at + AT.cap, domain.cap, true);
    return 0;
  }
  const weight = view.getUint16(at + AT.weight, true);
  const cap = view.getUint16(at + AT.cap, true);
  if (weight !== SCHEDULER_KEEP.weight) domain.weight = weight;
  if (cap !== SCHEDULER_KEEP.cap) domain.cap = cap;
  return 0;
}
