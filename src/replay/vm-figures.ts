// The distance of one VM's memory from its vCPUs.
import { holdingNodes, nodeCounts } from '../map/numa-metrics.js';
import type { NodeAffinity } from './fleet/extents.js';
import type { HostType } from './fleet/host-type.js';
import type { LightVm } from './fleet/light-fleet.js';

/** Distances above count as this much: what a SLIT writes for "unreachable". */
const MOST_DISTANCE = 255;

export interface VmFigures {
  readonly pages: number;
  /** vCPUs and memory are on one and the same node; nodes with 16 MiB or less do not count. */
  readonly onOneNode: boolean;
  /** Pages that a vCPU finds on another node than its own, on average. */
  readonly remotePages: number;
  /** Pages times their mean distance. */
  readonly distancePages: number;
}

/** vCPUs with one node affinity: they run on any of its CPUs for an equal share of the time. */
export interface Reach {
  /** Share of the time on each node. */
  readonly time: Float64Array;
  /** Mean distance to each node's memory. */
  readonly distance: Float64Array;
}

export class VmMeter {
  readonly #type: HostType;
  readonly #reach = new Map<NodeAffinity, Reach>();

  constructor(type: HostType) {
    this.#type = type;
  }

  reachOf(affinity: NodeAffinity): Reach {
    let reach = this.#reach.get(affinity);
    if (reach === undefined) {
      const { cpus, nodes, planner } = this.#type;
      const all = affinity.nodes.reduce((sum, node) => sum + cpus[node]!, 0);
      const time = new Float64Array(nodes);
      const distance = new Float64Array(nodes);
      for (const from of affinity.nodes) {
        time[from] = cpus[from]! / all;
        for (let to = 0; to < nodes; to++) distance[to]! += time[from]! * Math.min(MOST_DISTANCE, planner.distances[from]![to]!);
      }
      reach = { time, distance };
      this.#reach.set(affinity, reach);
    }
    return reach;
  }

  measure({ affinity, pages: byNode }: LightVm): VmFigures {
    const { time, distance } = this.reachOf(affinity);
    let [pages, local, distancePages, counted, node] = [0, 0, 0, 0, -1];
    for (let at = 0; at < byNode.length; at++) {
      const here = byNode[at]!;
      pages += here;
      local += here * time[at]!;
      distancePages += here * distance[at]!;
      if (!nodeCounts(here)) continue;
      counted++;
      node = at;
    }
    // A guest of few MiB has no node that counts.
    const holding = counted === 0 ? holdingNodes([...byNode]) : [node];
    const onOneNode = counted < 2 && holding.length === 1 && affinity.nodes.length === 1 && affinity.nodes[0] === holding[0];
    return { pages, onOneNode, remotePages: pages - local, distancePages };
  }
}
