// Xen's report of a domain and of a vCPU (xen/common/domctl.c, getdomaininfo()).
import { DOMAIN_INFO_AT as AT, DOMAIN_LIST_AT, DOMAIN_FLAG as FLAG, NONE_U32, SHUTDOWN_SHIFT, VCPU_INFO_AT } from '../../abi/layout.js';
import { readU64, writeNoneU64, writeU64 } from '../../abi/u64.js';
import { ERRNO } from '../../base/errors.js';
import type { Domain, Vcpu } from '../state/domain.js';
import { buffer, type GuestMemory } from '../state/guest-memory.js';
import type { XenState } from '../state/xen-state.js';

const GPADDR_BITS = 48;

/**
 * A guest's vCPUs are offline until the guest brings them up, and no guest runs here. Domain-0's
 * vCPUs run.
 */
export function writeDomainInfo(xen: XenState, domain: Domain, view: DataView, at: number): void {
  const { config } = domain;
  const runs = domain.id === 0;
  const flags =
    (config.hvm ? FLAG.hvm : 0) |
    (config.hap ? FLAG.hap : 0) |
    (config.xenstoreDomain ? FLAG.xenstoreDomain : 0) |
    (domain.isShutDown ? FLAG.shutdown : 0) |
    (domain.pauseCount > 0 ? FLAG.paused : 0) |
    (runs ? FLAG.running : 0) |
    (domain.shutdownCode << SHUTDOWN_SHIFT);
  view.setUint16(at + AT.domain, domain.id, true);
  view.setUint32(at + AT.flags, flags >>> 0, true);
  writeU64(view, at + AT.totPages, domain.totPages);
  writeU64(view, at + AT.maxPages, domain.maxPages);
  writeU64(view, at + AT.outstanding, domain.outstandingPages);
  writeU64(view, at + AT.shared, 0);
  writeU64(view, at + AT.paged, 0);
  writeNoneU64(view, at + AT.sharedInfoFrame);
  writeU64(view, at + AT.cpuTime, 0);
  view.setUint32(at + AT.onlineVcpus, runs ? domain.vcpus.length : 0, true);
  view.setUint32(at + AT.maxVcpuId, domain.vcpus.length === 0 ? NONE_U32 : domain.vcpus.length - 1, true);
  view.setUint32(at + AT.ssidref, config.ssidref, true);
  for (let i = 0; i < config.handle.length; i++) view.setUint8(at + AT.handle + i, config.handle[i]!);
  view.setUint32(at + AT.cpupool, domain.pool.id, true);
  if (xen.version.gpaddrBits) view.setUint8(at + AT.gpaddrBits, config.hap ? GPADDR_BITS : 0);
}

/**
 * XEN_SYSCTL_getdomaininfolist: the domains from an id on, ascending, as many as there is room for
 * (xen/common/sysctl.c).
 */
export function domainInfoList(xen: XenState, memory: GuestMemory, view: DataView, at: number): number {
  const first = view.getUint16(at + DOMAIN_LIST_AT.first, true);
  const most = view.getUint32(at + DOMAIN_LIST_AT.most, true);
  const address = readU64(view, at + DOMAIN_LIST_AT.entries);
  const domains = [...xen.domains.values()].filter((domain) => domain.id >= first).sort((a, b) => a.id - b.id);
  const count = Math.min(most, domains.length);
  const size = xen.version.domainInfoBytes;
  const found = buffer(memory, address, count * size);
  if (count > 0 && found === undefined) return -ERRNO.EFAULT;
  for (let i = 0; i < count; i++) writeDomainInfo(xen, domains[i]!, found!.view, address - found!.address + i * size);
  view.setUint32(at + DOMAIN_LIST_AT.count, count, true);
  return 0;
}

/** XEN_DOMCTL_getvcpuinfo. */
export function writeVcpuInfo(xen: XenState, domain: Domain, view: DataView, at: number): number {
  const index = view.getUint32(at + VCPU_INFO_AT.vcpu, true);
  if (index >= domain.config.maxVcpus) return -ERRNO.EINVAL;
  const vcpu = domain.vcpus[index];
  if (vcpu === undefined) return -ERRNO.ESRCH;
  const runs = domain.id === 0 ? 1 : 0;
  view.setUint8(at + VCPU_INFO_AT.online, runs);
  view.setUint8(at + VCPU_INFO_AT.blocked, 0);
  view.setUint8(at + VCPU_INFO_AT.running, runs);
  writeU64(view, at + VCPU_INFO_AT.cpuTime, 0);
  view.setUint32(at + VCPU_INFO_AT.cpu, processorOf(xen, domain, vcpu), true);
  return 0;
}

/** The CPU that a vCPU is on: nothing runs here, so the first one that its masks prefer. */
function processorOf(xen: XenState, domain: Domain, vcpu: Vcpu): number {
  const { requested, effective } = xen.scratch;
  const hard = effective.copyFrom(vcpu.hard).and(domain.pool.cpus);
  const preferred = requested.copyFrom(hard).and(vcpu.soft);
  return Math.max(0, preferred.isEmpty ? hard.first : preferred.first);
}
