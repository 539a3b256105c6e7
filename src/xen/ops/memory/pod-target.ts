// Populate on demand: the target memory of a domain that is built with less than its maximum
// (xen/arch/x86/mm/p2m-pod.c, p2m_pod_set_mem_target()).
import { POD_TARGET_AT } from '../../../abi/layout.js';
import { readU64, writeU64 } from '../../../abi/u64.js';
import { ERRNO } from '../../../base/errors.js';
import { ZONE_MAX } from '../../heap/free-heap.js';
import { ExtentAllocator } from '../../heap/get-free-buddy.js';
import { type Domain, NUMA_NO_NODE } from '../../state/domain.js';
import type { XenState } from '../../state/xen-state.js';

const SUPERPAGE_ORDER = 9;

/**
 * XENMEM_set_pod_target: the cache grows to the target, in 2 MiB extents as long as there are some,
 * then in pages.
 */
export function setPodTarget(xen: XenState, view: DataView, at: number): number {
  const domain = xen.domains.get(view.getUint16(at + POD_TARGET_AT.domid, true));
  if (domain === undefined) return -ERRNO.ESRCH;
  const { frames } = domain;
  if (frames === null) return -ERRNO.EINVAL;
  const result = growCache(xen, domain, frames.promised, readU64(view, at + POD_TARGET_AT.target));
  writeU64(view, at + POD_TARGET_AT.totPages, domain.totPages);
  writeU64(view, at + POD_TARGET_AT.cachePages, domain.podCachePages);
  writeU64(view, at + POD_TARGET_AT.entries, frames.promised);
  return result;
}

function growCache(xen: XenState, domain: Domain, promisedPages: number, target: number): number {
  const populated = domain.totPages - domain.podCachePages;
  if (populated > 0 && promisedPages === 0) return 0;
  // A target below what the domain has is left to its balloon driver.
  if (target < domain.totPages) return 0;
  let missing = target - populated;
  if (populated > 0) missing = Math.min(missing, promisedPages);
  missing -= domain.podCachePages;
  const superpages = Math.floor(missing / 2 ** SUPERPAGE_ORDER);
  missing -= take(xen, domain, SUPERPAGE_ORDER, superpages);
  missing -= take(xen, domain, 0, missing);
  return missing > 0 ? -ERRNO.ENOMEM : 0;
}

/** @returns pages taken */
function take(xen: XenState, domain: Domain, order: number, extents: number): number {
  const request = { order, node: NUMA_NO_NODE, exact: false, zoneHigh: ZONE_MAX, coveredByClaim: true };
  const allocator = new ExtentAllocator(xen.heap, xen.onlineNodes, domain, request, extents, domain.pages);
  const sizePages = 2 ** order;
  let done = 0;
  while (done < extents) {
    const node = allocator.nextAllowed();
    if (node < 0) break;
    xen.heap.adjustTotPages(domain, node, sizePages);
    done++;
  }
  allocator.close();
  domain.podCachePages += done * sizePages;
  return done * sizePages;
}
