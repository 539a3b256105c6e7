// The machines of the recorded hypercalls. A conformance run starts from the free memory of a real
// Xen at the start of a scenario.
import type { XenMachine } from '../../xen/state/machine.js';

const BLOCK = 512;
/** 32 MiB: no memory below is free on the recorded machines. */
const NODE_0_START = 8192;
/** The gap of node 0 below 4 GiB. */
const HOLE: readonly [number, number] = [524288, 1048576];
const RUN_MOST = 131072;

/**
 * Free memory of a node in pieces below a block, counted in blocks, by the position of the node.
 */
function piecesOf(isFirst: boolean, isLast: boolean): number {
  if (isFirst) return isLast ? 4 : 3;
  return isLast ? 2 : 0;
}

/**
 * Free frames as the recorder's ballast leaves them: 2 MiB blocks, and on the first and the last
 * node more small pieces than elsewhere (measured by the `fill` scenarios); on node 0 nothing as
 * large as 1 GiB.
 */
function freeRanges(startMfn: number, freePages: number, isFirst: boolean, isLast: boolean): (readonly [number, number])[] {
  const ranges: (readonly [number, number])[] = [];
  const inPieces = piecesOf(isFirst, isLast);
  let blocks = Math.max(0, Math.floor(freePages / BLOCK) - inPieces);
  let pieces = freePages - blocks * BLOCK;
  let mfn = isFirst ? NODE_0_START : startMfn;
  while (blocks > 0) {
    const room = isFirst && mfn < HOLE[0] ? HOLE[0] - mfn : Number.MAX_SAFE_INTEGER;
    const pages = Math.min(blocks * BLOCK, isFirst ? RUN_MOST : Number.MAX_SAFE_INTEGER, room);
    ranges.push([mfn, mfn + pages]);
    blocks -= pages / BLOCK;
    mfn += pages + BLOCK;
    if (isFirst && mfn >= HOLE[0] && mfn < HOLE[1]) mfn = HOLE[1];
  }
  for (; pieces > 0; mfn += BLOCK) {
    const pages = Math.min(pieces, BLOCK / 2);
    ranges.push([mfn, mfn + pages]);
    pieces -= pages;
  }
  return ranges;
}

/** The `machine` of a recorded line, as far as it is needed here. */
export interface RecordedMachine {
  readonly sched: number;
  readonly nodes: readonly { readonly pages: readonly [number, number] | null }[];
  readonly cpu_to_node: readonly number[];
  readonly distances: readonly (readonly number[])[];
}

/**
 * The machine as it was at the start of a recorded scenario, with `freePages` free on each node.
 * Domain-0 outlives all scenarios of a machine. Xen's option dom0_nodes=0 makes its node affinity
 * explicit, until a scenario makes it automatic (`dom0Automatic`). The recorder's ballast domain
 * has no pages here: its memory counts as not free from the start.
 */
export function recordedMachine(machine: RecordedMachine, freePages: readonly number[], dom0Automatic: boolean): XenMachine {
  const last = Math.max(...machine.nodes.map((node) => node.pages?.[1] ?? 0));
  return {
    version: '4.17',
    scheduler: machine.sched === 5 ? 'credit' : 'credit2',
    nodes: machine.nodes.map((node, index) => {
      const [startMfn, endMfn] = node.pages ?? [0, 0];
      const free = freePages[index]!;
      return { startMfn, endMfn, freePages: free, freeRanges: freeRanges(startMfn, free, index === 0, endMfn === last) };
    }),
    cpus: machine.cpu_to_node.map((node, cpu) => ({ node, core: cpu, socket: node })),
    distances: machine.distances,
    dmaBits: 24,
    dom0: {
      vcpus: Math.min(2, machine.cpu_to_node.filter((node) => node === 0).length),
      pages: 262144,
      hardAffinity: [...machine.cpu_to_node.keys()].filter((cpu) => machine.cpu_to_node[cpu] === 0),
      ...(dom0Automatic ? {} : { nodes: [0] }),
    },
    perNodeClaims: false,
  };
}
