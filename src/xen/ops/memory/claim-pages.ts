// Claims on memory not allocated yet (xen/common/page_alloc.c, domain_set_outstanding_pages()).
import { memFlagsOfNode, nodeOfMemFlags, type Reservation } from '../../../abi/reservation.js';
import { ERRNO } from '../../../base/errors.js';
import { NUMA_NO_NODE } from '../../state/domain.js';
import type { XenState } from '../../state/xen-state.js';

/**
 * The total that the domain is to have, pages held already included; 0 cancels. With XenServer's
 * patch a claim may be on one node: then it is of that many pages of the node.
 */
export function claimPages(xen: XenState, reservation: Reservation): number {
  const { extents: pages, memFlags } = reservation;
  if (reservation.extentStart !== 0 || reservation.order !== 0) return -ERRNO.EINVAL;
  const node = memFlags === 0 ? NUMA_NO_NODE : nodeOfMemFlags(memFlags);
  if (memFlags !== 0) {
    const exactNode = memFlags === memFlagsOfNode(node, true);
    if (!xen.heap.perNodeClaims || !exactNode || !xen.onlineNodes.has(node)) return -ERRNO.EINVAL;
  }
  const domain = xen.domains.get(reservation.domid);
  if (domain === undefined) return -ERRNO.EINVAL;
  const { heap } = xen;
  if (pages === 0) {
    heap.cancelClaim(domain);
    return 0;
  }
  if (domain.outstandingPages > 0 || pages <= domain.totPages || pages > domain.maxPages) return -ERRNO.EINVAL;
  const more = pages - domain.totPages;
  if (more > heap.freePages() - heap.outstandingPages) return -ERRNO.ENOMEM;
  if (node !== NUMA_NO_NODE && more > heap.nodes[node]!.freePages - heap.outstandingOnNode[node]!) return -ERRNO.ENOMEM;
  heap.stakeClaim(domain, more, node);
  return 0;
}
