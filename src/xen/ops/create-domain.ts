// Creating and destroying domains (xen/common/domctl.c and domain.c).

import { CREATE_AT as AT, CREATE_FLAG } from '../../abi/layout.js';
import { ERRNO } from '../../base/errors.js';
import type { Domid, PoolId } from '../../base/ids.js';
import { DOMID_FIRST_RESERVED } from '../../base/ids.js';
import { PAGE_BYTES } from '../../base/units.js';
import { LIMITS } from '../../machine/model.js';
import { ZONE_MAX } from '../heap/free-heap.js';
import { ExtentAllocator } from '../heap/get-free-buddy.js';
import { Domain, NUMA_NO_NODE } from '../state/domain.js';
import type { Cpupool } from '../state/pool.js';
import type { XenState } from '../state/xen-state.js';
import { domainUpdateNodeAffinity } from './domain-update-node-affinity.js';
import { poolById } from './pools/cpupool.js';

const { hvm: HVM, hap: HAP, xenstoreDomain: XS_DOMAIN, iommu: IOMMU } = CREATE_FLAG;
/** Emulated devices that Xen knows. */
const EMULATION_FLAGS = 0x7ff;
// Xen allocates pages of its own in a domain's name, and each moves the domain's cursor: so their
// number decides where the domain's first extent goes (4.17).
/**
 * The tables of a PV domain's per-domain mappings (create_perdomain_mapping(), xen/arch/x86/mm.c;
 * pv_domain_initialise()). When they are made was measured on 4.17 and 4.20, by the node of the
 * domain's first extent.
 */
const PV_TABLE_PAGES = 2;
/** The upper table of an HVM domain's per-domain mappings (hvm_domain_initialise()). */
const HVM_TABLE_PAGES = 1;
/** The paging pool that a domain with HAP starts with (hap_enable(), xen/arch/x86/mm/hap/hap.c). */
const HAP_POOL_PAGES = 256;
/**
 * The paging pool of an HVM domain without HAP (shadow_enable(), xen/arch/x86/mm/shadow/common.c).
 */
const SHADOW_POOL_PAGES = 1024;
/**
 * For each HVM vCPU: the registers of its local APIC (vlapic_init()), and two pages for translated
 * arguments (setup_compat_arg_xlat()).
 */
const HVM_VCPU_PAGES = 3;
/**
 * Two tables that map the vCPUs' pages. One such table serves as many vCPUs as an HVM domain can
 * have.
 */
const HVM_VCPU_TABLE_PAGES = 2;

/**
 * Pages of Xen's own for an HVM domain with HAP: its table and first paging pool, when it is
 * created; and what max_vcpus adds.
 */
export function hvmXenPages(vcpus: number): { readonly table: number; readonly pool: number; readonly withVcpus: number } {
  return { table: HVM_TABLE_PAGES, pool: HAP_POOL_PAGES, withVcpus: HVM_VCPU_TABLE_PAGES + HVM_VCPU_PAGES * vcpus };
}

const pvTables = (later: boolean): number => (later ? 0 : PV_TABLE_PAGES);

/** XEN_DOMCTL_createdomain. @returns the new domain's id, or a negative errno */
export function createDomain(xen: XenState, requestedId: Domid, view: DataView, at: number): number {
  const id = domidFor(xen, requestedId);
  if (id < 0) return id;
  const { version } = xen;
  const flags = view.getUint32(at + AT.flags, true);
  const maxVcpus = view.getUint32(at + AT.maxVcpus, true);
  const hvm = (flags & HVM) !== 0;
  const hap = (flags & HAP) !== 0;
  if ((flags & ~version.createFlags) !== 0 || maxVcpus < 1 || (hap && !hvm)) return -ERRNO.EINVAL;
  if (maxVcpus > (hvm ? LIMITS.vcpusPerHvm : LIMITS.vcpusPerVm)) return -ERRNO.EINVAL;
  if ((flags & IOMMU) === 0 && view.getUint32(at + AT.iommuOpts, true) !== 0) return -ERRNO.EINVAL;
  if ((view.getUint32(at + version.emulationFlagsAt, true) & ~EMULATION_FLAGS) !== 0) return -ERRNO.EINVAL;
  const pool = poolFor(xen, version.cpupoolAt < 0 ? 0 : view.getUint32(at + version.cpupoolAt, true));
  if (typeof pool === 'number') return pool;
  const handle = new Uint8Array(view.buffer, view.byteOffset + at + AT.handle, 16).slice();
  const xenstoreDomain = (flags & XS_DOMAIN) !== 0;
  const config = { id, hvm, hap, xenstoreDomain, maxVcpus, handle, ssidref: view.getUint32(at + AT.ssidref, true) };
  const domain = new Domain(config, pool, xen.machine.nodes.length);
  if (hvm) domain.pagingPoolPages = hap ? HAP_POOL_PAGES : SHADOW_POOL_PAGES;
  const ownPages = hvm ? HVM_TABLE_PAGES + domain.pagingPoolPages : pvTables(version.lateTables);
  if (takeXenPages(xen, domain, ownPages) < ownPages) {
    xen.heap.releaseAll(domain);
    return -ERRNO.ENOMEM;
  }
  xen.domains.set(id, domain);
  pool.domains++;
  return id;
}

/**
 * An id outside 1 .. DOMID_FIRST_RESERVED - 1 means the next free one after the last that Xen gave
 * out.
 */
function domidFor(xen: XenState, requested: Domid): Domid {
  if (requested > 0 && requested < DOMID_FIRST_RESERVED) return xen.domains.has(requested) ? -ERRNO.EEXIST : requested;
  for (let id = xen.domidRover + 1; id !== xen.domidRover; id++) {
    if (id === DOMID_FIRST_RESERVED) id = 1;
    if (xen.domains.has(id)) continue;
    xen.domidRover = id;
    return id;
  }
  return -ERRNO.ENOMEM;
}

function poolFor(xen: XenState, id: PoolId): Cpupool | number {
  const pool = poolById(xen, id);
  if (pool === undefined) return -ERRNO.ESRCH;
  return pool.cpus.isEmpty ? -ERRNO.ENODEV : pool;
}

/** Single pages for Xen itself in the domain's name. @returns how many there were */
export function takeXenPages(xen: XenState, domain: Domain, pages: number): number {
  const request = { order: 0, node: NUMA_NO_NODE, exact: false, zoneHigh: ZONE_MAX, coveredByClaim: false };
  const allocator = new ExtentAllocator(xen.heap, xen.onlineNodes, domain, request, pages, domain.xenPages);
  let taken = 0;
  for (;;) {
    taken += allocator.nextRounds(pages - taken);
    if (taken === pages || allocator.next() < 0) break;
    taken++;
  }
  allocator.close();
  return taken;
}

/** XEN_DOMCTL_max_vcpus: must be what createdomain said; again is no error. */
export function createVcpus(xen: XenState, domain: Domain, maxVcpus: number): number {
  if (domain.id === 0 || maxVcpus !== domain.config.maxVcpus) return -ERRNO.EINVAL;
  const withVcpus = domain.config.hvm ? hvmXenPages(maxVcpus).withVcpus : pvTables(!xen.version.lateTables);
  const pages = domain.vcpus.length === 0 ? withVcpus : 0;
  if (takeXenPages(xen, domain, pages) < pages) return -ERRNO.ENOMEM;
  domain.createVcpus(xen.nrCpuIds);
  domainUpdateNodeAffinity(xen, domain);
  return 0;
}

/** XEN_DOMCTL_destroydomain: all memory is freed at once. */
export function destroyDomain(xen: XenState, domain: Domain): number {
  if (domain.id === 0) return -ERRNO.EINVAL;
  xen.heap.releaseAll(domain);
  xen.domains.delete(domain.id);
  domain.pool.domains--;
  return 0;
}

/**
 * XEN_DOMCTL_set_paging_mempool_size: the pool grows or shrinks to whole pages; PV domains have
 * none. Its oldest pages are freed first, and they lie on the nodes in turn (hap_set_allocation()).
 */
export function setPagingMempoolSize(xen: XenState, domain: Domain, sizeBytes: number): number {
  if (!domain.config.hvm) return -ERRNO.EOPNOTSUPP;
  const pages = sizeBytes / PAGE_BYTES;
  if (!Number.isInteger(pages) || pages > 0xffffffff) return -ERRNO.EINVAL;
  const more = pages - domain.pagingPoolPages;
  if (more > 0) {
    const taken = takeXenPages(xen, domain, more);
    domain.pagingPoolPages += taken;
    return taken === more ? 0 : -ERRNO.ENOMEM;
  }
  let fewer = -more;
  while (fewer > 0) {
    const nodes = domain.xenPages.filter((runs) => runs.pages > 0).length;
    if (nodes === 0) break;
    const share = Math.max(1, Math.floor(fewer / nodes));
    for (const [node, runs] of domain.xenPages.entries()) {
      const pagesHere = Math.min(share, runs.pages, fewer);
      runs.drop(pagesHere, (start, count) => xen.heap.nodes[node]!.free(start, count));
      fewer -= pagesHere;
    }
  }
  domain.pagingPoolPages = pages;
  return 0;
}
