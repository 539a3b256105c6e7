// The scheduler operations that Domain-0's tools use (xen/common/sched/core.c, do_sched_op()).
import { SCHEDOP } from '../../abi/commands.js';
import { PIN_OVERRIDE_AT, REMOTE_SHUTDOWN_AT } from '../../abi/layout.js';
import { ERRNO } from '../../base/errors.js';
import { buffer, type GuestMemory } from '../state/guest-memory.js';
import type { XenState } from '../state/xen-state.js';
import { shutdownDomain } from './domain-run.js';
import { pinOverride } from './vcpu-set-affinity.js';

export function doSchedOp(xen: XenState, memory: GuestMemory, cmd: number, address: number): number {
  if (cmd === SCHEDOP.pin_override) {
    const found = buffer(memory, address, PIN_OVERRIDE_AT.sizeBytes);
    if (found === undefined) return -ERRNO.EFAULT;
    const domain0 = xen.domains.get(0)!;
    xen.affinityGroups.changed(0);
    return pinOverride(xen, domain0, domain0.vcpus[0]!, found.view.getInt32(address - found.address + PIN_OVERRIDE_AT.cpu, true));
  }
  if (cmd !== SCHEDOP.remote_shutdown) return -ERRNO.ENOSYS;
  const found = buffer(memory, address, REMOTE_SHUTDOWN_AT.sizeBytes);
  if (found === undefined) return -ERRNO.EFAULT;
  const at = address - found.address;
  const domid = found.view.getUint16(at + REMOTE_SHUTDOWN_AT.domid, true);
  if (domid === 0) return -ERRNO.EPERM;
  const domain = xen.domains.get(domid);
  if (domain === undefined) return -ERRNO.ESRCH;
  shutdownDomain(domain, found.view.getUint8(at + REMOTE_SHUTDOWN_AT.reason));
  return 0;
}
