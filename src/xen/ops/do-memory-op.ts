// Memory for domains: populate_physmap and claims (xen/common/memory.c). Box of the chart: what `domain_node_affinity` is for.
import { XENMEM } from '../../abi/commands.js';
import { POD_TARGET_AT } from '../../abi/layout.js';
import { ERRNO } from '../../base/errors.js';
import type { Hypervisor } from '../hypervisor.js';
import { buffer, type GuestMemory, readWord } from '../state/guest-memory.js';
import { claimPages } from './claim-pages.js';
import { setPodTarget } from './pod-target.js';
import { populatePhysmap } from './populate-physmap.js';

/** xen_memory_reservation. */
export interface Reservation {
  readonly extentStart: number;
  readonly nrExtents: number;
  readonly order: number;
  readonly memFlags: number;
  readonly domid: number;
}

const RESERVATION_BYTES = 32;

export function doMemoryOp(xen: Hypervisor, memory: GuestMemory, cmd: number, address: number): number {
  if (cmd === XENMEM.set_pod_target) {
    const target = buffer(memory, address, POD_TARGET_AT.sizeBytes);
    return target === undefined ? -ERRNO.EFAULT : setPodTarget(xen, target.view, address - target.address);
  }
  if (cmd !== XENMEM.populate_physmap && cmd !== XENMEM.claim_pages) return -ERRNO.ENOSYS;
  const found = buffer(memory, address, RESERVATION_BYTES);
  // populate_physmap never gives an errno: it tells how many extents were done.
  if (found === undefined) return cmd === XENMEM.populate_physmap ? 0 : -ERRNO.EFAULT;
  const { view } = found;
  const base = address - found.address;
  const reservation = {
    extentStart: readWord(view, base),
    nrExtents: readWord(view, base + 8),
    order: view.getUint32(base + 16, true),
    memFlags: view.getUint32(base + 20, true),
    domid: view.getUint16(base + 24, true),
  };
  return cmd === XENMEM.claim_pages ? claimPages(xen, reservation) : populatePhysmap(xen, memory, reservation);
}

/** Node of mem_flags' bits 8-15; 0xff = none. */
export function nodeOfFlags(memFlags: number): number {
  return (((memFlags >>> 8) & 0xff) - 1) & 0xff;
}

export const EXACT_NODE = 1 << 17;
