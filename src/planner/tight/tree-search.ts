// Exact search on hosts whose distances form a hierarchy (an ultrametric table: sockets of dies of
// nodes), of any size up to 64 nodes. A set's distances then depend only on how many of its nodes
// lie below each branch, which dynamic programming counts out.
import type { DistanceTable } from './distance-table.js';
import { type Capacity, type Found, isCloser } from './search.js';

/**
 * Nodes that are at most `level` from each other, divided into branches that are exactly `level`
 * apart; a single node has none.
 */
interface Cluster {
  readonly level: number;
  readonly nodes: readonly number[];
  readonly branches: readonly Cluster[];
}

/** A choice of nodes below a cluster: what its pairs sum up to, and what it can hold. */
interface Choice {
  readonly sum: number;
  readonly room: number;
  readonly parts: readonly Choice[];
  readonly node: number;
}

/**
 * By number of nodes: the choices that no other of that number beats in both sum and room, by
 * rising sum and rising room.
 */
type Fronts = readonly (readonly Choice[])[];

export class TreeSearch {
  readonly #table: DistanceTable;
  readonly #root: Cluster;

  private constructor(table: DistanceTable, root: Cluster) {
    this.#table = table;
    this.#root = root;
  }

  /** null when the distances are no hierarchy. */
  static of(table: DistanceTable): TreeSearch | null {
    return isHierarchy(table) ? new TreeSearch(table, clusterOf(table, [...Array(table.count).keys()])) : null;
  }

  /**
   * The best set of each cluster that can have one, all of the smallest worst distance; empty when
   * no set has room.
   */
  best(capacity: Capacity, vcpus: number): Found[] {
    const clusters = tightest(this.#root, capacity, vcpus);
    const found = clusters.flatMap((cluster) => {
      const choice = bestChoice(cluster, capacity, vcpus);
      return choice === null ? [] : [this.#found(choice)];
    });
    return found.filter((one) => !found.some((other) => isCloser(other, one)));
  }

  #found(choice: Choice): Found {
    const nodes = nodesOf(choice).sort((a, b) => a - b);
    const [worst, mean] = [this.#table.worstOf(nodes), this.#table.meanOf(nodes)];
    return { nodes, worst, mean, worstAtLeast: worst, meanAtLeast: mean, exact: true };
  }
}

/**
 * Symmetric, no node farther from itself than from others, and of three distances the two largest
 * are equal.
 */
function isHierarchy({ count, worst, mean }: DistanceTable): boolean {
  for (let a = 0; a < count; a++) {
    for (let b = 0; b < count; b++) {
      const ab = worst[a * count + b]!;
      if (mean[a * count + b] !== ab || ab < worst[a * count + a]! || worst[a * count + a] !== worst[0]) return false;
      for (let c = 0; c < count; c++) if (ab > Math.max(worst[a * count + c]!, worst[c * count + b]!)) return false;
    }
  }
  return true;
}

function clusterOf(table: DistanceTable, nodes: readonly number[]): Cluster {
  const level = table.worstOf(nodes);
  if (nodes.length === 1) return { level, nodes, branches: [] };
  const branches: number[][] = [];
  for (const node of nodes) {
    const near = branches.find(([first]) => table.worst[first! * table.count + node]! < level);
    if (near === undefined) branches.push([node]);
    else near.push(node);
  }
  return { level, nodes, branches: branches.map((branch) => clusterOf(table, branch)) };
}

/** The clusters of the lowest level that hold the VM: no set reaches a lower worst distance. */
function tightest(root: Cluster, capacity: Capacity, vcpus: number): Cluster[] {
  let best: Cluster[] = [];
  const visit = (cluster: Cluster): void => {
    const room = cluster.nodes.reduce((sum, node) => sum + capacity[node]!, 0);
    if (room < vcpus) return;
    const lowest = best[0]?.level ?? Number.POSITIVE_INFINITY;
    if (cluster.level < lowest) best = [cluster];
    else if (cluster.level === lowest) best.push(cluster);
    cluster.branches.forEach(visit);
  };
  visit(root);
  return best;
}

/** The choice of the smallest mean that holds the VM. */
function bestChoice(cluster: Cluster, capacity: Capacity, vcpus: number): Choice | null {
  if (cluster.branches.length === 0) return leafChoice(cluster, capacity, vcpus);
  const last = cluster.branches.length - 1;
  let fronts = frontsOf(cluster.branches[0]!, capacity, vcpus);
  for (const branch of cluster.branches.slice(1, last)) fronts = join(fronts, frontsOf(branch, capacity, vcpus), cluster.level, vcpus);
  // The last join needs only the cheapest choice with room, which two pointers over the fronts
  // find.
  const others = frontsOf(cluster.branches[last]!, capacity, vcpus);
  let best: Choice | null = null;
  let bestMean = Number.POSITIVE_INFINITY;
  fronts.forEach((mine, count) => {
    others.forEach((theirs, more) => {
      const size = count + more;
      if (size === 0) return;
      let right = theirs.length - 1;
      for (const choice of mine) {
        while (right > 0 && theirs[right - 1]!.room + choice.room >= vcpus) right--;
        const other = theirs[right];
        if (other === undefined || choice.room + other.room < vcpus) continue;
        const sum = choice.sum + other.sum + 2 * cluster.level * count * more;
        const mean = sum / (size * size);
        if (mean >= bestMean) continue;
        bestMean = mean;
        best = { sum, room: choice.room + other.room, parts: [choice, other], node: -1 };
      }
    });
  });
  return best;
}

const NOTHING: Choice = { sum: 0, room: 0, parts: [], node: -1 };

function leafChoice({ nodes, level }: Cluster, capacity: Capacity, vcpus: number): Choice | null {
  const node = nodes[0]!;
  return capacity[node]! > 0 ? { sum: level, room: Math.min(vcpus, capacity[node]!), parts: [], node } : null;
}

function frontsOf(cluster: Cluster, capacity: Capacity, vcpus: number): Fronts {
  if (cluster.branches.length === 0) {
    const choice = leafChoice(cluster, capacity, vcpus);
    return choice === null ? [[NOTHING]] : [[NOTHING], [choice]];
  }
  let fronts: Fronts = [[NOTHING]];
  for (const branch of cluster.branches) fronts = join(fronts, frontsOf(branch, capacity, vcpus), cluster.level, vcpus);
  return fronts;
}

/** All choices of nodes from both, which lie `distance` apart, less those that another beats. */
function join(left: Fronts, right: Fronts, distance: number, vcpus: number): Fronts {
  const size = left.length + right.length - 1;
  return Array.from({ length: size }, (_, count) => {
    // By sum: the choice with the most room. Many pairs have equal sums, so that few choices are
    // made in vain.
    const bySum = new Map<number, Choice>();
    for (let mine = Math.max(0, count - right.length + 1); mine < left.length && mine <= count; mine++) {
      const between = 2 * distance * mine * (count - mine);
      for (const a of left[mine]!) {
        for (const b of right[count - mine]!) {
          const sum = a.sum + b.sum + between;
          const room = Math.min(vcpus, a.room + b.room);
          const known = bySum.get(sum);
          if (known === undefined || room > known.room) bySum.set(sum, { sum, room, parts: [a, b], node: -1 });
          // All further choices of the right have larger sums, and no more room counts.
          if (room === vcpus) break;
        }
      }
    }
    return unbeaten([...bySum.values()]);
  });
}

function unbeaten(choices: Choice[]): Choice[] {
  choices.sort((a, b) => a.sum - b.sum);
  const kept: Choice[] = [];
  for (const choice of choices) if (kept.length === 0 || choice.room > kept.at(-1)!.room) kept.push(choice);
  return kept;
}

function nodesOf(choice: Choice): number[] {
  return choice.node >= 0 ? [choice.node] : choice.parts.flatMap(nodesOf);
}
