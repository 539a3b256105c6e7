// Virtual nodes of a guest on their way to Xen, whoever decided on them: xl's config, or policy
// `tight` from its plan. Xen learns them by XEN_DOMCTL_setvnumainfo (Xen 4.17,
// tools/libs/light/libxl_dom.c, set_vnuma_info); each vCPU prefers the CPUs beside its memory
// (set_vnuma_affinity). Part of the boxes numa_placement and XEN_VCPUAFFINITY_SOFT.
import { formatList } from '../../base/bitset.js';
import { MIB, PAGE_BYTES } from '../../base/units.js';
import { LIMITS } from '../../machine/model.js';
import type { VirtualNode, VmSpec } from '../../machine/vm.js';
import type { NodeShare } from '../../planner/tight/request.js';
import { pfnRanges } from '../../xenguest/memory/guest-pages.js';
import { nodeRanges } from '../../xenguest/memory/populate-guest.js';
import { calling, type StartRun, StepError } from './start-run.js';

/** Virtual nodes meet at borders that cut no page of this size. */
export const VNODE_BLOCK_BYTES = 2 * MIB;
/** As libxl_vnuma.c numbers distances without `vdistances`. */
const [LOCAL, REMOTE] = [10, 20];
/** 255 is unreachable in ACPI's SLIT. */
const FARTHEST = 254;

/** Why no guest of this kind and memory has virtual nodes with any toolstack; null: it may. */
export function vnumaRefusal({ kind, memoryTargetBytes, memoryStaticMaxBytes }: VmSpec): string | null {
  if (kind === 'pv') return 'libxl has no vNUMA for PV guests; make it HVM or PVH';
  return memoryTargetBytes < memoryStaticMaxBytes
    ? 'libxl has no vNUMA with populate on demand; give the guest all of its memory at the start'
    : null;
}

/**
 * The same for a guest whose virtual nodes policy `tight` decides on. xapi's `pvh` is a PV guest in
 * a shim, which passes no virtual nodes on.
 * @throws StepError
 */
export function checkPlannedNodes({ vm }: StartRun): void {
  if (vm.virtualNodes === undefined) return;
  let reason = vnumaRefusal(vm);
  if (vm.kind === 'pvh') reason = 'the PV shim of a pvh guest hides virtual nodes; make it HVM';
  if (vm.vcpusParams.mask?.includes(';') === true)
    reason = 'a mask with a part for each vCPU decides where each one runs; give one mask for all';
  if (reason !== null) throw refused('VM.create', reason);
}

/** @param step in which it is found: before there is a domain, or at the plan */
export function refused(step: 'VM.create' | 'VM.build', reason: string): StepError {
  return new StepError(step, `vnuma: ${reason}`, { kind: { kind: 'refused' } });
}

/**
 * The most memory that one of so many equal virtual nodes has: what does not divide into whole
 * blocks goes to some of them.
 */
export function largestPartBytes(memoryBytes: number, parts: number): number {
  return Math.ceil(memoryBytes / VNODE_BLOCK_BYTES / parts) * VNODE_BLOCK_BYTES;
}

/**
 * The virtual nodes that a plan gives, in the order of its nodes: consecutive vCPUs, memory in
 * whole blocks. A node gets the blocks of its share; those that are left go where most room is.
 * @param memoryBytes all of the guest's
 * @param roomBytes of each node of the host, before the guest
 * @returns null when a node would have no vCPU or no memory, the blocks don't fit, or Xen keeps
 *   no description of so many nodes
 */
export function plannedNodes(
  split: readonly NodeShare[],
  memoryBytes: number,
  roomBytes: readonly number[],
  distances: readonly (readonly number[])[],
): VirtualNode[] | null {
  const planned = split.reduce((sum, share) => sum + share.memoryBytes, 0);
  const bytes = split.map((share) => {
    const own = (memoryBytes * share.memoryBytes) / planned;
    return Math.floor(own / VNODE_BLOCK_BYTES) * VNODE_BLOCK_BYTES;
  });
  const left = (at: number) => roomBytes[split[at]!.node]! - bytes[at]!;
  for (let rest = memoryBytes - bytes.reduce((sum, own) => sum + own, 0); rest > 0; ) {
    const block = Math.min(rest, VNODE_BLOCK_BYTES);
    const most = split.reduce((best, _, at) => (left(at) > left(best) ? at : best), 0);
    if (left(most) < block) return null;
    bytes[most]! += block;
    rest -= block;
  }
  if (split.length > LIMITS.virtualNodes || split.some(({ vcpus }, at) => vcpus === 0 || bytes[at] === 0)) return null;
  let next = 0;
  return split.map(({ node, vcpus }, at) => {
    const first = next;
    next += vcpus;
    return {
      pnode: node,
      memoryBytes: bytes[at]!,
      vcpus: Array.from({ length: vcpus }, (_, i) => first + i),
      distances: distancesOf(
        split.map((share) => share.node),
        at,
        distances,
      ),
    };
  });
}

/** The host's own; libxl's where the host's say that another node is nearer than one's own. */
function distancesOf(nodes: readonly number[], at: number, distances: readonly (readonly number[])[]): number[] {
  const own = distances[nodes[at]!]!;
  const odd = nodes.some((node) => own[node]! < own[nodes[at]!]!);
  return nodes.map((node, to) => {
    if (odd) return to === at ? LOCAL : REMOTE;
    return Math.min(own[node]!, FARTHEST);
  });
}

/** The guest can ask Xen for its virtual nodes from here on (libxl_dom.c, set_vnuma_info). */
export async function describeVirtualNodes({ vm, xc }: StartRun, domid: number, vnodes: readonly VirtualNode[]): Promise<void> {
  const sizes = vnodes.map(({ memoryBytes }, index) => ({ node: index, pages: Math.floor(memoryBytes / PAGE_BYTES) }));
  const total = sizes.reduce((sum, { pages }) => sum + pages, 0);
  const parts = nodeRanges(pfnRanges(vm.kind, total), sizes);
  const nodes = vnodes.map(({ pnode, vcpus, distances }, index) => ({
    ...{ pnode, vcpus, distances },
    ranges: parts.flatMap(({ range, node }) => (node === index ? [{ start: range.start * PAGE_BYTES, end: range.end * PAGE_BYTES }] : [])),
  }));
  await calling('xc_domain_setvnuma', () => xc.domainSetVnuma(domid, vm.vcpusMax, nodes));
}

export function noteVirtualNodes({ record }: StartRun, domid: number, vnodes: readonly VirtualNode[], by: 'libxl' | 'tight'): void {
  record.note('virtual nodes', {
    domid,
    by,
    nodes: vnodes.map(({ pnode, memoryBytes, vcpus }) => ({ node: pnode, mib: memoryBytes / MIB, vcpus: formatList([...vcpus]) })),
  });
}

/** CPUs that each vCPU prefers: those of its virtual node's physical node. Index = vCPU. */
export function preferredCpus({ doors }: StartRun, vnodes: readonly VirtualNode[]): (readonly number[])[] {
  const topology = doors.xc.cpuTopology();
  const preferred: (readonly number[])[] = [];
  for (const { pnode, vcpus } of vnodes) {
    const cpus = topology.flatMap((cpu, id) => (cpu?.node === pnode ? [id] : []));
    for (const vcpu of vcpus) preferred[vcpu] = cpus;
  }
  return preferred;
}
