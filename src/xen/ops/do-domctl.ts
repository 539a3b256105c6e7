// do_domctl(): checks and dispatch (xen/common/domctl.c:282-338).
import { DOMCTL } from '../../abi/commands.js';
import { DOMCTL_AT } from '../../abi/layout.js';
import { readU64 } from '../../abi/u64.js';
import { ERRNO } from '../../base/errors.js';
import { DOMID_FIRST_RESERVED } from '../../base/ids.js';
import { NO_FLOW } from '../../flow/record.js';
import type { Domain } from '../state/domain.js';
import { buffer, type GuestMemory, readBitmap, writeBitmap } from '../state/guest-memory.js';
import type { XenState } from '../state/xen-state.js';
import { createDomain, createVcpus, destroyDomain, setPagingMempoolSize } from './create-domain.js';
import { writeDomainInfo, writeVcpuInfo } from './domain-info.js';
import { pauseDomain, resumeDomain, sendTrigger, softReset, unpauseDomain } from './domain-run.js';
import { domainSetNodeAffinity } from './domain-set-node-affinity.js';
import { schedAdjust } from './sched-adjust.js';
import { vcpuAffinityDomctl } from './vcpu-set-affinity.js';
import { setVnumaInfo } from './vnuma.js';

const { sizeBytes: SIZE_BYTES, cmd: CMD, version: VERSION, domain: DOMAIN, union: UNION } = DOMCTL_AT;
const KIB_A_PAGE = 4;
/** struct xen_domctl_sendtrigger: trigger, vcpu. */
const TRIGGER_VCPU_AT = 4;
const UINT_MAX = 0xffffffff;

/** Order of checks: EFAULT, EACCES for the version, ESRCH, then the command. */
export function doDomctl(xen: XenState, memory: GuestMemory, address: number): number {
  const found = buffer(memory, address, SIZE_BYTES);
  if (found === undefined) return -ERRNO.EFAULT;
  const { view } = found;
  const base = address - found.address;
  if (view.getUint32(base + VERSION, true) !== xen.version.domctl) return -ERRNO.EACCES;
  const cmd = view.getUint32(base + CMD, true);
  const domid = view.getUint16(base + DOMAIN, true);
  const at = base + UNION;
  if (xen.flow !== NO_FLOW) xen.flow.node('do_domctl', { cmd, command: COMMAND_NAMES.get(cmd) ?? null, domid });
  if (cmd === DOMCTL.createdomain) {
    const id = createDomain(xen, domid, view, at);
    if (id < 0) return id;
    xen.affinityGroups.changed(id);
    view.setUint16(base + DOMAIN, id, true);
    return 0;
  }
  let domain = xen.domains.get(domid);
  if (cmd === DOMCTL.getdomaininfo) {
    if (domain === undefined && xen.version.nextDomain) {
      if (domid >= DOMID_FIRST_RESERVED) return -ERRNO.EINVAL;
      domain = domainFrom(xen, domid);
    }
    if (domain === undefined) return -ERRNO.ESRCH;
    view.setUint16(base + DOMAIN, domain.id, true);
    writeDomainInfo(xen, domain, view, at);
    return 0;
  }
  if (domain === undefined) return -ERRNO.ESRCH;
  if (!READING.has(cmd)) xen.affinityGroups.changed(domid);
  return domctlOfDomain(xen, memory, domain, cmd, view, at);
}

/** Commands that change no mask; any other may. */
const READING: ReadonlySet<number> = new Set([DOMCTL.getvcpuaffinity, DOMCTL.getnodeaffinity, DOMCTL.getvcpuinfo, DOMCTL.max_mem]);

const COMMAND_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(DOMCTL).map(([name, cmd]) => [cmd, name]));

/** The domain with the lowest id that is not below `domid`. */
function domainFrom(xen: XenState, domid: number): Domain | undefined {
  // Most often the next ids are in use: looking at as many as there are domains costs no more than
  // looking at all domains.
  for (let id = domid; id < domid + xen.domains.size; id++) {
    const domain = xen.domains.get(id);
    if (domain !== undefined) return domain;
  }
  let best: Domain | undefined;
  for (const domain of xen.domains.values()) {
    if (domain.id >= domid && (best === undefined || domain.id < best.id)) best = domain;
  }
  return best;
}

function domctlOfDomain(xen: XenState, memory: GuestMemory, domain: Domain, cmd: number, view: DataView, at: number): number {
  switch (cmd) {
    case DOMCTL.setvcpuaffinity:
      return vcpuAffinityDomctl(xen, domain, memory, view, at, true);
    case DOMCTL.getvcpuaffinity:
      return vcpuAffinityDomctl(xen, domain, memory, view, at, false);
    case DOMCTL.setnodeaffinity:
      if (!readBitmap(memory, view, at, xen.scratch.nodes)) return -ERRNO.EFAULT;
      return domainSetNodeAffinity(xen, domain, xen.scratch.nodes);
    case DOMCTL.getnodeaffinity:
      if (xen.flow !== NO_FLOW) {
        xen.flow.edge('domain_node_affinity -> do_domctl');
        xen.flow.node('domain_node_affinity', { domid: domain.id, read: domain.nodeAffinity.toString(), auto: domain.autoNodeAffinity });
      }
      return writeBitmap(memory, view, at, domain.nodeAffinity) ? 0 : -ERRNO.EFAULT;
    case DOMCTL.destroydomain:
      return destroyDomain(xen, domain);
    case DOMCTL.pausedomain:
      return pauseDomain(domain);
    case DOMCTL.unpausedomain:
      return unpauseDomain(domain);
    case DOMCTL.resumedomain:
      return resumeDomain(domain);
    case DOMCTL.sendtrigger:
      return sendTrigger(domain, view.getUint32(at, true), view.getUint32(at + TRIGGER_VCPU_AT, true));
    case DOMCTL.soft_reset:
      return softReset(domain);
    case DOMCTL.max_mem:
      domain.maxPages = Math.min(Math.floor(readU64(view, at) / KIB_A_PAGE), UINT_MAX);
      return 0;
    case DOMCTL.max_vcpus:
      return createVcpus(xen, domain, view.getUint32(at, true));
    case DOMCTL.getvcpuinfo:
      return writeVcpuInfo(xen, domain, view, at);
    case DOMCTL.scheduler_op:
      return schedAdjust(domain, view, at);
    case DOMCTL.setvnumainfo:
      return setVnumaInfo(domain, memory, view, at);
    case DOMCTL.set_paging_mempool_size:
      return setPagingMempoolSize(xen, domain, readU64(view, at));
    default:
      return -ERRNO.ENOSYS;
  }
}
