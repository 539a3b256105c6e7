// The table of VMs: masks over all vCPUs, node affinity, memory by node, the local share and the
// distance. Cells wrap, so that all columns fit any width.

import { formatList } from '../base/bitset.js';
import { wrapColumns } from '../base/columns.js';
import { percentOf } from '../base/phrases.js';
import { columnWidths, tableLines } from '../base/table.js';
import { formatBytes, PAGE_BYTES } from '../base/units.js';
import { type DomainFigures, formatDistance, type HostFigures } from '../map/figures.js';
import { type HostMap, isPlaceUnknown, type MapDomain } from '../map/host-map.js';
import { MaskWords } from './masks.js';
import type { Palette } from './palette.js';

const HEAD = ['VM', 'domid', 'vCPUs', 'hard', 'soft', 'nodes', 'memory', 'local', 'distance'];
/** Columns that shrink if the table is too wide, with the least width of each. */
const LEAST: Readonly<Record<number, number>> = { 0: 8, 3: 6, 4: 6, 5: 5, 6: 12 };
/** Keeps "n0 16 GiB" together when its cell wraps. */
const NO_BREAK = '\u00a0';
/** Columns of numbers, aligned on the right. */
const NUMBERS = new Set([1, 2, 7, 8]);
/** Most nodes named in the memory cell of a VM. */
const SHOWN_NODES = 8;

/** The same as a list, for a width that has no room for a table. */
export function vmList(map: HostMap, figures: HostFigures, palette: Palette, width: number, limit: number): string[] {
  const masks = new MaskWords(map);
  const chosen = choose(map, figures, limit);
  const lines = chosen.flatMap((at) => {
    const [name, ...cells] = row(map, map.domains[at]!, figures.domains[at]!, masks, palette, at);
    const words = cells.map((cell, column) => `${HEAD[column + 1]!}${NO_BREAK}${cell}`).join('; ');
    const details = wrapColumns(words, width - 2).map((line) => `  ${line.replaceAll(NO_BREAK, ' ').trimEnd()}`);
    return [...wrapColumns(name!, width).map((line) => palette.bold(line)), ...details];
  });
  return [...lines, ...leftOut(map.domains.length - chosen.length, width)];
}

/** Lines of at most `width` columns: a heading, and a row for each of the first `limit` domains. */
export function vmTable(map: HostMap, figures: HostFigures, palette: Palette, width: number, limit: number): string[] {
  const masks = new MaskWords(map);
  const chosen = choose(map, figures, limit);
  const rows = chosen.map((at) => row(map, map.domains[at]!, figures.domains[at]!, masks, palette, at));
  const widths = fittingWidths([HEAD, ...rows], width);
  const lines = [...tableRow(HEAD, widths).map((line) => palette.bold(line))];
  rows.forEach((cells, index) => {
    const remote = map.domains[chosen[index]!]!.domid !== 0 && figures.domains[chosen[index]!]!.remotePages > 0;
    lines.push(...tableRow(cells, widths).map((line) => (remote ? palette.warn(line) : line)));
  });
  return [...lines, ...leftOut(map.domains.length - chosen.length, width)];
}

function leftOut(count: number, width: number): string[] {
  if (count <= 0) return [];
  return wrapColumns(`and ${count} more domains; those with the most remote memory are shown, then the largest`, width);
}

/**
 * Positions of the domains to show: all in their order, or the most remote and the largest if there
 * are too many.
 */
export function choose(map: HostMap, figures: HostFigures, limit: number): number[] {
  const all = map.domains.map((_, index) => index);
  if (all.length <= limit) return all;
  const remote = (at: number) => (map.domains[at]!.domid === 0 ? 0 : figures.domains[at]!.remotePages);
  return all
    .sort((a, b) => remote(b) - remote(a) || figures.domains[b]!.totalPages - figures.domains[a]!.totalPages || a - b)
    .slice(0, limit);
}

/** "n0 16 GiB, n1! 3 GiB", "4 GiB each on n0-7": '!' marks remote memory. */
export function memoryWords(map: HostMap, domain: MapDomain, figures: DomainFigures): string {
  if (isAssumed(map, domain) || domain.pagesUnknown === true) return 'not known';
  const words = figures.memoryNodes.map((node) => {
    const remote = domain.domid !== 0 && figures.remoteNode[node]!;
    return `n${map.nodes[node]!.id}${remote ? '!' : ''} ${formatBytes(domain.pages[node]! * PAGE_BYTES)}`.replaceAll(' ', NO_BREAK);
  });
  if (words.length === 0) return 'none';
  const equal = figures.memoryNodes.every((node) => domain.pages[node] === domain.pages[figures.memoryNodes[0]!]);
  if (equal && words.length > 2 && (domain.domid === 0 || figures.remotePages === 0)) {
    return `${formatBytes(domain.pages[figures.memoryNodes[0]!]! * PAGE_BYTES)} each on n${formatList(figures.memoryNodes.map((node) => map.nodes[node]!.id))}`;
  }
  return words.length <= SHOWN_NODES
    ? words.join(', ')
    : `${words.slice(0, SHOWN_NODES).join(', ')}, and ${words.length - SHOWN_NODES} more nodes`;
}

function row(map: HostMap, domain: MapDomain, figures: DomainFigures, masks: MaskWords, palette: Palette, at: number): string[] {
  const letter = palette.letter(at);
  return [
    `${letter === '' ? '' : `${letter} `}${palette.name(domain.name)}`,
    String(domain.domid),
    domain.vcpus.length === 0 && domain.masksUnknown === true ? '?' : String(domain.vcpus.length),
    domain.masksUnknown === true ? '?' : masks.hard(domain),
    domain.masksUnknown === true ? '?' : masks.soft(domain),
    masks.nodes(domain),
    memoryWords(map, domain, figures),
    isAssumed(map, domain) || isPlaceUnknown(domain) ? '-' : percentOf(figures.localPages, figures.totalPages),
    isAssumed(map, domain) || isPlaceUnknown(domain) ? '-' : formatDistance(figures.meanDistance),
  ];
}

/** Domain-0 of a described host: of its memory only the sum with Xen's own is known. */
export function isAssumed({ domain0Assumed }: HostMap, { domid }: MapDomain): boolean {
  return domid === 0 && domain0Assumed === true;
}

/**
 * Widths that fit: each column is as wide as its widest cell, and the widest of the columns that
 * may shrink are cut first.
 */
function fittingWidths(rows: readonly (readonly string[])[], width: number): number[] {
  const widths = columnWidths(rows);
  let over = widths.reduce((sum, one) => sum + one, 0) + HEAD.length - 1 - width;
  for (; over > 0; over--) {
    const giving = Object.keys(LEAST)
      .map(Number)
      .filter((column) => widths[column]! > LEAST[column]!);
    if (giving.length === 0) break;
    const widest = giving.reduce((best, column) => (widths[column]! > widths[best]! ? column : best));
    widths[widest]!--;
  }
  return widths;
}

/** As many lines as the cell with the most lines. */
function tableRow(cells: readonly string[], widths: readonly number[]): string[] {
  const wrapped = cells.map((cell, column) => wrapColumns(cell, widths[column]!));
  const height = Math.max(...wrapped.map((lines) => lines.length));
  const rows = Array.from({ length: height }, (_, at) => wrapped.map((lines) => lines[at] ?? ''));
  return tableLines(rows, { widths, right: NUMBERS, gap: 1 }).map((line) => line.replaceAll(NO_BREAK, ' ').trimEnd());
}
