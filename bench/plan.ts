// `xennuma plan` of 1,000 VMs in one process: the host is booted, every VM is started, and the
// figures are computed. On 2, 8, 16 and 64 nodes.

import { GIB } from '../src/base/units.js';
import { startAll } from '../src/cli/answers/start-all.js';
import { summarise } from '../src/cli/answers/summary.js';
import { raise } from '../src/cli/input/open-host.js';
import type { Host } from '../src/machine/model.js';
import type { VmSpec } from '../src/machine/vm.js';
import { type BenchRow, cpuMs } from './measure.js';

const CPUS_OF_NODE = 16;
const VMS = 1000;

/** Nodes of `nodeBytes` and 16 CPUs, in sockets of four, far from other sockets. */
function hostOf(nodes: number, nodeBytes: number): Host {
  const indices = Array.from({ length: nodes }, (_, node) => node);
  const socket = (node: number) => node >> 2;
  const distance = (a: number, b: number): number => {
    if (a === b) return 10;
    return socket(a) === socket(b) ? 12 : 32;
  };
  return {
    name: `${nodes} nodes`,
    source: 'bench',
    nodes: indices.map((id) => ({ id, memoryBytes: nodeBytes, freeBytes: nodeBytes - (id === 0 ? 4 * GIB : 0) })),
    cpus: Array.from({ length: nodes * CPUS_OF_NODE }, (_, id) => {
      const node = Math.floor(id / CPUS_OF_NODE);
      return { id, node, core: id, socket: socket(node) };
    }),
    distances: indices.map((i) => indices.map((j) => distance(i, j))),
    notes: [],
  };
}

/**
 * Every eighth VM has a mask; sizes come in turn. Together they take three quarters of the host.
 */
function vmsOf(nodes: number, nodeBytes: number): VmSpec[] {
  const mean = (0.75 * nodes * nodeBytes) / VMS;
  return Array.from({ length: VMS }, (_, index) => {
    const memoryBytes = Math.round((mean * (0.5 + (index % 5) / 4)) / 2 ** 22) * 2 ** 22;
    const vcpus = 1 + (index % 8);
    return {
      name: `vm-${index}`,
      kind: 'hvm',
      vcpusMax: vcpus,
      vcpusAtStartup: vcpus,
      memoryStaticMaxBytes: memoryBytes,
      memoryTargetBytes: memoryBytes,
      vcpusParams: index % 8 === 7 ? { mask: '1,2,3' } : {},
    };
  });
}

/** VM starts per second of processor time, best of `rounds`. */
export async function benchPlan(rounds = 2): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const nodes of [2, 8, 16, 64]) {
    const nodeBytes = Math.max(64, 1024 / nodes) * GIB;
    let bestMs = Number.POSITIVE_INFINITY;
    for (let round = 0; round < rounds; round++) {
      const started = cpuMs();
      const workload = await raise(
        { host: hostOf(nodes, nodeBytes), live: null },
        vmsOf(nodes, nodeBytes),
        { profile: 'xapi-25.6', policy: 'best_effort', seed: 1 },
        {},
      );
      await startAll(workload, false);
      const { totals } = summarise(workload.toolstack);
      if (totals.failed > 0) throw new Error(`${totals.failed} of ${VMS} VMs failed on ${nodes} nodes`);
      bestMs = Math.min(bestMs, cpuMs() - started);
    }
    rows.push({
      name: `plan of ${VMS} VMs on ${nodes} nodes (${(bestMs / 1000).toFixed(2)} s)`,
      unit: 'VM starts',
      perSecond: (VMS * 1000) / bestMs,
    });
  }
  return rows;
}
