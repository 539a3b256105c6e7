// The machine as xenopsd's planner gets it from Xen: numainfo and cputopoinfo (xen-api
// ocaml/xenopsd/xc/domain.ml, numa_hierarchy). Part of the box numa_placement.
import type { PlannerHost } from '../../planner/policy.js';
import type { Xenctrl } from '../../xenctrl/xenctrl.js';

/** XEN_INVALID_NODE_ID, and what an offline node shows as its free memory. */
const INVALID = 0xffffffff;

export function plannerHost(xc: Xenctrl): PlannerHost {
  // As the original: core numbers are compared without their sockets.
  return hostWithCores(xc, ({ core }) => core);
}

/**
 * The machine as it is: without CPUs that are offline, and a core is one within its socket, also on
 * a node of several sockets.
 */
export function machineHost(xc: Xenctrl): PlannerHost {
  const online = new Set([...xc.cpupoolList().flatMap(({ cpus }) => cpus), ...xc.cpupoolFreeCpus()]);
  return hostWithCores(xc, ({ socket, core }) => `${socket}/${core}`, online);
}

type CpuPlace = Exclude<ReturnType<Xenctrl['cpuTopology']>[number], null>;

/** @param online absent: CPUs that are offline count, too */
function hostWithCores(xc: Xenctrl, coreOf: (cpu: CpuPlace) => number | string, online?: ReadonlySet<number>): PlannerHost {
  const { distances } = xc.numaInfo();
  const topology = xc.cpuTopology().map((cpu, id) => (online === undefined || online.has(id) ? cpu : null));
  const cores = distances.map(() => new Set<number | string>());
  for (const cpu of topology) if (cpu !== null) cores[cpu.node]?.add(coreOf(cpu));
  return {
    distances,
    cpuToNode: topology.map((cpu) => cpu?.node ?? INVALID),
    nodeCores: cores.map((set) => set.size),
  };
}

/** Free and claimed bytes of each node now. */
export function nodeMemory(xc: Xenctrl): { freeBytes: number[]; claimedBytes: number[] } {
  const { nodes } = xc.numaInfo();
  return { freeBytes: nodes.map((node) => node.freeBytes ?? INVALID), claimedBytes: nodes.map((node) => node.claimedBytes) };
}
