// The moves that cost nothing: soft affinity for the nodes where a VM's memory already lies, or
// where most of it does.
import { cpusOfNodes } from '../tight/capacity.js';
import { isBetter, type Place, type Ruler } from './place.js';
import type { FreeMove, PlaceFigures, RebalanceProblem, RebalanceVm } from './problem.js';

/** A node with less of a VM's memory than this share draws no vCPUs to it. */
const SHARE_THAT_COUNTS = 0.05;
/** The nodes that hold this share together hold most of it. */
const MOST = 2 / 3;
/** A mean distance that is shorter by less than this share is no reason to pin a VM. */
const SMALLEST_GAIN = 0.02;

/** CPUs of some nodes that a VM may use. */
export class NodeCpus {
  readonly #byNode: readonly (readonly number[])[];
  readonly #counts = new Map<RebalanceVm, readonly number[]>();

  constructor({ host }: RebalanceProblem) {
    this.#byNode = cpusOfNodes(host);
  }

  /** Ascending. */
  of(vm: RebalanceVm, nodes: readonly number[]): number[] {
    const allowed = vm.allowedCpus === undefined ? null : new Set(vm.allowedCpus);
    const cpus = nodes.flatMap((node) => this.#byNode[node] ?? []);
    return (allowed === null ? cpus : cpus.filter((cpu) => allowed.has(cpu))).sort((a, b) => a - b);
  }

  /** How many of each node. */
  counts(vm: RebalanceVm): readonly number[] {
    let counts = this.#counts.get(vm);
    if (counts === undefined) {
      counts = this.#byNode.map((_, node) => this.of(vm, [node]).length);
      this.#counts.set(vm, counts);
    }
    return counts;
  }

  /** What is on each node of the CPUs that it prefers when they are all those of some nodes. */
  shares(vm: RebalanceVm, nodes: readonly number[]): number[] {
    const counts = this.counts(vm).map((count, node) => (nodes.includes(node) ? count : 0));
    const total = counts.reduce((sum, count) => sum + count, 0);
    return counts.map((count) => (total === 0 ? 0 : count / total));
  }
}

/** null when there is nothing to gain, or too few CPUs there. */
export function freeMove(vm: RebalanceVm, place: Place, ruler: Ruler, cpus: NodeCpus): { move: FreeMove; place: Place } | null {
  if (!vm.mayPin) return null;
  const before = place.figures;
  let best: { move: FreeMove; place: Place } | null = null;
  for (const nodes of memoryNodes(place, ruler)) {
    const chosen = cpus.of(vm, nodes);
    if (chosen.length < vm.vcpus || nodes.some((node) => cpus.counts(vm)[node] === 0)) continue;
    const there = ruler.place(place.pages, cpus.shares(vm, nodes));
    if (!isWorthIt(there.figures, before) || (best !== null && !isBetter(there.figures, best.place.figures))) continue;
    best = { move: { vm: vm.id, nodes, cpus: chosen, before, after: there.figures }, place: there };
  }
  return best;
}

/** The nodes with a share of the memory that counts, and the fewest that hold most of it. */
function memoryNodes({ pages, figures }: Place, ruler: Ruler): number[][] {
  const held = ruler.counted(pages).filter((node) => pages[node]! >= figures.pages * SHARE_THAT_COUNTS);
  const most = nodesWithMost(pages, held);
  return most.length === held.length ? [held] : [held, most];
}

/** The fewest of the nodes in `held` that hold two thirds of a VM's pages; ascending. */
export function nodesWithMost(pages: readonly number[], held: readonly number[]): number[] {
  const total = pages.reduce((all, one) => all + one, 0);
  const fullest = [...held].sort((a, b) => pages[b]! - pages[a]! || a - b);
  let sum = 0;
  const most = fullest.filter((node) => {
    const wanted = sum < total * MOST;
    sum += pages[node]!;
    return wanted;
  });
  return most.sort((a, b) => a - b);
}

function isWorthIt(now: PlaceFigures, before: PlaceFigures): boolean {
  if (!isBetter(now, before)) return false;
  return now.worst < before.worst || now.mean <= before.mean * (1 - SMALLEST_GAIN) || now.onOneNode;
}
