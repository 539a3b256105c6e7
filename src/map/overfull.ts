// Figures that no host has: domains and free memory that together exceed a node. They come from
// listings of two hosts, or of two moments.
import { formatBytes, PAGE_BYTES } from '../base/units.js';
import type { HostMap } from './host-map.js';

/** Figures of one host that are read one after the other may differ by this share. */
export const TOLERANCE = 0.01;

/** A clause for each such node. */
export function overfullNodes({ nodes, domains }: Pick<HostMap, 'nodes' | 'domains'>): string[] {
  return nodes.flatMap(({ id, memoryBytes, freePages }, at) => {
    const memory = Math.floor(memoryBytes / PAGE_BYTES);
    const held = domains.reduce((sum, { pages }) => sum + (pages[at] ?? 0), 0);
    if (held + freePages <= memory * (1 + TOLERANCE)) return [];
    return [`node ${id} has ${words(memory)}, but ${words(held)} of domains and ${words(freePages)} free sum up to more`];
  });
}

const words = (pages: number) => formatBytes(pages * PAGE_BYTES);
