// What all hosts of a fleet have in common, worked out once: the machine as the planners see it,
// the layout of its memory, which CPUs a node has.
import { InputError } from '../../base/errors.js';
import { MIB, PAGE_BYTES } from '../../base/units.js';
import { type Host, UNREACHABLE } from '../../machine/model.js';
import { asXenSees } from '../../machine/xen-sees.js';
import type { PlannerHost } from '../../planner/policy.js';
import { machineFromHost } from '../../xen/state/machine.js';
import type { NodeAffinity } from './extents.js';
import { type HeapLayout, heapLayout } from './heap-layout.js';

export interface HostType {
  readonly name: string;
  readonly nodes: number;
  readonly planner: PlannerHost;
  readonly layout: HeapLayout;
  /** Their numbers, ascending. */
  readonly onlineCpus: readonly number[];
  /** Online CPUs and their cores on each node; a core is one within its socket. */
  readonly cpus: readonly number[];
  readonly cores: readonly number[];
  /** Free memory of an empty host. */
  readonly freeMib: number;
  /** Memory that VMs get while nothing has set their affinity: before and after vCPUs exist. */
  readonly everyNode: NodeAffinity;
  readonly cpuNodes: NodeAffinity;
  /** vCPUs of Domain-0, which xl counts. */
  readonly dom0Vcpus: number;
}

/** @throws InputError for a host past the limits, or one without CPUs */
export function hostType(described: Host): HostType {
  const host = asXenSees(described);
  const machine = machineFromHost(host);
  const { distances, cpus, nodes } = machine;
  // xenopsd compares core numbers without their sockets (numa-hierarchy.ts).
  const cores = nodes.map(() => new Set<number>());
  const ownCores = nodes.map(() => new Set<string>());
  const cpusOf = nodes.map(() => 0);
  const offline = new Set(machine.offlineCpus);
  // cputopoinfo ends with the last CPU that is online. An offline one before it keeps its node.
  const listed = cpus.slice(0, (host.cpus.at(-1)?.id ?? -1) + 1);
  for (const cpu of listed) if (cpu !== null) cores[cpu.node]!.add(cpu.core);
  for (const [id, cpu] of listed.entries()) {
    if (cpu === null || offline.has(id)) continue;
    cpusOf[cpu.node]!++;
    ownCores[cpu.node]!.add(`${cpu.socket}/${cpu.core}`);
  }
  if (cpusOf.every((count) => count === 0)) throw new InputError('a host of a fleet needs CPUs, this one has none', { path: 'cpus' });
  const coreCounts = ownCores.map((set) => set.size);
  const every = [...nodes.keys()];
  const freePages = nodes.reduce((sum, node) => sum + node.freePages, 0);
  return {
    name: host.name,
    nodes: nodes.length,
    planner: { distances, cpuToNode: listed.map((cpu) => cpu?.node ?? UNREACHABLE), nodeCores: cores.map((set) => set.size) },
    layout: heapLayout(machine),
    onlineCpus: host.cpus.map(({ id }) => id),
    cpus: cpusOf,
    cores: coreCounts,
    freeMib: Math.floor((freePages * PAGE_BYTES) / MIB),
    everyNode: { nodes: every, others: [] },
    cpuNodes: affinityOf(
      every.filter((node) => cpusOf[node]! > 0),
      nodes.length,
    ),
    dom0Vcpus: machine.dom0.vcpus,
  };
}

/** @param nodes ascending */
export function affinityOf(nodes: readonly number[], count: number): NodeAffinity {
  return { nodes, others: [...Array(count).keys()].filter((node) => !nodes.includes(node)) };
}
