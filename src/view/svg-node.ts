// One node of the picture of a host: its memory as a stacked bar, its CPUs by core, the VMs whose
// vCPUs prefer it.
import { fitColumns } from '../base/columns.js';
import { escapeXml } from '../base/safe-text.js';
import { formatBytes, PAGE_BYTES } from '../base/units.js';
import type { HostFigures } from '../map/figures.js';
import type { HostMap, MapCpu } from '../map/host-map.js';
import { describeCpus } from './masks.js';
import { nodeSegments, type Segment, xenWords } from './segments.js';
import type { Paint } from './svg-style.js';

/** Most VMs that a bar shows one by one. */
const BAR_VMS = 24;
/** Most VMs named under the CPUs. */
const NAMED_VMS = 6;
/** Most entries of remote memory named under them. */
const NAMED_REMOTE = 2;
/** Sizes of a cell. The largest that keeps the CPUs of every node within CELLS_ROOM is used. */
const CELL_SIZES = [22, 18, 14, 11, 9, 7] as const;
const CELLS_ROOM = 96;
/** Most colours in one CPU's cell. Further VMs that prefer it share a last, grey part. */
const CELL_VMS = 3;
const PAD = 14;
const HEAD_HEIGHT = 52;
const CHIP_HEIGHT = 17;

export interface CardGeometry {
  readonly columns: number;
  readonly gap: number;
  readonly width: number;
  readonly height: number;
  readonly barWidth: number;
  /** Height of the bar of the largest node. */
  readonly barHeight: number;
  readonly cell: number;
  readonly cellsHeight: number;
}

/** One size for all cards: that of the node with the most CPUs. */
export function cardGeometry(cpus: readonly (readonly MapCpu[])[], map: HostMap, room: number): CardGeometry {
  const gap = 16;
  const columns = Math.min(4, Math.max(1, map.nodes.length));
  const width = (room - (columns - 1) * gap) / columns;
  const barWidth = Math.min(240, Math.round(width * 0.44));
  const cellsWidth = width - 3 * PAD - barWidth;
  const heightOf = (size: number) => Math.max(0, ...cpus.map((list) => cellPlaces(list, size, cellsWidth).height));
  const cell = CELL_SIZES.find((size) => heightOf(size) <= CELLS_ROOM) ?? CELL_SIZES.at(-1)!;
  const cellsHeight = heightOf(cell);
  const barHeight = Math.max(map.nodes.length > 16 ? 170 : 220, cellsHeight + 22 + (NAMED_VMS + NAMED_REMOTE) * CHIP_HEIGHT + 8);
  return { columns, gap, width, height: HEAD_HEIGHT + barHeight + PAD, barWidth, barHeight, cell, cellsHeight };
}

interface CellPlaces {
  readonly places: readonly { readonly cpu: MapCpu; readonly x: number; readonly y: number }[];
  readonly cores: readonly { readonly x: number; readonly y: number; readonly width: number }[];
  readonly height: number;
}

/**
 * Cores from left to right, the threads of a core side by side; a core is never broken unless it is
 * wider than a row.
 */
function cellPlaces(cpus: readonly MapCpu[], cell: number, width: number): CellPlaces {
  const byCore = new Map<string, MapCpu[]>();
  for (const cpu of cpus) {
    const key = `${cpu.socket}/${cpu.core}`;
    const known = byCore.get(key);
    if (known === undefined) byCore.set(key, [cpu]);
    else known.push(cpu);
  }
  const places: { cpu: MapCpu; x: number; y: number }[] = [];
  const cores: { x: number; y: number; width: number }[] = [];
  const space = Math.max(2, Math.round(cell / 3));
  let x = 0;
  let y = 0;
  for (const threads of byCore.values()) {
    if (x > 0 && x + threads.length * cell > width) {
      x = 0;
      y += cell + space;
    }
    const start = x;
    for (const cpu of threads) {
      if (x > 0 && x + cell > width) {
        x = 0;
        y += cell + space;
      }
      places.push({ cpu, x, y });
      x += cell;
    }
    if (threads.length > 1 && x - start === threads.length * cell) cores.push({ x: start, y, width: x - start });
    x += space;
  }
  return { places, cores, height: cpus.length === 0 ? 0 : y + cell };
}

export interface NodeDrawing {
  readonly map: HostMap;
  readonly figures: HostFigures;
  readonly paint: Paint;
  readonly node: number;
  readonly cpus: readonly MapCpu[];
  readonly geometry: CardGeometry;
  readonly x: number;
  readonly y: number;
}

const at = (value: number) => Math.round(value * 10) / 10;

export function drawNode(drawing: NodeDrawing): string {
  const { map, node, geometry, x, y, cpus } = drawing;
  const { id, memoryBytes, freePages } = map.nodes[node]!;
  const sizes = `${formatBytes(memoryBytes)}, ${formatBytes(freePages * PAGE_BYTES)} free`;
  return [
    `<g transform="translate(${at(x)} ${at(y)})"><rect class="card" width="${at(geometry.width)}" height="${geometry.height}" rx="10"/>`,
    `<text class="title" x="${PAD}" y="24">Node ${id}</text>`,
    `<text class="faint" x="${PAD}" y="41">${escapeXml(sizes)}</text>`,
    `<text class="faint" x="${at(geometry.width - PAD)}" y="24" text-anchor="end">${escapeXml(fitColumns(describeCpus(cpus, map).split(', ')[0]!, 26))}<title>${escapeXml(describeCpus(cpus, map))}</title></text>`,
    drawBar(drawing),
    drawCpus(drawing),
    '</g>',
  ].join('');
}

function drawBar({ map, figures, paint, node, geometry }: NodeDrawing): string {
  const segments = nodeSegments(map, figures, node, BAR_VMS);
  const total = segments.reduce((sum, { pages }) => sum + pages, 0);
  const most = Math.max(1, ...map.nodes.map(({ memoryBytes }) => memoryBytes));
  const height = total === 0 ? 0 : Math.max(4, (geometry.barHeight * map.nodes[node]!.memoryBytes) / most);
  const { barWidth } = geometry;
  const bottom = HEAD_HEIGHT + geometry.barHeight;
  let y = bottom;
  // From the bottom up: free memory is on top, as in a glass.
  const parts = segments.map((segment) => {
    const tall = (height * segment.pages) / total;
    y -= tall;
    return drawSegment(map, paint, segment, y, tall, barWidth);
  });
  const frame =
    height === 0 ? '' : `<rect class="frame" x="${PAD}" y="${at(bottom - height)}" width="${barWidth}" height="${at(height)}"/>`;
  return `${parts.join('')}${frame}`;
}

const SEGMENT_CLASS: Readonly<Record<Segment['kind'], string>> = {
  dom0: 'dom0',
  vm: 'vm',
  others: 'other',
  xen: 'xen',
  claimed: 'free',
  free: 'free',
};

function drawSegment(map: HostMap, paint: Paint, segment: Segment, y: number, height: number, width: number): string {
  const size = formatBytes(segment.pages * PAGE_BYTES);
  const name = {
    dom0: 'Domain-0',
    vm: segment.domain < 0 ? '' : map.domains[segment.domain]!.name,
    others: `${segment.vms} other VM${segment.vms === 1 ? '' : 's'}`,
    xen: xenWords(map),
    claimed: 'claimed',
    free: 'free',
  }[segment.kind];
  const box = `x="${PAD}" y="${at(y)}" width="${width}" height="${at(height)}"`;
  const inset = Math.min(2, height / 3);
  let overlay = segment.kind === 'claimed' ? `<rect class="claimed" ${box}/>` : '';
  if (segment.remote) {
    overlay = `<rect class="remote${height < 8 ? ' thin' : ''}" x="${PAD + 1}" y="${at(y + inset / 2)}" width="${width - 2}" height="${at(Math.max(0.5, height - inset))}"/>`;
  }
  const fill = segment.kind === 'vm' ? ` fill="${paint.fill(segment.domain)}"` : '';
  return `<g><title>${escapeXml(`${name}: ${size}${segment.remote ? ', remote' : ''}`)}</title><rect class="${SEGMENT_CLASS[segment.kind]}" ${box}${fill}/>${overlay}${segmentText(segment, name, size, y, height, width)}</g>`;
}

function toneOf({ kind, remote }: Segment): string {
  if (kind === 'free' || kind === 'claimed') return 'small';
  return remote ? 'on far' : 'on';
}

/**
 * Name and size, if the segment is tall enough. Remote segments have a plate behind the text, so
 * that the hatching does not cross it.
 */
function segmentText(segment: Segment, name: string, size: string, y: number, height: number, width: number): string {
  if (height < 12.5 || segment.kind === 'xen') return '';
  const middle = at(y + height / 2 + 3.8);
  const columns = Math.floor((width - 12) / 6.6);
  const named = fitColumns(`${segment.remote ? '! ' : ''}${name}`, Math.max(4, columns - size.length - 1));
  const tone = toneOf(segment);
  const plain = segment.kind === 'claimed' ? 'plate-free' : 'plate';
  const plate =
    segment.remote || segment.kind === 'claimed'
      ? `<rect class="${plain}" x="${PAD + 4}" y="${at(middle - 9.8)}" width="${width - 8}" height="12" rx="3"/>`
      : '';
  const text = `<text class="${tone}" x="${PAD + 7}" y="${middle}">${escapeXml(named)}</text><text class="${tone}" x="${PAD + width - 7}" y="${middle}" text-anchor="end">${escapeXml(size)}</text>`;
  return plate + text;
}

function drawCpus({ map, figures, paint, node, cpus, geometry }: NodeDrawing): string {
  const left = 2 * PAD + geometry.barWidth;
  const room = geometry.width - left - PAD;
  const { cell } = geometry;
  const { places, cores } = cellPlaces(cpus, cell, room);
  // VMs that prefer this node; the largest first.
  const here = figures.domains
    .map((vm, domain) => ({ vm, domain, vcpus: vm.vcpus.filter(({ nodes }) => nodes.includes(node)) }))
    .filter(({ vm, vcpus }) => vcpus.length > 0 && (vm.vcpuNodes.length < map.nodes.length || map.nodes.length === 1))
    .sort((a, b) => b.vcpus.length - a.vcpus.length || a.domain - b.domain);
  const users = new Map<number, number[]>();
  for (const { domain, vcpus } of here) {
    const seen = new Set<number>();
    const masks = new Set(vcpus.map(({ preferred }) => preferred));
    for (const mask of masks) for (const cpu of mask) if (map.cpus[cpu]?.node === node) seen.add(cpu);
    for (const cpu of seen) {
      const known = users.get(cpu);
      if (known === undefined) users.set(cpu, [domain]);
      else known.push(domain);
    }
  }
  const cells = places.map(({ cpu, x, y }) => drawCell(map, paint, cpu, users.get(cpu.id) ?? [], x, y, cell));
  const outlines = cores.map(
    ({ x, y, width }) => `<rect class="core" x="${x - 0.5}" y="${y - 0.5}" width="${width}" height="${cell}" rx="2"/>`,
  );
  const none = cpus.length === 0 ? '<text class="faint" y="10">no CPUs: memory only</text>' : '';
  return `<g transform="translate(${left} ${HEAD_HEIGHT})">${none}${cells.join('')}${outlines.join('')}${chips(here, paint, geometry.cellsHeight + 18, room, map)}${remoteWords(map, figures, node, geometry.cellsHeight + 18 + (Math.min(here.length, NAMED_VMS) + 0.3) * CHIP_HEIGHT, room)}</g>`;
}

function drawCell(map: HostMap, paint: Paint, cpu: MapCpu, users: readonly number[], x: number, y: number, cell: number): string {
  const size = cell - 1;
  const shown = users.length > CELL_VMS + 1 ? users.slice(0, CELL_VMS) : users;
  const parts = shown.length + (shown.length < users.length ? 1 : 0);
  const tall = size / Math.max(1, parts);
  const fills = [...shown.map((domain) => ` fill="${paint.fill(domain)}"`), ...(parts > shown.length ? [' class="more"'] : [])];
  const colored = fills
    .map((fill, index) => `<rect${fill} x="${x}" y="${at(y + index * tall)}" width="${size}" height="${at(tall)}"/>`)
    .join('');
  const box = `x="${x}" y="${y}" width="${size}" height="${size}"`;
  const base = cpu.online && parts > 0 ? colored : `<rect class="${cpu.pool === null ? 'nopool' : 'cpu'}" ${box} rx="1.5"/>`;
  const names = shown.map((domain) => map.domains[domain]!.name).join(', ');
  const more = users.length > shown.length ? ` and ${users.length - shown.length} more` : '';
  let pool = cpu.pool === null ? ', no pool' : `, pool ${cpu.pool}`;
  if (cpu.pool === 0) pool = '';
  const words = `CPU ${cpu.id}${map.coresUnknown === true || cpu.coreUnknown === true ? '' : `, core ${cpu.core}, socket ${cpu.socket}`}${cpu.online ? '' : ', offline'}${pool}${names === '' ? '' : `: ${names}${more}`}`;
  return `<g><title>${escapeXml(words)}</title>${base}${cpu.online ? '' : `<rect class="offline" ${box}/>`}</g>`;
}

function chips(
  here: readonly { domain: number; vcpus: readonly unknown[] }[],
  paint: Paint,
  top: number,
  room: number,
  map: HostMap,
): string {
  const shown = here.length > NAMED_VMS ? here.slice(0, NAMED_VMS - 1) : here;
  const rows = shown.map(({ domain, vcpus }, index) => {
    const y = top + index * CHIP_HEIGHT;
    const count = `\u00d7${vcpus.length}`;
    const name = fitColumns(map.domains[domain]!.name, Math.max(4, Math.floor((room - 22) / 6.4) - count.length - 1));
    const fill = map.domains[domain]!.domid === 0 ? 'class="dom0"' : `class="vm" fill="${paint.fill(domain)}"`;
    return `<rect ${fill} x="0" y="${y - 10}" width="12" height="12" rx="3"/><text class="small" x="18" y="${y}">${escapeXml(name)} <tspan class="strong">${count}</tspan></text>`;
  });
  if (here.length > shown.length) {
    const vcpus = here.slice(shown.length).reduce((sum, one) => sum + one.vcpus.length, 0);
    rows.push(
      `<text class="faint" x="18" y="${top + shown.length * CHIP_HEIGHT}">${here.length - shown.length} more VMs \u00d7${vcpus}</text>`,
    );
  }
  if (here.length > 0) rows.push(`<title>vCPUs that prefer this node</title>`);
  return `<g>${rows.reverse().join('')}</g>`;
}

/** "! desktop 4 GiB remote": the text that has no room in a thin segment. */
function remoteWords(map: HostMap, figures: HostFigures, node: number, top: number, room: number): string {
  const remote = nodeSegments(map, figures, node, map.domains.length).filter((segment) => segment.remote);
  const shown = remote.length > NAMED_REMOTE ? remote.slice(0, NAMED_REMOTE - 1) : remote;
  const lines = shown.map(({ domain, pages }) => {
    const size = formatBytes(pages * PAGE_BYTES);
    const name = fitColumns(map.domains[domain]!.name, Math.max(4, Math.floor(room / 6.4) - size.length - 4));
    return `! ${name} ${size}`;
  });
  if (remote.length > shown.length) {
    const pages = remote.slice(shown.length).reduce((sum, segment) => sum + segment.pages, 0);
    lines.push(`! ${remote.length - shown.length} more ${formatBytes(pages * PAGE_BYTES)}`);
  }
  const words = lines.map((line, index) => `<text class="small far-text" y="${at(top + index * CHIP_HEIGHT)}">${escapeXml(line)}</text>`);
  return words.length === 0 ? '' : `<g><title>remote memory on this node</title>${words.join('')}</g>`;
}
