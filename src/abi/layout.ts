// Offsets of the fields of the hypercall structures, in bytes, as far as they are the same in every
// version from 4.13 on (xen/include/public/: domctl.h, sysctl.h, memory.h, sched.h). The few that
// moved are in interface-version.ts.

/** xen_domctl; payloads below are offsets within its union. */
export const DOMCTL_AT = { cmd: 0, version: 4, domain: 8, union: 16, sizeBytes: 144 } as const;

/** xen_sysctl; payloads below are offsets within its union. */
export const SYSCTL_AT = { cmd: 0, version: 4, union: 8, sizeBytes: 136 } as const;

/** xenctl_bitmap: a handle and a number of bits. */
export const BITMAP_AT = { handle: 0, bits: 8, sizeBytes: 16 } as const;

/** xen_domctl_createdomain, as far as it never moved. */
export const CREATE_AT = {
  ssidref: 0,
  handle: 4,
  flags: 20,
  iommuOpts: 24,
  maxVcpus: 28,
  maxEventChannelPort: 32,
  maxGrantFrames: 36,
  maxMaptrackFrames: 40,
} as const;

/** XEN_DOMCTL_CDF_* flags of createdomain. */
export const CREATE_FLAG = { hvm: 1, hap: 2, s3Integrity: 4, oosOff: 8, xenstoreDomain: 16, iommu: 32 } as const;

/** xen_arch_domainconfig.emulation_flags: a local APIC. */
export const EMULATE_LAPIC = 1;
/**
 * All that Xen emulates beside a device model: XEN_X86_EMU_ALL without vPCI, as libxl sets it for
 * HVM (xen/arch/x86/domain.c, emulation_flags_ok).
 */
export const EMULATE_HVM = 0x3ff;

/** xen_domctl_getdomaininfo. */
export const DOMAIN_INFO_AT = {
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

/** XEN_DOMINF_* flags of getdomaininfo; the shutdown code lies above them. */
export const DOMAIN_FLAG = {
  dying: 1,
  hvm: 2,
  shutdown: 4,
  paused: 8,
  blocked: 16,
  running: 32,
  debugged: 64,
  xenstoreDomain: 128,
  hap: 256,
} as const;
export const SHUTDOWN_SHIFT = 16;

/** xen_domctl_vcpuaffinity. */
export const AFFINITY_AT = { vcpu: 0, flags: 4, hard: 8, soft: 24 } as const;
/** XEN_VCPUAFFINITY_*. */
export const AFFINITY_FLAG = { hard: 1, soft: 2, force: 4 } as const;
/** Bits of a node mask (MAX_NUMNODES). */
export const NODE_BITS = 64;

/** xen_domctl_getvcpuinfo. */
export const VCPU_INFO_AT = { vcpu: 0, online: 4, blocked: 5, running: 6, cpuTime: 8, cpu: 16 } as const;

/** xen_domctl_scheduler_op with the parameters of credit or credit2. */
export const SCHEDULER_OP_AT = { scheduler: 0, cmd: 4, weight: 8, cap: 10 } as const;
export const SCHEDULER_OP = { put: 0, get: 1 } as const;
/** The weight and the cap that leave the domain's own as they are. */
export const SCHEDULER_KEEP = { weight: 0, cap: 0xffff } as const;

/** xen_domctl_vnuma; `rangeBytes` is the size of an entry of its memory ranges. */
export const VNUMA_AT = {
  vnodes: 0,
  ranges: 4,
  vcpus: 8,
  pad: 12,
  distances: 16,
  vcpuToVnode: 24,
  vnodeToPnode: 32,
  memory: 40,
  rangeBytes: 24,
} as const;

/** xen_vmemrange; bytes of the guest's address space. */
export const VNUMA_RANGE_AT = { start: 0, end: 8, flags: 16, nid: 20 } as const;

/** xen_vnuma_topology_info. */
export const VNUMA_TOPOLOGY_AT = {
  domid: 0,
  pad: 2,
  vnodes: 4,
  vcpus: 8,
  ranges: 12,
  distances: 16,
  vcpuToVnode: 24,
  memory: 32,
  sizeBytes: 40,
} as const;

/** An entry of the arrays vcpu_to_vnode and vnode_to_pnode. */
export const VNUMA_NUMBER_BYTES = 4;

/**
 * xen_sysctl_physinfo up to where it moved; the rest is relative to
 * InterfaceVersion.physinfoPagesAt.
 */
export const PHYSINFO_AT = {
  threadsPerCore: 0,
  coresPerSocket: 4,
  cpus: 8,
  maxCpuId: 12,
  nodes: 16,
  maxNodeId: 20,
  khz: 24,
  capabilities: 28,
  /** From 4.17 on. */
  archCapabilities: 32,
} as const;
/** XEN_SYSCTL_PHYSCAP_*. */
export const PHYSCAP = { hvm: 1, pv: 2, directio: 4, hap: 8, shadow: 16 } as const;
export const PHYSINFO_PAGES_AT = { total: 0, free: 8, scrub: 16, outstanding: 24, maxMfn: 32, hwCap: 40 } as const;
/** Bytes of xen_sysctl_physinfo.hw_cap. */
export const HW_CAP_BYTES = 32;

/** xen_sysctl_numainfo. */
export const NUMAINFO_AT = { nodes: 0, memory: 8, distances: 16 } as const;
/** xen_sysctl_meminfo, an entry of its memory array. */
export const MEMINFO_AT = { size: 0, free: 8, sizeBytes: 16 } as const;
/** An entry of its distance array, which has a row of as many entries as nodes were returned. */
export const DISTANCE_BYTES = 4;
/** xen_sysctl_cputopoinfo. */
export const CPUTOPOINFO_AT = { cpus: 0, entries: 8 } as const;
/** xen_sysctl_cputopo, an entry of its array. */
export const CPUTOPO_AT = { core: 0, socket: 4, node: 8, sizeBytes: 12 } as const;
/** xen_sysctl_availheap. */
export const AVAILHEAP_AT = { minBits: 0, maxBits: 4, node: 8, bytes: 16 } as const;
/** xen_sysctl_cpupool_op. */
export const CPUPOOL_AT = { op: 0, pool: 4, scheduler: 8, domid: 12, cpu: 16, domains: 20, cpumap: 24 } as const;
/** xen_sysctl_getdomaininfolist. */
export const DOMAIN_LIST_AT = { first: 0, most: 4, entries: 8, count: 16 } as const;
/** xen_sysctl_debug_keys. */
export const DEBUG_KEYS_AT = { keys: 0, count: 8 } as const;
/** xen_sysctl_getcpuinfo; an entry is the nanoseconds for which a CPU was idle. */
export const CPUINFO_AT = { most: 0, entries: 8, count: 16, entryBytes: 8 } as const;
/** xen_sysctl_readconsole. */
export const READCONSOLE_AT = { clear: 0, incremental: 1, index: 4, buffer: 8, count: 16 } as const;
/** xen_sysctl_cpu_hotplug. */
export const CPU_HOTPLUG_AT = { cpu: 0, op: 4 } as const;
export const CPU_HOTPLUG_OP = { online: 0, offline: 1 } as const;

/** xen_pod_target. */
export const POD_TARGET_AT = { target: 0, totPages: 8, cachePages: 16, entries: 24, domid: 32, sizeBytes: 40 } as const;

/** sched_remote_shutdown. */
export const REMOTE_SHUTDOWN_AT = { domid: 0, reason: 4, sizeBytes: 8 } as const;

/** sched_pin_override. */
export const PIN_OVERRIDE_AT = { cpu: 0, sizeBytes: 4 } as const;

/** XEN_INVALID_*: an absent CPU, an offline node's sizes, an unknown distance. */
export const NONE_U32 = 0xffffffff;

/** struct evtchn_alloc_unbound. */
export const ALLOC_UNBOUND_AT = { domid: 0, remoteDomid: 2, port: 4, sizeBytes: 8 } as const;
/** struct xen_hvm_param. */
export const HVM_PARAM_AT = { domid: 0, index: 4, value: 8, sizeBytes: 16 } as const;
