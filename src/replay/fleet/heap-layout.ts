// Where the memory of one host lies, for all hosts of its kind: the free frames of each node, as
// the embedded Xen boots it.
import { InputError } from '../../base/errors.js';
import { TIB } from '../../base/units.js';
import { bitsToZone, dmaBitsOf, type XenMachine } from '../../xen/state/machine.js';

export interface NodeLayout {
  /** Frames that are free for guests: [start, end) each, ascending. */
  readonly freeRanges: readonly (readonly [number, number])[];
}

export interface HeapLayout {
  readonly nodes: readonly NodeLayout[];
  /** Zones up to this one are left alone in the first pass; 0 = there is only one pass. */
  readonly dmaZone: number;
}

/** Frames are signed 32-bit numbers here. */
const MOST_FRAMES = 2 ** 31 - 1;

/** @throws InputError for a host with more memory than the model can number */
export function heapLayout(machine: XenMachine): HeapLayout {
  const end = machine.nodes.reduce((most, node) => Math.max(most, node.endMfn), 0);
  if (end > MOST_FRAMES) throw new InputError(`a host of a fleet has at most ${2 ** 43 / TIB} TiB of memory`, { path: 'nodes' });
  const nodes = machine.nodes.map(({ endMfn, freePages, freeRanges }): NodeLayout => {
    const ranges = freeRanges ?? [[endMfn - freePages, endMfn] as const];
    return { freeRanges: ranges.filter(([start, stop]) => stop > start) };
  });
  const dmaBits = dmaBitsOf(machine);
  return { nodes, dmaZone: dmaBits === 0 ? 0 : bitsToZone(dmaBits) };
}
