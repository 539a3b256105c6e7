// A host at one moment: its nodes and CPUs, and each domain's vCPUs and memory. Plain data that
// show, compare, explain and the API read, from the embedded host and from a real one alike.

import { PAGE_BYTES } from '../base/units.js';
import { withoutHoles } from '../machine/memory-holes.js';
import type { Host } from '../machine/model.js';

export interface HostMap {
  readonly name: string;
  /** "embedded Xen 4.17", "Xen 4.17 (libxencall)". */
  readonly hypervisor: string;
  readonly nodes: readonly MapNode[];
  /** Index = CPU; null = absent. */
  readonly cpus: readonly (MapCpu | null)[];
  /** UNREACHABLE allowed. */
  readonly distances: readonly (readonly number[])[];
  /** Names of CPU pools by number, as far as they are known. */
  readonly poolNames?: Readonly<Record<number, string>>;
  /** Ascending by domid; Domain-0 included. */
  readonly domains: readonly MapDomain[];
  /**
   * The host is described, and its description does not say how much of the memory in use is
   * Domain-0's and how much Xen's. Only their sum is known.
   */
  readonly domain0Assumed?: true;
  /** It is unknown who uses some or all of the memory in use. */
  readonly usersUnknown?: true;
  /** Nodes are as large as what they span: memory that nobody has may be none. */
  readonly holesUnknown?: true;
  /** The source has no cores and sockets; the numbers in `cpus` only keep the CPUs apart. */
  readonly coresUnknown?: true;
}

export interface MapNode {
  /** Xen's number; its position in `nodes`. */
  readonly id: number;
  readonly memoryBytes: number;
  readonly freePages: number;
  readonly claimedPages: number;
}

export interface MapCpu {
  readonly id: number;
  readonly node: number;
  readonly core: number;
  readonly socket: number;
  readonly online: boolean;
  /** null = in no pool. */
  readonly pool: number | null;
  /** `core` and `socket` are placeholders: no source has those of this CPU, which is offline. */
  readonly coreUnknown?: true;
}

export interface MapDomain {
  readonly domid: number;
  readonly name: string;
  readonly kind: 'hvm' | 'pvh' | 'pv';
  readonly state: 'running' | 'blocked' | 'paused' | 'shutdown' | 'dying';
  readonly pool: number;
  readonly vcpus: readonly MapVcpu[];
  /** The raw mask; may name nodes that do not exist. */
  readonly nodeAffinity: readonly number[];
  /** null = the host does not say (a real Xen has no call for it). */
  readonly autoNodeAffinity: boolean | null;
  /** The host did not say: `nodeAffinity` is what the affinity of the vCPUs gives. */
  readonly nodeAffinityInferred?: true;
  /** The host did not say the masks of all vCPUs: those that are missing are all CPUs here. */
  readonly masksUnknown?: true;
  /** The host did not say which CPUs are online and in its pool. */
  readonly poolUnknown?: true;
  /** Index = node. */
  readonly pages: readonly number[];
  /** The host did not say where its memory is: `pages` are all 0. */
  readonly pagesUnknown?: true;
}

export interface MapVcpu {
  readonly id: number;
  readonly online: boolean;
  /** As stored: may name CPUs that are offline or in another pool. */
  readonly hard: readonly number[];
  readonly soft: readonly number[];
}

/** "Pool-node1", or the number of a pool whose name is not known. */
export function poolName({ poolNames }: Pick<HostMap, 'poolNames'>, pool: number): string {
  return poolNames?.[pool] ?? String(pool);
}

/** The nodes of a described host, on which no memory is claimed. */
/** Where its vCPUs may run is not known, and so neither what of its memory is remote. */
export function isPlaceUnknown({ masksUnknown, poolUnknown }: Pick<MapDomain, 'masksUnknown' | 'poolUnknown'>): boolean {
  return masksUnknown === true || poolUnknown === true;
}

export function unclaimedNodes({ nodes }: Pick<Host, 'nodes'>): MapNode[] {
  return nodes.map(({ memoryBytes, freeBytes }, id) => ({
    id,
    memoryBytes,
    freePages: Math.floor(freeBytes / PAGE_BYTES),
    claimedPages: 0,
  }));
}

/**
 * The nodes with the memory that is there. Xen reports what they span.
 * @param totalBytes memory of the host
 * @returns also a note where the place of the holes is a guess
 */
export function actualNodes(
  nodes: readonly MapNode[],
  domains: readonly Pick<MapDomain, 'pages'>[],
  totalBytes: number,
): { readonly nodes: MapNode[]; readonly note?: string } {
  const { sizes, note } = withoutHoles(
    nodes.map(({ id, memoryBytes, freePages }, at) => ({
      id,
      memoryBytes,
      leastBytes: domains.reduce((sum, { pages }) => sum + (pages[at] ?? 0), freePages) * PAGE_BYTES,
    })),
    totalBytes,
  );
  return { nodes: nodes.map((node, at) => ({ ...node, memoryBytes: sizes[at]! })), ...(note === undefined ? {} : { note }) };
}
