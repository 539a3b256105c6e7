// Virtual nodes of a guest that xl starts: libxl's refusals, and the soft affinity that it sets
// after the memory is allocated (Xen 4.17, tools/libs/light/libxl_create.c 1201-1215, libxl_vnuma.c
// libxl__vnuma_config_check, libxl_dom.c set_vnuma_affinity).
import { MIB } from '../../base/units.js';
import type { VmSpec } from '../../machine/vm.js';
import { calling, type StartRun } from './start-run.js';
import { noteVirtualNodes, preferredCpus, refused, vnumaRefusal } from './virtual-nodes.js';

/** @throws StepError before there is a domain, for what libxl refuses */
export function checkVnuma(run: StartRun): void {
  if (run.vm.vnuma === undefined) return;
  const nodes = run.xc.numaInfo().nodes.length;
  const reason = refusalOf(run.vm, nodes);
  if (reason !== null) throw refused('VM.create', reason);
}

/** Null when libxl takes it. */
export function refusalOf(vm: VmSpec, hostNodes: number): string | null {
  const vnodes = vm.vnuma ?? [];
  const never = vnumaRefusal(vm);
  if (never !== null) return never;
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

/**
 * Each vCPU prefers the CPUs of its virtual node's physical node, unless the config has soft
 * affinity of its own.
 */
export async function preferVirtualNodes(run: StartRun, domid: number): Promise<void> {
  const { vm, xc } = run;
  if (vm.vnuma === undefined) return;
  noteVirtualNodes(run, domid, vm.vnuma, 'libxl');
  if (vm.xlSoftCpus !== undefined) return;
  for (const [vcpu, soft] of preferredCpus(run, vm.vnuma).entries()) {
    await calling('libxl_set_vcpuaffinity', () => xc.vcpuSetAffinity(domid, vcpu, { soft }));
  }
}
