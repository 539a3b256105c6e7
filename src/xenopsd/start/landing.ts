// The nodes of a domain's memory and vCPUs after its start, with surprises about them.

import { formatList } from '../../base/bitset.js';
import { PAGES_PER_GIB } from '../../base/units.js';
import type { FlowSink } from '../../flow/record.js';
import type { VmSpec } from '../../machine/vm.js';
import { countedNodes } from '../../map/numa-metrics.js';
import type { HostDoors } from '../api/host-doors.js';
import type { Landing } from '../api/outcome.js';

const BLOCK_PAGES = 512;

/** Pages by node, by the shortest way that the host has. */
export function pagesByNode(doors: Pick<HostDoors, 'xc' | 'pagesByNode'>, domid: number): readonly number[] {
  const pages =
    doors.pagesByNode === undefined ? doors.xc.domainMemory().find((one) => one.domid === domid)?.pagesByNode : doors.pagesByNode(domid);
  return pages ?? [];
}

/**
 * Notes it all in `sink`; the calls themselves are not part of the run.
 * @param populated the run took the memory, so that where it came to lie is news; a change by hand
 *   moves none
 */
export function noteLanding(doors: HostDoors, vm: VmSpec, domid: number, sink: FlowSink, populated: boolean): Landing {
  const { xc } = doors;
  const pages = pagesByNode(doors, domid);
  const topology = xc.cpuTopology();
  const ownPool = xc.domainInfo(domid)?.cpupool;
  /** Node of each CPU of the domain's pool, -1 for others. */
  const nodeOfCpu = new Int32Array(topology.length).fill(-1);
  for (const pool of xc.cpupoolList()) {
    if (pool.id === ownPool) for (const cpu of pool.cpus) nodeOfCpu[cpu] = topology[cpu]?.node ?? -1;
  }
  const described = new MaskCache(nodeOfCpu);
  const vcpus = Array.from({ length: vm.vcpusMax }, (_, vcpu) => ({ vcpu, ...described.of(xc.vcpuGetAffinity(domid, vcpu)) }));
  const hardNodes = described.hardNodes();
  const nodeAffinity = xc.domainNodeGetAffinity(domid).filter((node) => node < pages.length);
  const { nodes: nodeInfo } = xc.numaInfo();
  const freePages = nodeInfo.map((node) => Math.floor((node.freeBytes ?? 0) / 4096));
  sink.note('landed', { domid, pages, nodeAffinity, vcpus, freePages });

  const holding = countedNodes(pages);
  if (populated) notePopulated(sink, { vm, domid, pages, holding, nodeAffinity, freePages });
  const vcpuNodes = [...new Set(vcpus.flatMap(({ nodes }) => nodes))];
  const remote = holding.filter((node) => !hardNodes.includes(node));
  if (remote.length > 0 && hardNodes.length > 0) {
    const remotePages = remote.reduce((sum, node) => sum + pages[node]!, 0);
    sink.surprise('hard-narrower-than-memory', { domid, nodes: remote, pages: remotePages, vcpuNodes });
  }
  return { pages, nodeAffinity };
}

interface MaskValues {
  readonly hard: string;
  readonly soft: string;
  /** Nodes that a vCPU with these masks may run on. */
  readonly nodes: readonly number[];
}

/** What the record says of a vCPU's masks, worked out once for each pair: most are the same. */
class MaskCache {
  readonly #nodeOfCpu: Int32Array;
  readonly #known = new Map<readonly number[], Map<readonly number[], MaskValues>>();

  constructor(nodeOfCpu: Int32Array) {
    this.#nodeOfCpu = nodeOfCpu;
  }

  of({ hard, soft }: { readonly hard: readonly number[]; readonly soft: readonly number[] }): MaskValues {
    let bySoft = this.#known.get(hard);
    if (bySoft === undefined) {
      bySoft = new Map();
      this.#known.set(hard, bySoft);
    }
    let values = bySoft.get(soft);
    if (values === undefined) {
      const allowed = new Set(hard);
      const effective = soft.filter((cpu) => allowed.has(cpu) && this.#nodeOfCpu[cpu]! >= 0);
      values = { hard: formatList(hard), soft: formatList(soft), nodes: this.#nodesOf(effective.length > 0 ? [effective] : [hard]) };
      bySoft.set(soft, values);
    }
    return values;
  }

  /** Nodes of all hard masks together. */
  hardNodes(): number[] {
    return this.#nodesOf([...this.#known.keys()]);
  }

  #nodesOf(masks: readonly (readonly number[])[]): number[] {
    const found = new Set<number>();
    for (const cpus of masks) for (const cpu of cpus) found.add(this.#nodeOfCpu[cpu] ?? -1);
    found.delete(-1);
    return [...found].sort((a, b) => a - b);
  }
}

interface Populated {
  readonly vm: VmSpec;
  readonly domid: number;
  readonly pages: readonly number[];
  /** Nodes with enough pages to count. */
  readonly holding: readonly number[];
  readonly nodeAffinity: readonly number[];
  readonly freePages: readonly number[];
}

function notePopulated(sink: FlowSink, { vm, domid, pages, holding, nodeAffinity, freePages }: Populated): void {
  const outside = holding.filter((node) => !nodeAffinity.includes(node));
  const outsidePages = outside.reduce((sum, node) => sum + pages[node]!, 0);
  const inside = holding.filter((node) => nodeAffinity.includes(node));
  const roomLeft = nodeAffinity.filter((node) => freePages[node]! > BLOCK_PAGES);
  if (outside.length > 0) {
    if (vm.kind !== 'pv' && outsidePages >= PAGES_PER_GIB && roomLeft.length > 0) {
      sink.surprise('gigabyte-extents', { domid, nodes: nodeAffinity, elsewhereGib: Math.floor(outsidePages / PAGES_PER_GIB), roomLeft });
    } else if (roomLeft.includes(0)) {
      sink.surprise('dma-memory-last', { domid, nodes: outside, pages: outsidePages, freePages: freePages[0]! });
    }
    sink.surprise('memory-spilled', { domid, nodes: outside, pages: outsidePages, affinity: nodeAffinity });
  }
  if (inside.length > 1) sink.surprise('memory-alternates', { domid, nodes: inside });
}
