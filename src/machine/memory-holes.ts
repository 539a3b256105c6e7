// The memory of nodes without holes: Xen reports the span of a node.
import { formatBytes, GIB, MIB } from '../base/units.js';

export interface SpannedNode {
  readonly id: number;
  /** `memsize`: the span of the node, holes included (node_spanned_pages, xen/common/sysctl.c). */
  readonly memoryBytes: number;
  /** Memory that is certainly there: free, or held by a domain. */
  readonly leastBytes: number;
}

export interface NodeMemory {
  /** By position. */
  readonly sizes: readonly number[];
  /** A sentence for the user where the holes are worth one, as their place is a guess. */
  readonly note?: string;
}

/**
 * Up to this much of a surplus is the hole for devices below 4 GiB, which is in the node that
 * begins at address 0.
 */
const DEVICE_HOLE_BYTES = 4 * GIB;
/** Every host has small holes for its firmware. They are not worth a note. */
const NOTED_HOLE_BYTES = 512 * MIB;

/**
 * The surplus of the spans over the memory of the host is subtracted from the first node if it may
 * be the hole for devices, otherwise from the node that spans the most, and never below the memory
 * that is certainly there.
 * @param totalBytes memory of the host: `total_memory` of xl info, total_pages of physinfo
 */
export function withoutHoles(nodes: readonly SpannedNode[], totalBytes: number): NodeMemory {
  const sizes = nodes.map(({ memoryBytes }) => memoryBytes);
  const hole = sizes.reduce((sum, bytes) => sum + bytes, 0) - totalBytes;
  if (!(hole > 0)) return { sizes };
  const bySize = nodes.map((_, at) => at).sort((a, b) => sizes[b]! - sizes[a]!);
  const order = hole <= DEVICE_HOLE_BYTES ? [0, ...bySize.filter((at) => at !== 0)] : bySize;
  const cut: number[] = [];
  let surplus = hole;
  for (const at of order) {
    const bytes = Math.max(0, Math.min(surplus, sizes[at]! - nodes[at]!.leastBytes));
    if (bytes > 0) cut.push(nodes[at]!.id);
    sizes[at]! -= bytes;
    surplus -= bytes;
  }
  if (hole < NOTED_HOLE_BYTES) return { sizes };
  const place = cut.sort((a, b) => a - b).join(', ');
  // xl prints whole MiB; both ways say the same.
  const [more, all] = [hole, totalBytes].map((bytes) => formatBytes(Math.floor(bytes / MIB) * MIB));
  return { sizes, note: `The nodes span ${more} more than the memory (${all}); the hole is assumed to be in node ${place}.` };
}
