// libxenctrl's calls, typed, over a hypercall door: the same interface on the embedded Xen and on a
// real one. Synchronous, as hypercalls are.
import type { SchedulerName } from '../abi/commands.js';
import type { CpuId, Domid, Mfn, NodeId, Pfn, PoolId, VcpuId } from '../base/ids.js';
import type { FlowSink } from '../flow/record.js';
import type { HypercallDoor } from './doors/door.js';

export interface XenVersion {
  /** "4.17" */
  readonly xen: string;
  /** Interface versions, each probed on its own. */
  readonly domctl: number;
  readonly sysctl: number;
}

export interface PhysInfo {
  readonly onlineCpus: number;
  readonly maxCpuId: number;
  readonly nodes: number;
  readonly threadsPerCore: number;
  readonly coresPerSocket: number;
  readonly totalPages: number;
  readonly freePages: number;
  readonly scrubPages: number;
  readonly outstandingPages: number;
  /** Xen has shadow paging, which the log of a running PV guest's writes needs. */
  readonly hasShadow: boolean;
}

export interface NumaNodeInfo {
  /** The node's whole span, holes included. null = the node is offline. */
  readonly sizeBytes: number | null;
  readonly freeBytes: number | null;
  /**
   * Claimed on this node by domains not built yet, where that is known (XenServer's Xen); 0 where
   * Xen has no claims per node.
   */
  readonly claimedBytes: number;
}

export interface NumaInfo {
  /** Index = node. */
  readonly nodes: readonly NumaNodeInfo[];
  /** UNREACHABLE where Xen says so. */
  readonly distances: readonly (readonly number[])[];
}

/** NONE_U32 where Xen knows no number: with one core a socket it reports no cores. */
export interface CpuTopology {
  readonly core: number;
  readonly socket: number;
  readonly node: NodeId;
}

export interface DomainConfig {
  /** 0 = Xen picks. */
  readonly domid: Domid;
  /**
   * pv: flags 0. pvh: hvm, hap, oos_off with a local APIC. hvm: the same flags with all devices
   * that Xen emulates.
   */
  readonly kind: 'pv' | 'pvh' | 'hvm';
  readonly maxVcpus: number;
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  readonly cpupool?: PoolId;
}

export interface DomainInfo {
  readonly domid: Domid;
  readonly dying: boolean;
  readonly hvm: boolean;
  readonly paused: boolean;
  readonly blocked: boolean;
  readonly running: boolean;
  /** Shutdown reason; null while it is not shut down. */
  readonly shutdown: number | null;
  readonly totPages: number;
  readonly maxPages: number;
  readonly outstandingPages: number;
  readonly onlineVcpus: number;
  /** -1 with no vCPUs. */
  readonly maxVcpuId: number;
  readonly cpuTimeNs: number;
  readonly uuid: Uint8Array;
  readonly cpupool: PoolId;
}

/** A virtual node of a domain, as its guest is to see it. */
export interface VirtualNumaNode {
  readonly pnode: NodeId;
  readonly vcpus: readonly VcpuId[];
  /** Index = virtual node. */
  readonly distances: readonly number[];
  /** Guest-physical addresses in bytes, [start, end). */
  readonly ranges: readonly { readonly start: number; readonly end: number }[];
}

/** What a guest reads of its virtual nodes: all but the physical ones. */
export interface GuestVnuma {
  /** Virtual node of each vCPU. */
  readonly vcpuToVnode: readonly number[];
  /** A row for each virtual node. */
  readonly distances: readonly (readonly number[])[];
  /** Guest-physical addresses in bytes, [start, end), and their virtual node. */
  readonly ranges: readonly { readonly start: number; readonly end: number; readonly vnode: number }[];
}

export interface VcpuInfo {
  readonly online: boolean;
  readonly blocked: boolean;
  readonly running: boolean;
  readonly cpuTimeNs: number;
  /** pCPU it runs on, or last ran on. */
  readonly cpu: CpuId;
}

export interface CpupoolInfo {
  readonly id: PoolId;
  readonly scheduler: number;
  readonly domains: number;
  readonly cpus: readonly CpuId[];
}

export interface PopulateRequest {
  readonly extents: number;
  readonly order: number;
  /** Preferred node; with `exactNode` no other will do. */
  readonly node?: NodeId;
  readonly exactNode?: boolean;
  /** Virtual node (XENMEMF_vnode). */
  readonly vnode?: number;
  /** Pseudo-physical frame of the first extent (0 by default); extents follow one another. */
  readonly firstPfn?: Pfn;
  /**
   * Populate on demand (XENMEMF_populate_on_demand): nothing is allocated, the guest's pages come
   * from its target.
   */
  readonly onDemand?: boolean;
  /**
   * A PV domain's machine frames are wanted (a PVH domain has its own numbering, so there are none
   * to tell).
   */
  readonly wantMfns?: boolean;
}

export interface PopulateResult {
  /** Extents done, from the first. */
  readonly done: number;
  /** Machine frame of each extent done; null unless `wantMfns`. */
  readonly mfns: readonly Mfn[] | null;
}

/** Pages of one domain by node, as debug key 'u' prints them. */
export interface DomainMemory {
  readonly domid: Domid;
  readonly totalPages: number;
  readonly pagesByNode: readonly number[];
}

/** Schedulers with a weight and a cap. */
export type WeighingScheduler = Extract<SchedulerName, 'credit' | 'credit2'>;

/** All calls throw XenError with the errno Xen gave. CPU and node lists are ascending numbers. */
export interface Xenctrl {
  readonly door: HypercallDoor;
  readonly version: XenVersion;
  /** The same calls, which record themselves and Xen's inside in `sink`. */
  withFlow(sink: FlowSink): Xenctrl;

  physInfo(): PhysInfo;
  numaInfo(): NumaInfo;
  /** Index = CPU; null = absent. */
  cpuTopology(): (CpuTopology | null)[];
  /**
   * Nanoseconds that each of the first `cpus` CPUs was idle since it started; null = this Xen does
   * not tell, as the embedded one, which has no clock.
   */
  cpuIdleNs(cpus: number): number[] | null;
  /** Free memory of a node at addresses of at most `maxBits` bits (all by default). */
  availHeap(node: NodeId, maxBits?: number): number;
  cpuOnline(cpu: CpuId): void;
  cpuOffline(cpu: CpuId): void;

  domainCreate(config: DomainConfig): Domid;
  domainMaxVcpus(domid: Domid, vcpus: number): void;
  domainSetMaxmem(domid: Domid, kib: number): void;
  domainPause(domid: Domid): void;
  domainUnpause(domid: Domid): void;
  /** SCHEDOP_remote_shutdown. */
  domainShutdown(domid: Domid, reason: number): void;
  /**
   * Of an HVM guest, whose ACPI registers Xen itself emulates: a guest with ACPI then shuts itself
   * down. A PVH guest has none, and notices nothing.
   */
  domainPowerButton(domid: Domid): void;
  /** Again on EAGAIN and ERESTART, until it is done. */
  domainDestroy(domid: Domid): void;
  /** null = no such domain. */
  domainInfo(domid: Domid): DomainInfo | null;
  /** All domains, ascending by id. */
  domainList(): DomainInfo[];
  setPagingMempoolSize(domid: Domid, bytes: number): void;
  /** `vcpus`: all of the domain's, each of them in one node. */
  domainSetVnuma(domid: Domid, vcpus: number, nodes: readonly VirtualNumaNode[]): void;
  /** null = the domain has no virtual nodes. */
  domainGetVnuma(domid: Domid): GuestVnuma | null;
  /**
   * A port in the domain for `remoteDomid` to bind to. ENOSYS on the embedded host, where no guest
   * runs.
   */
  eventChannelAllocUnbound(domid: Domid, remoteDomid: Domid): number;
  /** HVMOP_set_param, of an HVM container. ENOSYS on the embedded host, where no guest runs. */
  hvmParamSet(domid: Domid, param: number, value: number): void;

  vcpuInfo(domid: Domid, vcpu: VcpuId): VcpuInfo;
  /**
   * xc_vcpu_setaffinity: `hard` and `soft`, or one of them. The maps are as wide as the machine has
   * CPU numbers.
   * @returns the effective masks, as Xen writes them back
   * @throws InputError for a CPU that the machine has no number for
   */
  vcpuSetAffinity(
    domid: Domid,
    vcpu: VcpuId,
    masks: { hard?: Iterable<CpuId>; soft?: Iterable<CpuId>; force?: boolean },
  ): { readonly hard: readonly CpuId[] | null; readonly soft: readonly CpuId[] | null };
  /** The raw masks as stored. */
  vcpuGetAffinity(domid: Domid, vcpu: VcpuId): { readonly hard: readonly CpuId[]; readonly soft: readonly CpuId[] };
  /** 'all' = every one of Xen's node bits: back to automatic. */
  domainNodeSetAffinity(domid: Domid, nodes: readonly NodeId[] | 'all'): void;
  /** The raw mask as stored; nodes that do not exist included. */
  domainNodeGetAffinity(domid: Domid): NodeId[];

  /** `scheduler` is credit or credit2; EINVAL when the domain's pool runs another. */
  schedCreditGet(domid: Domid, scheduler: WeighingScheduler): { weight: number; cap: number };
  schedCreditSet(domid: Domid, scheduler: WeighingScheduler, params: { weight: number; cap: number }): void;

  /** 0 cancels. `node`: a claim on one node (XenServer's patch; EINVAL upstream). */
  domainClaimPages(domid: Domid, pages: number, node?: NodeId): void;
  /**
   * XENMEM_set_pod_target: pages that a domain populated on demand is to have; what is missing is
   * allocated now, by its node affinity.
   */
  domainSetPodTarget(domid: Domid, pages: number): void;
  /** Never throws for lack of memory: says how far it came. */
  domainPopulatePhysmap(domid: Domid, request: PopulateRequest): PopulateResult;

  cpupoolCreate(scheduler: SchedulerName, id?: PoolId): PoolId;
  cpupoolDestroy(pool: PoolId): void;
  cpupoolAddCpu(pool: PoolId, cpu: CpuId): void;
  cpupoolRemoveCpu(pool: PoolId, cpu: CpuId): void;
  cpupoolMoveDomain(pool: PoolId, domid: Domid): void;
  /** Ascending by id. */
  cpupoolList(): CpupoolInfo[];
  cpupoolFreeCpus(): CpuId[];

  /**
   * Debug key 'u' and the console ring behind it: where each domain's memory lies. Ascending by id.
   * @throws InputError when the dump is longer than the ring, and the hypervisor cannot be
   * inspected
   */
  domainMemory(): DomainMemory[];
  /**
   * Free pages that Xen has not scrubbed yet: an order above 0 takes clean blocks of another
   * node before them. Debug key 'H' shows them (common/page_alloc.c, dump_heap), physinfo does not.
   */
  unscrubbedPages(): number;

  /**
   * Gives the kept buffers back; the door stays open. No call may follow. Closes what `withFlow`
   * returned as well.
   */
  close(): void;
}
