// A real machine in the form from which the embedded hypervisor is started: nodes, CPUs, Domain-0,
// and every free frame.
import { readHeapMap } from '../conformance/hypercalls/heap-map.js';
import type { LiveMachine, LiveXen } from '../conformance/hypercalls/live-xen.js';
import type { Scenario } from '../conformance/hypercalls/scenario.js';
import type { XenMachine } from '../xen/state/machine.js';
import type { MachineFacts } from './arguments.js';

export interface Snapshot {
  /** "4.17", as the machine's Xen says. */
  readonly xen: string;
  readonly machine: LiveMachine;
  /** Taken without the ballast domain: all memory is free. */
  readonly whole: boolean;
  /** numainfo's, at the moment of the map. */
  readonly freePages: readonly number[];
  /** Free frames of each node, as runs. */
  readonly heap: readonly (readonly (readonly [number, number])[])[];
  readonly dom0: {
    readonly vcpus: number;
    readonly hard: readonly number[];
    readonly nodes: readonly number[];
    readonly pages: number;
    readonly maxPages: number;
  };
}

/** Small amounts, so that nodes fill quickly, and different for each node. */
const LEFT_ON_FIRST_PAGES = 16_000;
const LEFT_PAGES = 7_200;
const LEFT_MORE_PAGES = 1_500;
const DMA_BITS = 24;
const BLOCK_PAGES = 512;

/**
 * Leaves the ballast domain behind, for the scenarios that follow, or none when the machine is to
 * be `whole`.
 */
export function takeSnapshot(xen: LiveXen, whole: boolean): Snapshot {
  xen.undo();
  if (whole) xen.dropBallast();
  else xen.fillUp(xen.machine.nodes.map((_, node) => (node === 0 ? LEFT_ON_FIRST_PAGES : LEFT_PAGES + node * LEFT_MORE_PAGES)));
  xen.settle();
  const heap = readHeapMap(xen);
  return {
    xen: xen.xc.version.xen,
    machine: xen.machine,
    whole,
    freePages: xen.freePages(),
    heap,
    dom0: {
      vcpus: xen.dom0.vcpus.length,
      hard: xen.dom0.vcpus[0]!.hard,
      nodes: xen.dom0.nodes,
      pages: xen.xc.domainInfo(0)!.totPages,
      maxPages: xen.xc.domainInfo(0)!.maxPages,
    },
  };
}

export function factsOf({ machine, whole }: Snapshot): MachineFacts {
  return { sched: machine.sched, cpuToNode: machine.cpu_to_node, nodes: machine.nodes.length, whole };
}

export function scenarioMachine({ machine }: Pick<Snapshot, 'machine'>): Scenario['machine'] {
  return { name: 'rig', ...machine } as unknown as Scenario['machine'];
}

/**
 * The embedded machine with `freePages` free on each node: the map, and single pages more or fewer
 * where Xen's own use of memory moved.
 */
export function embeddedMachine({ xen, machine, heap, dom0 }: Snapshot, freePages: readonly number[]): XenMachine {
  return {
    version: xen,
    scheduler: machine.sched === 5 ? 'credit' : 'credit2',
    nodes: machine.nodes.map((node, index) => {
      const [startMfn, endMfn] = node.pages ?? [0, 0];
      const freeRanges = adjusted(heap[index]!, freePages[index]!, startMfn, endMfn);
      return { startMfn, endMfn, freePages: freePages[index]!, freeRanges };
    }),
    cpus: machine.cpu_to_node.map((node, cpu) => ({ node, core: cpu, socket: node })),
    distances: machine.distances,
    dmaBits: DMA_BITS,
    dom0: { vcpus: dom0.vcpus, pages: dom0.pages, maxPages: dom0.maxPages, hardAffinity: dom0.hard, nodes: dom0.nodes },
    perNodeClaims: false,
  };
}

/** Pages come from and go to pieces smaller than 2 MiB blocks as long as there are some. */
function adjusted(runs: readonly (readonly [number, number])[], wanted: number, startMfn: number, endMfn: number): [number, number][] {
  const result = runs.map(([start, end]): [number, number] => [start, end]);
  let more = wanted - result.reduce((sum, [start, end]) => sum + end - start, 0);
  while (more < 0) {
    const smallest = result.reduce((a, b) => (b[1] - b[0] < a[1] - a[0] ? b : a));
    const taken = Math.min(-more, smallest[1] - smallest[0]);
    smallest[1] -= taken;
    more += taken;
    if (smallest[0] === smallest[1]) result.splice(result.indexOf(smallest), 1);
  }
  for (let block = Math.floor(endMfn / BLOCK_PAGES) - 1; more > 0 && block * BLOCK_PAGES > startMfn; block--) {
    const start = block * BLOCK_PAGES;
    if (result.some(([from, to]) => from < start + BLOCK_PAGES && to > start)) continue;
    const pages = Math.min(more, BLOCK_PAGES / 2);
    result.push([start + 1, start + 1 + pages]);
    more -= pages;
  }
  result.sort((a, b) => a[0] - b[0]);
  return more === 0 ? result : inGaps(result, more, startMfn, endMfn);
}

/**
 * Where every block has free pages already, as on a machine that is free as a whole: between the
 * runs.
 */
function inGaps(runs: readonly (readonly [number, number])[], wanted: number, startMfn: number, endMfn: number): [number, number][] {
  const result: [number, number][] = [];
  let more = wanted;
  let gapStart = startMfn;
  for (const [start, end] of [...runs, [endMfn, endMfn] as const]) {
    const pages = Math.min(more, start - gapStart);
    if (pages > 0) result.push([gapStart, gapStart + pages]);
    more -= pages;
    if (end > start) result.push([start, end]);
    gapStart = end;
  }
  if (more > 0) throw new Error(`${more} free pages that have no place`);
  return result;
}
