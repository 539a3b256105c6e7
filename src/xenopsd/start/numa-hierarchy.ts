// The machine as xenopsd's planner gets it from Xen: numainfo and cputopoinfo (xen-api
// ocaml/xenopsd/xc/domain.ml, numa_hierarchy). Part of the box numa_placement.
import type { PlannerHost } from '../../planner/policy.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';

/** XEN_INVALID_NODE_ID, and what an offline node shows as its free memory. */
const INVALID = 0xffffffff;

export function plannerHost(xc: Xenctrl): PlannerHost {
  const { distances } = xc.numaInfo();
  const topology = xc.cpuTopology();
  const cores = distances.map(() => new Set<number>());
  for (const cpu of topology) if (cpu !== null) cores[cpu.node]?.add(cpu.core);
  return {
    distances,
    cpuToNode: topology.map((cpu) => cpu?.node ?? INVALID),
    // As the original: core numbers are compared without their sockets.
    nodeCores: cores.map((set) => set.size),
  };
}

/** Free and claimed bytes of each node now. */
export function nodeMemory(xc: Xenctrl): { freeBytes: number[]; claimedBytes: number[] } {
  const { nodes } = xc.numaInfo();
  return { freeBytes: nodes.map((node) => node.freeBytes ?? INVALID), claimedBytes: nodes.map((node) => node.claimedBytes) };
}
