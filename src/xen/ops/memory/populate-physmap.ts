// XENMEM_populate_physmap (xen/common/memory.c): extents of memory for a domain, one after the
// other, until one fails.

import { FRAME_BYTES, MEMF, nodeOfMemFlags, type Reservation } from '../../../abi/reservation.js';
import { readU64, writeU64 } from '../../../abi/u64.js';
import { DOMID_SELF } from '../../../base/ids.js';
import { MAX_ORDER, ZONE_MAX } from '../../heap/free-heap.js';
import { ExtentAllocator, type ExtentRequest } from '../../heap/get-free-buddy.js';
import { type Domain, MAX_NUMNODES, NUMA_NO_NODE } from '../../state/domain.js';
import { buffer, type GuestMemory } from '../../state/guest-memory.js';
import { bitsToZone } from '../../state/machine.js';
import type { XenState } from '../../state/xen-state.js';
import { SHUTDOWN_CRASH, shutdownDomain } from '../domain-run.js';

/** Largest extent for the control domain, which every caller here is. */
const CONTROL_DOMAIN_MAX_ORDER = 18;
/** More extents than a continuation can count are refused as a whole. */
const MAX_EXTENTS = 2 ** 26 - 1;
const PAGE_SHIFT = 12;

/** @returns extents done; never an errno */
export function populatePhysmap(xen: XenState, memory: GuestMemory, reservation: Reservation): number {
  const { order, memFlags, extentStart } = reservation;
  const domain = xen.domains.get(reservation.domid === DOMID_SELF ? 0 : reservation.domid);
  if (domain === undefined || reservation.extents > MAX_EXTENTS || reservation.extents === 0) return 0;
  const request = requestOf(xen, domain, order, memFlags);
  if (request === undefined) return 0;
  const onDemand = (memFlags & MEMF.populateOnDemand) !== 0;
  if (order > (onDemand ? MAX_ORDER : CONTROL_DOMAIN_MAX_ORDER)) return 0;
  const found = buffer(memory, extentStart, FRAME_BYTES);
  if (found === undefined) return 0;
  // Extents behind the end of the caller's list fault when they are reached.
  const extents = Math.min(reservation.extents, Math.floor((found.address + found.bytes.length - extentStart) / FRAME_BYTES));
  if (onDemand) {
    return domain.id === 0 ? 0 : promise(domain, order, extents, found.view, extentStart - found.address);
  }
  return allocate(xen, domain, request, extents, found.view, extentStart - found.address);
}

/** Request in mem_flags; undefined = they are invalid (construct_memop_from_reservation()). */
function requestOf(xen: XenState, domain: Domain, order: number, memFlags: number): ExtentRequest | undefined {
  const bits = memFlags & MEMF.addressBits;
  const highest = xen.machine.nodes.reduce((most, node) => Math.max(most, node.endMfn), 0);
  const limited = bits !== 0 && bits < Math.ceil(Math.log2(highest)) + PAGE_SHIFT;
  if (limited && bits <= PAGE_SHIFT) return undefined;
  const zoneHigh = limited ? bitsToZone(bits) : ZONE_MAX;
  const requested = nodeOfMemFlags(memFlags);
  const exact = (memFlags & MEMF.exactNode) !== 0;
  if ((memFlags & MEMF.vnode) !== 0) {
    if (domain.vnuma === null) return { order, node: NUMA_NO_NODE, exact: false, zoneHigh, coveredByClaim: true };
    const node = domain.vnuma.vnodeToPnode[requested];
    return node === undefined ? undefined : { order, node, exact, zoneHigh, coveredByClaim: true };
  }
  if (requested === NUMA_NO_NODE) return { order, node: NUMA_NO_NODE, exact: false, zoneHigh, coveredByClaim: true };
  return requested >= MAX_NUMNODES ? undefined : { order, node: requested, exact, zoneHigh, coveredByClaim: true };
}

/**
 * Populate on demand: an extent that cannot be marked ends the call. PV domains have no frames of
 * their own numbering: nothing is done for them.
 */
function promise(domain: Domain, order: number, extents: number, list: DataView, at: number): number {
  if (domain.frames === null) return extents;
  for (let done = 0; done < extents; done++) {
    const outcome = domain.frames.promise(readU64(list, at + done * FRAME_BYTES), 2 ** order);
    if (outcome === 'broken') shutdownDomain(domain, SHUTDOWN_CRASH);
    if (outcome !== 'marked') return done;
  }
  return extents;
}

/**
 * `list` has the guest's frame of each extent; PV domains get the machine's there instead. An
 * extent that max_pages forbids has moved the cursor all the same; one that cannot be mapped ends
 * the call and stays the domain's.
 */
function allocate(xen: XenState, domain: Domain, request: ExtentRequest, extents: number, list: DataView, at: number): number {
  const { heap } = xen;
  const sizePages = 2 ** request.order;
  const allocator = new ExtentAllocator(heap, xen.onlineNodes, domain, request, extents, domain.pages);
  const { frames } = domain;
  // So many are within max_pages for certain: the limit is checked for the others alone.
  const within = Math.floor((domain.maxPages - domain.totPages) / sizePages);
  let done = 0;
  for (let entry = at; done < extents; entry += FRAME_BYTES) {
    const node = done < within ? allocator.next() : allocator.nextAllowed();
    if (node < 0) break;
    heap.adjustTotPages(domain, node, sizePages);
    if (frames === null) writeU64(list, entry, allocator.mfn);
    else if (!frames.map(readU64(list, entry), sizePages)) break;
    done++;
  }
  allocator.close();
  return done;
}
