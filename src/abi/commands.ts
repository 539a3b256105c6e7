// Numbers of the ABI: hypercalls, their commands, schedulers (xen/include/public/). Pure data.

/** Hypercall numbers (xen/include/public/xen.h). */
export const HYPERCALL = { memoryOp: 12, xenVersion: 17, schedOp: 29, eventChannelOp: 32, hvmOp: 34, sysctl: 35, domctl: 36 } as const;

/** XEN_DOMCTL_* command numbers (xen/include/public/domctl.h). */
export const DOMCTL = {
  createdomain: 1,
  destroydomain: 2,
  pausedomain: 3,
  unpausedomain: 4,
  getdomaininfo: 5,
  setvcpuaffinity: 9,
  max_mem: 11,
  getvcpuinfo: 14,
  max_vcpus: 15,
  scheduler_op: 16,
  getvcpuaffinity: 25,
  resumedomain: 27,
  sendtrigger: 28,
  setnodeaffinity: 68,
  getnodeaffinity: 69,
  setvnumainfo: 74,
  soft_reset: 79,
  set_paging_mempool_size: 86,
} as const;

/** XEN_DOMCTL_SENDTRIGGER_* (xen/include/public/domctl.h). */
export const TRIGGER = { nmi: 0, power: 3, sleep: 4 } as const;

/** XEN_SYSCTL_* command numbers (xen/include/public/sysctl.h). */
export const SYSCTL = {
  readconsole: 1,
  physinfo: 3,
  getdomaininfolist: 6,
  debug_keys: 7,
  getcpuinfo: 8,
  availheap: 9,
  cpu_hotplug: 11,
  cputopoinfo: 16,
  numainfo: 17,
  cpupool_op: 18,
} as const;

/** XEN_SYSCTL_CPUPOOL_OP_* (xen/include/public/sysctl.h). */
export const CPUPOOL_OP = { create: 1, destroy: 2, info: 3, addcpu: 4, rmcpu: 5, movedomain: 6, freeinfo: 7 } as const;

/** SCHEDOP_* (xen/include/public/sched.h). */
export const SCHEDOP = { remote_shutdown: 4, pin_override: 7 } as const;

/** XENMEM_* (xen/include/public/memory.h). */
export const XENMEM = { populate_physmap: 6, set_pod_target: 16, claim_pages: 24, get_vnumainfo: 26 } as const;

/** EVTCHNOP_* (xen/include/public/event_channel.h). */
export const EVTCHNOP = { alloc_unbound: 6 } as const;

/** HVMOP_* (xen/include/public/hvm/hvm_op.h). */
export const HVMOP = { set_param: 0 } as const;

/** XENVER_* (xen/include/public/version.h). */
export const XENVER = { version: 0 } as const;

/** Pool or CPU "any" (XEN_SYSCTL_CPUPOOL_PAR_ANY). */
export const CPUPOOL_ANY = 0xffffffff;

/** Scheduler ids of the ABI (xen/include/public/domctl.h). */
export const SCHEDULERS = { credit: 5, credit2: 6, arinc653: 7, rtds: 8, null: 9 } as const;
export type SchedulerName = keyof typeof SCHEDULERS;
