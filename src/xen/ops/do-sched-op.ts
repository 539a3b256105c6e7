// The scheduler operations that Domain-0's tools use (xen/common/sched/core.c, do_sched_op()). Box of the chart: Xen hypervisor.
import { SCHEDOP } from '../../abi/commands.js';
import { ERRNO } from '../../base/errors.js';
import { buffer, type GuestMemory } from '../state/guest-memory.js';
import type { XenState } from '../state/xen-state.js';
import { shutdownDomain } from './domain-run.js';
import { pinOverride } from './vcpu-set-affinity.js';

export function doSchedOp(xen: XenState, memory: GuestMemory, cmd: number, address: number): number {
  if (cmd === SCHEDOP.pin_override) {
    const found = buffer(memory, address, 4);
    if (found === undefined) return -ERRNO.EFAULT;
    const domain0 = xen.domains.get(0)!;
    return pinOverride(xen, domain0, domain0.vcpus[0]!, found.view.getInt32(address - found.address, true));
  }
  if (cmd !== SCHEDOP.remote_shutdown) return -ERRNO.ENOSYS;
  const found = buffer(memory, address, 8);
  if (found === undefined) return -ERRNO.EFAULT;
  const domid = found.view.getUint16(address - found.address, true);
  if (domid === 0) return -ERRNO.EPERM;
  const domain = xen.domains.get(domid);
  if (domain === undefined) return -ERRNO.ESRCH;
  shutdownDomain(domain, found.view.getUint8(address - found.address + 4));
  return 0;
}
