// Memory for domains: populate_physmap, claims, virtual nodes (xen/common/memory.c).
import { XENMEM } from '../../../abi/commands.js';
import { POD_TARGET_AT, VNUMA_TOPOLOGY_AT } from '../../../abi/layout.js';
import { RESERVATION_BYTES, readReservation } from '../../../abi/reservation.js';
import { ERRNO } from '../../../base/errors.js';
import { buffer, type GuestMemory } from '../../state/guest-memory.js';
import type { XenState } from '../../state/xen-state.js';
import { getVnumaInfo } from '../vnuma.js';
import { claimPages } from './claim-pages.js';
import { setPodTarget } from './pod-target.js';
import { populatePhysmap } from './populate-physmap.js';

export function doMemoryOp(xen: XenState, memory: GuestMemory, cmd: number, address: number): number {
  if (cmd === XENMEM.set_pod_target) {
    const target = buffer(memory, address, POD_TARGET_AT.sizeBytes);
    return target === undefined ? -ERRNO.EFAULT : setPodTarget(xen, target.view, address - target.address);
  }
  if (cmd === XENMEM.get_vnumainfo) {
    const topology = buffer(memory, address, VNUMA_TOPOLOGY_AT.sizeBytes);
    return topology === undefined ? -ERRNO.EFAULT : getVnumaInfo(xen, memory, topology.view, address - topology.address);
  }
  if (cmd !== XENMEM.populate_physmap && cmd !== XENMEM.claim_pages) return -ERRNO.ENOSYS;
  const found = buffer(memory, address, RESERVATION_BYTES);
  // populate_physmap never answers an errno: it answers how many extents were done.
  if (found === undefined) return cmd === XENMEM.populate_physmap ? 0 : -ERRNO.EFAULT;
  const reservation = readReservation(found.view, address - found.address);
  return cmd === XENMEM.claim_pages ? claimPages(xen, reservation) : populatePhysmap(xen, memory, reservation);
}
