// What Xen tells of a domain and of a vCPU (xen/common/domctl.c, getdomaininfo()). Box of the chart: `do_domctl`.
import { ERRNO } from '../errors.js';
import type { Domain, Vcpu } from './domain.js';
import { writeWord } from './guest-memory.js';
import type { Hypervisor } from './hypervisor.js';

const FLAG = { hvm: 2, shutdown: 4, paused: 8, running: 32, xenstore: 128, hap: 256 } as const;
const SHUTDOWN_SHIFT = 16;
const ALL_ONES = 0xffffffff;
const GPADDR_BITS = 48;
/** Offsets of xen_domctl_getdomaininfo. */
const AT = {
  domain: 0,
  flags: 4,
  totPages: 8,
  maxPages: 16,
  outstanding: 24,
  shared: 32,
  paged: 40,
  sharedInfoFrame: 48,
  cpuTime: 56,
  onlineVcpus: 64,
  maxVcpuId: 68,
  ssidref: 72,
  handle: 76,
  cpupool: 92,
  gpaddrBits: 96,
} as const;

/** vCPUs of a guest are offline until the guest's own start brings them up, which nobody does here; Domain-0's run. */
export function writeDomainInfo(xen: Hypervisor, domain: Domain, view: DataView, at: number): void {
  const { config } = domain;
  const runs = domain.id === 0;
  const flags =
    (config.hvm ? FLAG.hvm : 0) |
    (config.hap ? FLAG.hap : 0) |
    (config.xenstoreDomain ? FLAG.xenstore : 0) |
    (domain.isShutDown ? FLAG.shutdown : 0) |
    (domain.pauseCount > 0 ? FLAG.paused : 0) |
    (runs ? FLAG.running : 0) |
    (domain.shutdownCode << SHUTDOWN_SHIFT);
  view.setUint16(at + AT.domain, domain.id, true);
  view.setUint32(at + AT.flags, flags >>> 0, true);
  writeWord(view, at + AT.totPages, domain.totPages);
  writeWord(view, at + AT.maxPages, domain.maxPages);
  writeWord(view, at + AT.outstanding, domain.outstandingPages);
  writeWord(view, at + AT.shared, 0);
  writeWord(view, at + AT.paged, 0);
  view.setUint32(at + AT.sharedInfoFrame, ALL_ONES, true);
  view.setUint32(at + AT.sharedInfoFrame + 4, ALL_ONES, true);
  writeWord(view, at + AT.cpuTime, 0);
  view.setUint32(at + AT.onlineVcpus, runs ? domain.vcpus.length : 0, true);
  view.setUint32(at + AT.maxVcpuId, domain.vcpus.length === 0 ? ALL_ONES : domain.vcpus.length - 1, true);
  view.setUint32(at + AT.ssidref, config.ssidref, true);
  for (let i = 0; i < config.handle.length; i++) view.setUint8(at + AT.handle + i, config.handle[i]!);
  view.setUint32(at + AT.cpupool, domain.pool.id, true);
  if (xen.version.gpaddrBits) view.setUint8(at + AT.gpaddrBits, config.hap ? GPADDR_BITS : 0);
}

/** XEN_DOMCTL_getvcpuinfo. */
export function writeVcpuInfo(xen: Hypervisor, domain: Domain, view: DataView, at: number): number {
  const index = view.getUint32(at, true);
  if (index >= domain.config.maxVcpus) return -ERRNO.EINVAL;
  const vcpu = domain.vcpus[index];
  if (vcpu === undefined) return -ERRNO.ESRCH;
  const runs = domain.id === 0 ? 1 : 0;
  view.setUint8(at + 4, runs);
  view.setUint8(at + 5, 0);
  view.setUint8(at + 6, runs);
  writeWord(view, at + 8, 0);
  view.setUint32(at + 16, processorOf(xen, domain, vcpu), true);
  return 0;
}

/** The CPU that a vCPU is on: nothing runs here, so the first one that its masks prefer. */
function processorOf(xen: Hypervisor, domain: Domain, vcpu: Vcpu): number {
  const { requested, effective } = xen.scratch;
  const hard = effective.copyFrom(vcpu.hard).and(domain.pool.cpus);
  const preferred = requested.copyFrom(hard).and(vcpu.soft);
  return Math.max(0, preferred.isEmpty ? hard.first : preferred.first);
}
