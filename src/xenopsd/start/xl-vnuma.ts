// Virtual nodes of a guest that xl starts: what libxl refuses, and the soft affinity that it sets
// once the memory is there (Xen 4.17, tools/libs/light/libxl_create.c 1201-1215, libxl_vnuma.c
// libxl__vnuma_config_check, libxl_dom.c set_vnuma_affinity).
import { formatList } from '../../base/bitset.js';
import { MIB, PAGE_BYTES } from '../../base/units.js';
import type { VmSpec } from '../../machine/vm.js';
import { pfnRanges } from '../../xenguest/memory/guest-pages.js';
import { nodeRanges } from '../../xenguest/memory/populate-guest.js';
import { calling, type StartRun, StepError } from './start-run.js';

/** @throws StepError before there is a domain, for what libxl refuses */
export function checkVnuma(run: StartRun): void {
  if (run.vm.vnuma === undefined) return;
  const nodes = run.xc.numaInfo().nodes.length;
  const reason = run.doors.can.loadsImages
    ? 'xennuma builds no guest with vNUMA on a real host; start it with xl'
    : refusalOf(run.vm, nodes);
  if (reason !== null) throw new StepError('VM.create', `vnuma: ${reason}`, { kind: { kind: 'refused' } });
}

/** Null when libxl takes it. */
export function refusalOf(vm: VmSpec, hostNodes: number): string | null {
  const vnodes = vm.vnuma ?? [];
  if (vm.kind === 'pv') return 'libxl has no vNUMA for PV guests; make it HVM or PVH';
  if (vm.memoryTargetBytes < vm.memoryStaticMaxBytes)
    return 'libxl has no vNUMA with populate on demand; give the guest all of its memory at the start';
  const absent = vnodes.find(({ pnode }) => pnode >= hostNodes);
  if (absent !== undefined) return `node ${absent.pnode} is not there; the host has nodes 0-${hostNodes - 1}`;
  const total = vnodes.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  if (total !== vm.memoryStaticMaxBytes) return `its virtual nodes have ${total / MIB} MiB, the guest ${vm.memoryStaticMaxBytes / MIB} MiB`;
  const counts = new Map<number, number>();
  for (const vcpu of vnodes.flatMap(({ vcpus }) => vcpus)) counts.set(vcpu, (counts.get(vcpu) ?? 0) + 1);
  const twice = [...counts].find(([, count]) => count > 1)?.[0];
  if (twice !== undefined) return `vCPU ${twice} is in more than one virtual node`;
  const missing = Array.from({ length: vm.vcpusMax }, (_, vcpu) => vcpu).find((vcpu) => !counts.has(vcpu));
  if (missing !== undefined) return `vCPU ${missing} is in no virtual node`;
  const odd = vnodes.findIndex(({ distances }, index) => distances.some((distance) => distance < distances[index]!));
  return odd < 0 ? null : `virtual node ${odd} is nearer to another than to itself`;
}

/** The guest can ask Xen for its virtual nodes from here on (libxl_dom.c, set_vnuma_info). */
export async function describeVirtualNodes({ vm, xc }: StartRun, domid: number): Promise<void> {
  if (vm.vnuma === undefined) return;
  const sizes = vm.vnuma.map(({ memoryBytes }, index) => ({ node: index, pages: Math.floor(memoryBytes / PAGE_BYTES) }));
  const total = sizes.reduce((sum, { pages }) => sum + pages, 0);
  const parts = nodeRanges(pfnRanges(vm.kind, total), sizes);
  const nodes = vm.vnuma.map(({ pnode, vcpus, distances }, index) => ({
    ...{ pnode, vcpus, distances },
    ranges: parts.flatMap(({ range, node }) => (node === index ? [{ start: range.start * PAGE_BYTES, end: range.end * PAGE_BYTES }] : [])),
  }));
  await calling('xc_domain_setvnuma', () => xc.domainSetVnuma(domid, vm.vcpusMax, nodes));
}

/**
 * Each vCPU prefers the CPUs of its virtual node's physical node, unless the config has soft
 * affinity of its own.
 */
export async function preferVirtualNodes({ vm, xc, record }: StartRun, domid: number): Promise<void> {
  if (vm.vnuma === undefined) return;
  record.note('virtual nodes', {
    domid,
    nodes: vm.vnuma.map(({ pnode, memoryBytes, vcpus }) => ({ node: pnode, mib: memoryBytes / MIB, vcpus: formatList([...vcpus]) })),
  });
  if (vm.xlSoftCpus !== undefined) return;
  const topology = xc.cpuTopology();
  for (const { pnode, vcpus } of vm.vnuma) {
    const soft = topology.flatMap((cpu, id) => (cpu?.node === pnode ? [id] : []));
    for (const vcpu of vcpus) await calling('libxl_set_vcpuaffinity', () => xc.vcpuSetAffinity(domid, vcpu, { soft }));
  }
}
