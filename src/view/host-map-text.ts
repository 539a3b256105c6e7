// A picture of a host for a terminal: each node with its CPUs and its memory to scale, then the
// table of VMs. Remote memory of VMs stands out by lower case and '!'.

import { padColumns, wrapColumns } from '../base/columns.js';
import { percentOf, plural } from '../base/phrases.js';
import { formatBytes, PAGE_BYTES } from '../base/units.js';
import { formatDistance, type HostFigures, hostFigures } from '../map/figures.js';
import type { HostMap, MapCpu } from '../map/host-map.js';
import { vmsInDoubt } from './in-doubt.js';
import { cpusOfNodes, describeCpus } from './masks.js';
import { Palette, type PictureOptions, packItems } from './palette.js';
import { nodeSegments, type Segment, shareCells, xenWords } from './segments.js';
import { vmList, vmTable } from './vm-table.js';

/** Machines with more nodes get two lines a node. */
const ROOMY_NODES = 16;
const ROOMY_VMS_A_NODE = 8;
const COMPACT_VMS_A_NODE = 5;
/** Columns reserved for the sizes beside a bar: "  [] 1023.9 GiB, 1023.9 GiB free". */
const SIZES_COLUMNS = 31;

export interface HostMapTextOptions extends PictureOptions {
  /**
   * Most VMs in the table. If there are more, those with the most remote memory are shown first.
   */
  readonly tableVms?: number;
}

/** The narrowest picture, in columns; a smaller width counts as this one. */
const LEAST_COLUMNS = 40;
/** A narrower picture has the sizes below a bar, and the VMs in a list instead of a table. */
const WIDE_COLUMNS = 72;

/**
 * Lines that end with a newline, none wider than `width`. Control characters in names are made
 * harmless.
 */
export function renderHostMapText(map: HostMap, options: HostMapTextOptions): string {
  const width = Math.max(LEAST_COLUMNS, options.width);
  const figures = hostFigures(map);
  const palette = new Palette(map, options);
  const compact = map.nodes.length > ROOMY_NODES;
  const cpus = cpusOfNodes(map);
  const most = Math.max(1, ...map.nodes.map(({ memoryBytes }) => memoryBytes));
  const lines = [...header(map, figures, width, palette), ''];
  map.nodes.forEach((node, index) => {
    const draw = compact ? compactNode : roomyNode;
    lines.push(...draw({ map, figures, palette, node: index, cpus: cpus[index]!, width, scale: node.memoryBytes / most }));
    if (!compact) lines.push('');
  });
  if (compact) lines.push('');
  const vms = width < WIDE_COLUMNS ? vmList : vmTable;
  lines.push(...key(map, palette, width, compact), '', ...vms(map, figures, palette, width, options.tableVms ?? 64));
  return `${lines.join('\n')}\n`;
}

const bytesOf = (pages: number) => formatBytes(pages * PAGE_BYTES);

function header(map: HostMap, figures: HostFigures, width: number, palette: Palette): string[] {
  const present = map.cpus.filter((cpu) => cpu !== null);
  const offline = present.filter(({ online }) => !online).length;
  const free = map.nodes.reduce((sum, { freePages }) => sum + freePages, 0);
  const total = map.nodes.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  const cpus = `${plural(present.length, 'CPU')}${offline > 0 ? ` (${offline} offline)` : ''}`;
  const machine = `${palette.name(map.name)}: ${plural(map.nodes.length, 'node')}, ${cpus}, ${formatBytes(total)} (${bytesOf(free)} free), ${palette.name(map.hypervisor)}`;
  const pages = figures.localPages + figures.remotePages;
  const vms =
    vmsInDoubt(map, figures) ??
    (figures.vms === 0
      ? 'no VMs'
      : `${plural(figures.vms, 'VM')}, ${figures.vmsOnOneNode} on one node; ${bytesOf(pages)}, ${percentOf(figures.localPages, pages)} local; distance ${formatDistance(figures.meanDistance)} mean, ${formatDistance(figures.worstDistance)} worst`);
  return [...wrapColumns(machine, width).map((line) => palette.bold(line)), ...wrapColumns(vms, width)];
}

interface NodePicture {
  readonly map: HostMap;
  readonly figures: HostFigures;
  readonly palette: Palette;
  readonly node: number;
  readonly cpus: readonly MapCpu[];
  readonly width: number;
  /** Its memory as a share of the largest node's. */
  readonly scale: number;
}

function roomyNode(picture: NodePicture): string[] {
  const { map, figures, palette, node, cpus, width } = picture;
  const segments = nodeSegments(map, figures, node, ROOMY_VMS_A_NODE);
  const signs = palette.signs(segments);
  const { memoryBytes, freePages } = map.nodes[node]!;
  const title = `node ${map.nodes[node]!.id}`;
  const sizes = `${formatBytes(memoryBytes)}, ${bytesOf(freePages)} free`;
  const narrow = width < WIDE_COLUMNS;
  const bar = barOf(segments, signs, palette, Math.round((width - (narrow ? 4 : SIZES_COLUMNS)) * picture.scale));
  const [first, ...rest] = wrapColumns(describeCpus(cpus, map), width - 9);
  const lines = [`${palette.bold(padColumns(title, 8))} ${first}`, ...rest.map((line) => `         ${line}`)];
  lines.push(...(narrow ? [`  ${bar}`, `  ${sizes}`] : [`  ${bar} ${sizes}`]));
  lines.push(...packItems(legendItems(picture, segments, signs), width, 2, 3));
  const running = vcpuItems(picture, segments, signs);
  if (running.length > 0) lines.push(...packItems(['vCPUs prefer it:', ...running], width, 2, 2));
  return lines;
}

function compactNode(picture: NodePicture): string[] {
  const { map, figures, palette, node, cpus, width } = picture;
  const segments = nodeSegments(map, figures, node, COMPACT_VMS_A_NODE);
  const signs = palette.signs(segments);
  const title = padColumns(`n${map.nodes[node]!.id}`, 4);
  const tail = ` ${bytesOf(map.nodes[node]!.freePages)} free of ${formatBytes(map.nodes[node]!.memoryBytes)}`;
  const narrow = width < WIDE_COLUMNS;
  const bar = barOf(segments, signs, palette, Math.round((width - 5 - (narrow ? 2 : SIZES_COLUMNS)) * picture.scale));
  // Memory that has no room for its name comes first, as a sum.
  const summed = segments.map(({ kind }) => kind === 'others');
  const legend = legendItems(picture, segments, signs, (at) => summed[at]!);
  const items = [describeCpus(cpus, map).split(', ')[0]!, ...legend, ...legendItems(picture, segments, signs, (at) => !summed[at]!)];
  const head = `${palette.bold(title)} ${bar}`;
  return [...(narrow ? [head, `    ${tail}`] : [`${head}${tail}`]), ...packItems(items, width, 5, 1)];
}

function barOf(segments: readonly Segment[], signs: readonly string[], palette: Palette, cells: number): string {
  const shares = shareCells(
    segments.map(({ pages }) => pages),
    Math.max(1, cells),
  );
  if (segments.length === 0) return '[]';
  return `[${segments.map((segment, index) => palette.paint(signs[index]!.repeat(shares[index]!), segment)).join('')}]`;
}

/**
 * "A web-1 16 GiB", "a! strayed 3 GiB", "# 37 others 20 GiB": one item for each VM, then the rest
 * of the memory.
 */
function legendItems(
  { map, palette }: NodePicture,
  segments: readonly Segment[],
  signs: readonly string[],
  want: (at: number) => boolean = () => true,
): string[] {
  return segments.flatMap((segment, index) => {
    if (segment.kind === 'free' || !want(index)) return [];
    const name = {
      dom0: 'Domain-0',
      xen: xenWords(map),
      claimed: 'claimed',
      others: `${segment.vms} other${segment.vms === 1 ? '' : 's'}`,
      vm: '',
      free: '',
    }[segment.kind];
    const words = segment.kind === 'vm' ? palette.name(map.domains[segment.domain]!.name) : name;
    return [`${palette.paint(signs[index]!, segment)}${segment.remote ? '!' : ''} ${words} ${bytesOf(segment.pages)}`];
  });
}

/**
 * VMs whose preferred nodes include this one, as "A x4". A VM without a sign on this node has its
 * name instead.
 */
function vcpuItems({ map, figures, palette, node }: NodePicture, segments: readonly Segment[], signs: readonly string[]): string[] {
  return figures.domains.flatMap((vm, domain) => {
    if (vm.vcpuNodes.length === map.nodes.length && map.nodes.length > 1) return [];
    const count = vm.vcpus.filter(({ nodes }) => nodes.includes(node)).length;
    if (count === 0) return [];
    const at = segments.findIndex((segment) => segment.domain === domain && !segment.remote);
    return [`${at < 0 ? palette.name(vm.name) : palette.paint(signs[at]!, segments[at]!)} x${count}`];
  });
}

function key(map: HostMap, palette: Palette, width: number, compact: boolean): string[] {
  const { dom0, xen, claimed, free, others, othersRemote } = palette.fixed;
  const items = [
    `${free} free`,
    `${claimed} claimed`,
    `${xen} ${xenWords(map)}`,
    ...(map.domain0Assumed === true ? [] : [`${dom0} Domain-0`]),
    `${others} other VMs (${othersRemote} remote)`,
    width < WIDE_COLUMNS ? 'a! remote memory' : 'a! remote: no vCPU of the VM prefers a CPU there',
  ];
  if (palette.perNode && map.domains.length > 1) items.push(`letters are those of each ${compact ? 'row' : 'node'}`);
  return packItems(items, width, 0, width < WIDE_COLUMNS ? 7 : 4);
}
