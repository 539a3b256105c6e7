// Where a domain's memory and vCPUs came to lie, and what of it people do not expect.
import { formatList } from '../../base/bitset.js';
import type { FlowSink } from '../../flow/record.js';
import type { VmSpec } from '../../machine/vm.js';
import { countedNodes } from '../../map/numa-metrics.js';
import type { HostDoors } from '../api/host-doors.js';
import type { Landing } from '../api/outcome.js';

const GIB_PAGES = 262_144;
const BLOCK_PAGES = 512;

/** Pages by node, by the shortest way that the host has. */
export function pagesByNode(doors: HostDoors, domid: number): readonly number[] {
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
  const online = new Set(xc.cpupoolList().flatMap((pool) => (pool.id === ownPool ? pool.cpus : [])));
  const nodesOf = (cpus: readonly number[]) =>
    [...new Set(cpus.filter((cpu) => online.has(cpu)).map((cpu) => topology[cpu]?.node ?? -1))]
      .filter((node) => node >= 0)
      .sort((a, b) => a - b);
  const masks = Array.from({ length: vm.vcpusMax }, (_, vcpu) => xc.vcpuGetAffinity(domid, vcpu));
  const hardNodes = nodesOf([...new Set(masks.flatMap(({ hard }) => hard))]);
  const vcpus = masks.map(({ hard, soft }, vcpu) => {
    const allowed = new Set(hard);
    const effective = soft.filter((cpu) => allowed.has(cpu) && online.has(cpu));
    return { vcpu, hard: formatList(hard), soft: formatList(soft), nodes: nodesOf(effective.length > 0 ? effective : hard) };
  });
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
    if (vm.kind !== 'pv' && outsidePages >= GIB_PAGES && roomLeft.length > 0) {
      sink.surprise('gigabyte-extents', { domid, nodes: nodeAffinity, elsewhereGib: Math.floor(outsidePages / GIB_PAGES), roomLeft });
    } else if (roomLeft.includes(0)) {
      sink.surprise('dma-memory-last', { domid, nodes: outside, pages: outsidePages, freePages: freePages[0]! });
    }
    sink.surprise('memory-spilled', { domid, nodes: outside, pages: outsidePages, affinity: nodeAffinity });
  }
  if (inside.length > 1) sink.surprise('memory-alternates', { domid, nodes: inside });
}
