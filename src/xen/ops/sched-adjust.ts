// Weight and cap of a domain (xen/common/sched/core.c, sched_adjust()). Box of the chart: Xen hypervisor.
import { SCHEDULERS } from '../../abi/commands.js';
import { ERRNO } from '../../base/errors.js';
import type { Domain } from '../state/domain.js';

const PUT = 0;
const GET = 1;
const WEIGHT = 8;
const CAP = 10;
const KEEP_CAP = 0xffff;

/** XEN_DOMCTL_scheduler_op; weight 0 and cap 0xffff leave the values alone. */
export function schedAdjust(domain: Domain, view: DataView, at: number): number {
  const schedulerId = view.getUint32(at, true);
  const cmd = view.getUint32(at + 4, true);
  if (schedulerId !== domain.pool.schedulerId || (cmd !== PUT && cmd !== GET)) return -ERRNO.EINVAL;
  if (schedulerId !== SCHEDULERS.credit && schedulerId !== SCHEDULERS.credit2) return 0;
  if (cmd === GET) {
    view.setUint16(at + WEIGHT, domain.weight, true);
    view.setUint16(at + CAP, domain.cap, true);
    return 0;
  }
  const weight = view.getUint16(at + WEIGHT, true);
  const cap = view.getUint16(at + CAP, true);
  if (weight !== 0) domain.weight = weight;
  if (cap !== KEEP_CAP) domain.cap = cap;
  return 0;
}
