// Data for the components, derived from a host's data once: figures, segments of memory, rows.
import { formatList } from '../../../src/base/bitset.js';
import { PAGE_BYTES } from '../../../src/base/units.js';
import { type DomainFigures, type HostFigures, hostFigures } from '../../../src/map/figures.js';
import { type HostMap, isPlaceUnknown, type MapCpu, type MapDomain } from '../../../src/map/host-map.js';
import { acrossPages } from '../../../src/page/across.js';
import type { FailedVm } from '../../../src/page/host-runs.js';
import type { PageData } from '../../../src/page/page-data.js';
import { decodeMap } from '../../../src/page/page-map.js';
import type { Remark } from '../../../src/page/remarks.js';
import { nodeSegments, type Segment } from '../../../src/view/segments.js';

/** VMs past so many on a node are drawn as one piece. */
const SEGMENTS_MOST = 40;

export interface VmRow {
  readonly domain: MapDomain;
  readonly figures: DomainFigures;
  readonly remark: Remark | null;
  readonly memoryBytes: number;
  /** Expected to be read across nodes. */
  readonly acrossBytes: number;
  /** Both the nodes of its memory and those of its vCPUs are known. */
  readonly isKnown: boolean;
  readonly memoryNodes: string;
  readonly vcpuNodes: string;
  /** Number for sorting; Infinity when unreachable, -1 when there is none. */
  readonly distance: number;
}

export interface HostView {
  readonly map: HostMap;
  readonly figures: HostFigures;
  readonly rows: readonly VmRow[];
  /** By domid. */
  readonly rowOf: ReadonlyMap<number, VmRow>;
  /** Index = node: its CPUs, siblings side by side. */
  readonly cpus: readonly (readonly MapCpu[])[];
  /** Index = node: those with memory there, most first. */
  readonly rowsOn: readonly (readonly VmRow[])[];
  /** Index = node. */
  readonly segments: readonly (readonly Segment[])[];
  /** The longest bar, usually the memory of the largest node: all bars are to this scale. */
  readonly scaleBytes: number;
  readonly worst: readonly VmRow[];
  readonly notes: readonly string[];
  readonly failed: readonly FailedVm[];
  /** Nodes of each socket, in the order of the sockets. */
  readonly sockets: readonly { readonly name: string; readonly nodes: readonly number[] }[];
}

/** CPUs of a node, such as "0-3,8". */
export function cpuList({ cpus }: HostView, node: number): string {
  return formatList(cpus[node]!.map(({ id }) => id).sort((a, b) => a - b));
}

function vcpuNodesOf({ nodes }: HostMap, domain: MapDomain, { vcpuNodes }: DomainFigures): string {
  if (isPlaceUnknown(domain)) return 'unknown';
  return vcpuNodes.length === nodes.length ? 'all' : formatList(vcpuNodes);
}

function distanceOf(value: DomainFigures['meanDistance']): number {
  if (value === 'unreachable') return Number.POSITIVE_INFINITY;
  return value ?? -1;
}

export function viewOf({ map: encoded, remarks, notes, failed }: PageData['hosts'][number]): HostView {
  const map = decodeMap(encoded);
  const figures = hostFigures(map);
  const remarkOf = new Map(remarks.map((remark) => [remark.domid, remark]));
  const rows = map.domains.map((domain, index): VmRow => {
    const own = figures.domains[index]!;
    return {
      domain,
      figures: own,
      remark: remarkOf.get(domain.domid) ?? null,
      memoryBytes: own.totalPages * PAGE_BYTES,
      acrossBytes: acrossPages(domain, own) * PAGE_BYTES,
      isKnown: !isPlaceUnknown(domain) && domain.pagesUnknown !== true && own.totalPages > 0,
      memoryNodes: formatList(own.memoryNodes),
      vcpuNodes: vcpuNodesOf(map, domain, own),
      distance: distanceOf(own.meanDistance),
    };
  });
  const cpus = cpusByNode(map);
  const rowOf = new Map(rows.map((row) => [row.domain.domid, row]));
  const segments = map.nodes.map((_, node) => nodeSegments(map, figures, node, SEGMENTS_MOST));
  // Data may count more in a node than the node has.
  const bytes = segments.map((parts) => parts.reduce((sum, { pages }) => sum + pages, 0) * PAGE_BYTES);
  return {
    map,
    figures,
    rows,
    rowOf,
    cpus,
    rowsOn: map.nodes.map((_, node) =>
      rows.filter(({ domain }) => domain.pages[node]! > 0).sort((a, b) => b.domain.pages[node]! - a.domain.pages[node]!),
    ),
    segments,
    scaleBytes: Math.max(1, ...bytes),
    worst: remarks.flatMap(({ domid }) => rowOf.get(domid) ?? []),
    notes,
    failed,
    sockets: socketsOf(cpus),
  };
}

function cpusByNode(map: HostMap): MapCpu[][] {
  const cpus: MapCpu[][] = map.nodes.map(() => []);
  for (const cpu of map.cpus) if (cpu !== null) cpus[cpu.node]?.push(cpu);
  for (const ones of cpus) ones.sort((a, b) => a.core - b.core || a.id - b.id);
  return cpus;
}

/** A node without CPUs stands by itself: nothing says to which socket it belongs. */
function socketsOf(cpus: HostView['cpus']): HostView['sockets'] {
  const sockets = new Map<number, number[]>();
  const none: number[] = [];
  cpus.forEach((ones, node) => {
    const [first] = [...ones].sort((a, b) => a.id - b.id);
    const socket = first?.socket;
    if (socket === undefined) none.push(node);
    else sockets.set(socket, [...(sockets.get(socket) ?? []), node]);
  });
  const named = [...sockets].sort(([a], [b]) => a - b).map(([socket, nodes]) => ({ name: `Socket ${socket}`, nodes }));
  return none.length === 0 ? named : [...named, { name: 'Memory without CPUs', nodes: none }];
}
