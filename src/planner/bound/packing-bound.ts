// How much of a set of VMs can be on one node each, at most, when a host is packed anew: no
// placement has more, whatever chose it. A node's content is a configuration (how many VMs of each
// kind); columns of a linear program are found by knapsacks (Gilmore and Gomory 1961).
//
// The bound itself needs no solver: for any prices of the kinds, whole numbers from 0 up, all
// prices together plus the best gain of each node above these prices is at least the value of any
// packing (weak duality). Every bound here is that sum, with knapsacks that are solved in whole
// numbers; the program only suggests prices.
import { Cells, type Kind, Knapsack } from './knapsack.js';
import { Master } from './master.js';

/** Rounds of prices at most; the best bound of all rounds counts. */
const ROUNDS = 200;

export interface PackedVm {
  /** What it takes of a node, from 1 up. */
  readonly size: number;
  /** What it is worth on one node: a whole number from 0 up. */
  readonly value: number;
  /** Nodes on which it may be; absent = all. */
  readonly nodes?: readonly number[];
}

export interface Packing {
  /** By node, in the unit of the sizes. */
  readonly capacity: readonly number[];
  readonly vms: readonly PackedVm[];
}

/** VMs that can be swapped. */
export interface VmKind extends Kind {
  readonly value: number;
  readonly nodes: readonly number[] | null;
}

/** Nodes that can be swapped: the same capacity, and the same kinds may be there. */
interface NodeGroup {
  readonly cells: number;
  readonly count: number;
  /** Positions of kinds. */
  readonly kinds: readonly number[];
  readonly family: string;
}

export interface Bound {
  /** No placement that puts VMs on one node each, within its capacity, is worth more than this. */
  readonly value: number;
  /**
   * The prices that prove it, by VM: with their sum, and for each node the most that any content
   * is worth above its prices, nobody gets more.
   */
  readonly prices: readonly number[];
}

/** All sums must stay below 2^53. */
export function packingBound({ capacity, vms }: Packing): Bound {
  const { kinds, kindOf } = vmKinds(vms);
  const total = kinds.reduce((sum, { count, value }) => sum + count * value, 0);
  if (kinds.length === 0 || capacity.length === 0) return { value: 0, prices: vms.map(() => 0) };
  const unit = new Cells(Math.max(...capacity), kinds);
  const groups = groupsOf(capacity, kinds, unit);
  const master = new Master([...groups.map(({ count }) => count), ...kinds.map(({ count }) => count)]);
  let best = { bound: total, prices: kinds.map(({ value }) => value) };
  for (let round = 0; round < ROUNDS; round++) {
    const rows = master.solve();
    const prices = kinds.map(({ value }, at) => Math.min(value, Math.max(0, Math.round(rows[groups.length + at]!))));
    const { bound, contents } = boundAt(prices, kinds, groups, unit);
    if (bound < best.bound) best = { bound, prices };
    // A difference of less than one is no difference between whole numbers.
    if (best.bound - master.value < 1) break;
    let isNew = false;
    contents.forEach(({ counts, gain }, at) => {
      if (gain <= rows[at]! + 1e-6 * Math.max(1, Math.abs(gain))) return;
      isNew = true;
      master.add(columnOf(at, counts, kinds, groups.length));
    });
    if (!isNew) break;
  }
  return { value: best.bound, prices: kindOf.map((kind) => best.prices[kind]!) };
}

/** The bound that some prices prove, and the contents of nodes that gain most above them. */
function boundAt(prices: readonly number[], kinds: readonly VmKind[], groups: readonly NodeGroup[], unit: Cells) {
  let bound = kinds.reduce((sum, { count }, at) => sum + count * prices[at]!, 0);
  const largest = new Map<string, number>();
  for (const { family, cells } of groups) largest.set(family, Math.max(cells, largest.get(family) ?? 0));
  const knapsacks = new Map<string, Knapsack>();
  const contents = groups.map((group) => {
    let knapsack = knapsacks.get(group.family);
    if (knapsack === undefined) {
      const gains = kinds.map(({ value }, at) => (group.kinds.includes(at) ? value - prices[at]! : 0));
      knapsack = new Knapsack(kinds, gains, unit, largest.get(group.family)!);
      knapsacks.set(group.family, knapsack);
    }
    const gain = knapsack.best(group.cells);
    bound += group.count * gain;
    return { gain, counts: knapsack.content(group.cells, kinds.length) };
  });
  return { bound, contents };
}

function columnOf(group: number, counts: readonly number[], kinds: readonly VmKind[], groups: number) {
  return {
    value: counts.reduce((sum, count, at) => sum + count * kinds[at]!.value, 0),
    entries: [[group, 1] as const, ...counts.flatMap((count, at) => (count > 0 ? [[groups + at, count] as const] : []))],
  };
}

/** The kinds, and which one each VM is of. */
export function vmKinds(vms: readonly PackedVm[]): { kinds: VmKind[]; kindOf: number[] } {
  const known = new Map<string, number>();
  const kinds: { size: number; value: number; nodes: readonly number[] | null; count: number }[] = [];
  const kindOf = vms.map(({ size, value, nodes }) => {
    const sorted = nodes === undefined ? null : [...new Set(nodes)].sort((a, b) => a - b);
    const key = `${size}/${value}/${sorted?.join() ?? 'all'}`;
    const kind = known.get(key) ?? kinds.push({ size, value, nodes: sorted, count: 0 }) - 1;
    known.set(key, kind);
    kinds[kind]!.count++;
    return kind;
  });
  return { kinds, kindOf };
}

function groupsOf(capacity: readonly number[], kinds: readonly VmKind[], unit: Cells): NodeGroup[] {
  const found = new Map<string, NodeGroup>();
  capacity.forEach((size, node) => {
    const allowed = kinds.flatMap(({ nodes }, at) => (nodes === null || nodes.includes(node) ? [at] : []));
    const family = allowed.join();
    const cells = unit.of(Math.max(0, size));
    const key = `${cells}/${family}`;
    found.set(key, { cells, kinds: allowed, family, count: (found.get(key)?.count ?? 0) + 1 });
  });
  return [...found.values()];
}
