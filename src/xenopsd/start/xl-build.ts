// The build as libxl does it: automatic placement, node affinity, then hard and soft affinity from
// the guest's config (Xen 4.17, tools/libs/light/libxl_dom.c 161-202 and libxl_numa.c 306-527). The
// chart's boxes of VM.build stand for libxl's steps.
import { formatList } from '../../base/bitset.js';
import { KIB, MIB } from '../../base/units.js';
import type { PlacementRequest, Plan } from '../../planner/policy.js';
import { vcpusOnNodes, type XlCountedDomain, xlNeededBytes, xlPagingKib, xlPlacement } from '../../planner/xl-placement.js';
import { startPages } from '../../xenguest/memory/guest-pages.js';
import type { HostDoors } from '../api/host-doors.js';
import { effectivePolicy } from '../api/profiles.js';
import { nodeMemory, plannerHost } from './numa-hierarchy.js';
import { calling, type StartRun } from './start-run.js';
import { describeVirtualNodes } from './virtual-nodes.js';
import { buildDomain } from './vm-build.js';
import type { Created } from './vm-create.js';
import { preferVirtualNodes } from './xl-vnuma.js';

/** libxl_internal.h, LIBXL_MAXMEM_CONSTANT. */
const MAXMEM_EXTRA_KIB = 1024;

/**
 * Xen's limit of a domain: what it starts with, whatever its maxmem (libxl_dom.c,
 * libxl__build_pre).
 */
export function xlMaxMemKib(targetMib: number): number {
  return targetMib * 1024 + MAXMEM_EXTRA_KIB;
}

/** @throws StepError */
export async function buildVmWithXl(run: StartRun, created: Created): Promise<void> {
  const { vm, xc, memory } = run;
  const { domid } = created;
  await calling(`xc_domain_max_vcpus ${vm.vcpusMax}`, () => xc.domainMaxVcpus(domid, vm.vcpusMax));
  await run.step('vCPUs created');
  await run.step('before placement');
  await placementStep(run, created);
  await run.step('placement done');
  await calling('xc_domain_setmaxmem', () => xc.domainSetMaxmem(domid, xlMaxMemKib(memory.targetMib)));
  if (vm.kind !== 'pv') {
    const bytes = xlPagingKib({ maxmemBytes: memory.staticMaxMib * MIB, vcpus: vm.vcpusMax }) * KIB;
    await calling('xc_set_paging_mempool_size', () => xc.setPagingMempoolSize(domid, bytes));
    run.record.note('paging pool', { domid, bytes });
  }
  schedule(run, domid);
  await claimMemory(run, domid);
  if (vm.vnuma !== undefined) await describeVirtualNodes(run, domid, vm.vnuma);
  await buildDomain(run, domid, vm.vnuma === undefined ? {} : { vnodes: vm.vnuma });
  await preferVirtualNodes(run, domid);
}

/**
 * All of the guest's memory before any is taken (xl.conf's claim_mode, on by default; libxenguest's
 * xg_dom_x86.c, meminit_pv and meminit_hvm), so that a guest for which there is too little fails at
 * once, also beside others. Nothing looks at the free memory before: xl balloons Domain-0 only
 * where dom0_mem= does not fix its size (autoballoon). The builder cancels what is left of the
 * claim.
 */
async function claimMemory({ vm, xc, memory }: StartRun, domid: number): Promise<void> {
  await calling('xc_dom_boot_mem_init', () => xc.domainClaimPages(domid, startPages(vm.kind, memory.buildStartMib)));
}

async function placementStep(run: StartRun, { domid, affinity }: Created): Promise<void> {
  const { vm, record, profile } = run;
  const policy = run.policy();
  const { name, placement } = effectivePolicy(profile, policy);
  record.node('is_Host.numa_affinity_policy_set?', { policy, means: name, profile: profile.name });
  let plan: Plan | null | undefined;
  if (placement.affinity === null) {
    record.edge('is_Host.numa_affinity_policy_set? -> exec_xenguest');
  } else {
    record.edge('is_Host.numa_affinity_policy_set? -> has_hard_affinity?');
    const listed = affinity.length > 0 && vm.xlHardCpusForm !== 'string';
    const configured = vm.xlSoftCpus !== undefined || listed || vm.vnuma !== undefined;
    record.node('has_hard_affinity?', { hardAffinity: configured, cpus: listed, cpusSoft: vm.xlSoftCpus !== undefined });
    record.edge(configured ? 'has_hard_affinity? -> exec_xenguest' : 'has_hard_affinity? -> numa_placement');
    if (!configured) {
      plan = place(run, domid);
      record.edge('numa_placement -> exec_xenguest');
    }
  }
  await calling('libxl_set_vcpuaffinity', () => setAffinity(run, domid, affinity, plan ?? null));
  if (plan !== undefined) {
    const nodes = plan === null ? 'all' : plan.nodes;
    await calling('libxl_domain_set_nodeaffinity', () => run.xc.domainNodeSetAffinity(domid, nodes));
  }
}

function place(run: StartRun, domid: number): Plan | null {
  const { vm, record, memory } = run;
  const { xc } = run.doors;
  const host = plannerHost(xc);
  const state = xlPlacement().prepare(host);
  // libxl looks at the CPUs of the domain's pool only (libxl_dom.c, numa_place_domain).
  const pool = xc.domainInfo(domid)?.cpupool ?? 0;
  const pools = new Map(xc.cpupoolList().map(({ id, cpus }) => [id, cpus]));
  const suitableCpus = pools.get(pool) ?? [];
  const request: PlacementRequest = {
    vcpus: vm.vcpusMax,
    cores: 0,
    memoryBytes: xlNeededBytes({
      memoryBytes: memory.targetMib * MIB,
      maxmemBytes: memory.staticMaxMib * MIB,
      vcpus: vm.vcpusMax,
      kind: vm.kind,
    }),
    ...nodeMemory(xc),
    vcpusOnNode: vcpusOnNodes(host, countedDomains(run.doors, pools), suitableCpus),
    suitableCpus,
  };
  const weighed = state?.weigh(request, 24) ?? [];
  const plan = state?.plan(request) ?? null;
  record.node('numa_placement', {
    domid,
    numa: state !== null,
    vcpus: request.vcpus,
    cores: 0,
    memoryBytes: request.memoryBytes,
    freeBytes: request.freeBytes,
    claimedBytes: request.claimedBytes,
    availableBytes: request.freeBytes,
    usageBefore: request.vcpusOnNode!,
    weighed: weighed.map(({ nodes, averageDistance, freeBytes, cpus, verdict }) => ({ nodes, averageDistance, freeBytes, cpus, verdict })),
    nodes: plan?.nodes ?? null,
    cpus: plan === null ? null : formatList(plan.cpus),
  });
  return plan;
}

function setAffinity(run: StartRun, domid: number, hardLists: Created['affinity'], plan: Plan | null): void {
  const { vm, record, xc } = run;
  const of = (lists: readonly (readonly number[])[], vcpu: number) => lists[vcpu] ?? lists.at(-1);
  if (plan !== null) {
    for (let vcpu = 0; vcpu < vm.vcpusMax; vcpu++) {
      record.edge('numa_placement -> XEN_VCPUAFFINITY_SOFT');
      xc.vcpuSetAffinity(domid, vcpu, { soft: plan.cpus });
    }
    record.surprise('soft-is-a-preference', { domid, cpus: formatList(plan.cpus) });
  }
  for (let vcpu = 0; vcpu < vm.vcpusMax; vcpu++) {
    const hard = of(hardLists, vcpu);
    const soft = of(vm.xlSoftCpus ?? [], vcpu);
    if (hard === undefined && soft === undefined) break;
    xc.vcpuSetAffinity(domid, vcpu, { ...(hard === undefined ? {} : { hard }), ...(soft === undefined ? {} : { soft }) });
  }
  const pinned = hardLists[0] ?? [];
  if (plan !== null && pinned.some((cpu) => !plan.cpus.includes(cpu))) {
    record.surprise('xl-cpus-string', { domid, cpus: formatList(pinned), nodes: plan.nodes });
  }
}

function schedule(run: StartRun, domid: number): void {
  const { weight, cap } = run.vm.vcpusParams;
  if (weight === undefined && cap === undefined) return;
  const scheduler = run.scheduler();
  if (scheduler !== 'credit' && scheduler !== 'credit2') {
    run.record.note('no weight or cap', { domid, scheduler });
    return;
  }
  const now = run.xc.schedCreditGet(domid, scheduler);
  run.xc.schedCreditSet(domid, scheduler, { weight: Number(weight ?? now.weight), cap: Number(cap ?? now.cap) });
}

/** Every domain as libxl counts it, the new one among them. */
function countedDomains({ xc, affinityGroups }: HostDoors, pools: ReadonlyMap<number, readonly number[]>): XlCountedDomain[] {
  if (affinityGroups !== undefined) {
    return affinityGroups().map(({ hard, nodeAffinity, pool, vcpus }) => ({
      hard: [hard],
      nodeAffinity,
      poolCpus: pools.get(pool) ?? [],
      times: vcpus,
    }));
  }
  return xc.domainList().map(({ domid, maxVcpuId, cpupool }) => ({
    hard: Array.from({ length: maxVcpuId + 1 }, (_, vcpu) => xc.vcpuGetAffinity(domid, vcpu).hard),
    nodeAffinity: xc.domainNodeGetAffinity(domid),
    poolCpus: pools.get(cpupool) ?? [],
  }));
}
