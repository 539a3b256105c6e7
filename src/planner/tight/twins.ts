// On hosts with more nodes than all sets can be listed of, a search knows one set of the smallest
// distances. Twins, nodes that can take each other's place in any set without changing a distance,
// make others of it that are as near: this finds those that steps 3 to 5 of the order prefer.
import type { DistanceTable } from './distance-table.js';
import type { Capacity } from './search.js';

/**
 * @param nodes of a set that can hold the VM
 * @param least what the set must hold at least, of `capacity`
 * @param prefers negative where the first of two nodes is preferred
 * @returns as many nodes, ascending; `nodes` themselves where no twin is preferred
 */
export function withPreferredTwins(
  nodes: readonly number[],
  { twinClass }: DistanceTable,
  { capacity, least }: { readonly capacity: Capacity; readonly least: number },
  prefers: (a: number, b: number) => number,
): readonly number[] {
  const set = new Set(nodes);
  let room = 0;
  for (const node of nodes) room += capacity[node]!;
  const outside = [...twinClass.keys()].filter((node) => !set.has(node) && capacity[node]! > 0).sort(prefers);
  for (const node of outside) {
    const twins = [...set].filter((member) => twinClass[member] === twinClass[node]).sort(prefers);
    const worse = twins.findLast((twin) => prefers(node, twin) < 0 && room - capacity[twin]! + capacity[node]! >= least);
    if (worse === undefined) continue;
    set.delete(worse);
    set.add(node);
    room += capacity[node]! - capacity[worse]!;
  }
  return [...set].sort((a, b) => a - b);
}
