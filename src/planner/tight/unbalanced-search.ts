// A set whose nodes together have CPUs and memory enough, when no set holds each vCPU with its
// memory: grown from each node by the nearest that brings most of what is missing. Not exact on
// hosts that are too large to list all sets.
import type { DistanceTable } from './distance-table.js';
import { type Capacity, type Found, isCloser } from './search.js';

/** @param shares what a node has of the VM's CPUs and of its memory: 1 = all of it */
export function unbalancedSearch(
  table: DistanceTable,
  useful: Capacity,
  holds: (nodes: readonly number[]) => boolean,
  shares: (node: number) => readonly [number, number],
): Found | null {
  let best: Found | null = null;
  const nodes = [...Array(table.count).keys()].filter((node) => useful[node]! > 0);
  for (const start of nodes) {
    const set = grown(table, nodes, start, holds, shares);
    if (set === null) continue;
    const kept = set.filter((node) => !holds(set.filter((other) => other !== node)) || set.length === 1);
    const chosen = (holds(kept) ? kept : set).sort((a, b) => a - b);
    const found = { nodes: chosen, worst: table.worstOf(chosen), mean: table.meanOf(chosen) };
    if (best === null || isCloser(found, best)) {
      best = { ...found, worstAtLeast: table.levels[0]!, meanAtLeast: table.levels[0]!, exact: false };
    }
  }
  return best;
}

function grown(
  { count, mean }: DistanceTable,
  nodes: readonly number[],
  start: number,
  holds: (nodes: readonly number[]) => boolean,
  shares: (node: number) => readonly [number, number],
): number[] | null {
  const set = [start];
  let [cpus, memory] = shares(start);
  while (!holds(set)) {
    const rest = nodes.filter((node) => !set.includes(node));
    if (rest.length === 0) return null;
    const price = (node: number) => {
      const [moreCpus, moreMemory] = shares(node);
      const gain = Math.min(moreCpus, Math.max(0, 1 - cpus)) + Math.min(moreMemory, Math.max(0, 1 - memory));
      const distance = set.reduce((sum, member) => sum + mean[node * count + member]!, 0);
      return gain === 0 ? Number.POSITIVE_INFINITY : distance / gain;
    };
    const next = rest.reduce((a, b) => (price(b) < price(a) ? b : a));
    const [moreCpus, moreMemory] = shares(next);
    set.push(next);
    cpus += moreCpus;
    memory += moreMemory;
  }
  return set;
}
