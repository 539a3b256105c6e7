// The tables below the nodes of the picture of a host: its VMs with their masks and the nodes of
// their memory, and the distances between nodes.

import { fitColumns } from '../base/columns.js';
import { percentOf } from '../base/phrases.js';
import { escapeXml } from '../base/safe-text.js';
import { formatBytes, PAGE_BYTES } from '../base/units.js';
import { UNREACHABLE } from '../machine/model.js';
import { formatDistance, type HostFigures } from '../map/figures.js';
import { type HostMap, isPlaceUnknown } from '../map/host-map.js';
import { MaskWords } from './masks.js';
import type { Paint } from './svg-style.js';
import { choose, isAssumed, memoryWords } from './vm-table.js';

/** Most rows of the table. If there are more VMs, those with the most remote memory are shown. */
const TABLE_VMS = 100;
const ROW = 22;
/** With more nodes than this, distances are colours only, with the numbers as tooltips. */
const NUMBERED_NODES = 24;

export interface TableDrawing {
  readonly map: HostMap;
  readonly figures: HostFigures;
  readonly paint: Paint;
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

interface Drawn {
  readonly svg: string;
  readonly height: number;
}

/** Left edges of the columns; numbers stand right-aligned at their edge. */
const COLUMNS = [
  { head: 'VM', x: 0, columns: 24, end: false },
  { head: 'domid', x: 238, columns: 6, end: true },
  { head: 'vCPUs', x: 290, columns: 5, end: true },
  { head: 'hard affinity', x: 310, columns: 22, end: false },
  { head: 'soft affinity', x: 476, columns: 22, end: false },
  { head: 'node affinity', x: 642, columns: 13, end: false },
  { head: 'memory by node', x: 740, columns: 33, end: false },
  { head: 'local', x: 1090, columns: 6, end: true },
  { head: 'distance', x: 1180, columns: 12, end: true },
] as const;
const BAR_X = 952;
const BAR_WIDTH = 92;

function rowOf(fill: string, texts: readonly string[], bars: string, words: string, top: number): string {
  return `<g><path class="line" d="M0 ${top} H1180"/><rect ${fill} x="2" y="${top + 4}" width="14" height="14" rx="3"/>${texts.join('')}<g><title>${escapeXml(words)}</title>${bars}</g></g>`;
}

export function drawVms({ map, figures, paint, x, y }: TableDrawing): Drawn {
  const masks = new MaskWords(map);
  const chosen = choose(map, figures, TABLE_VMS);
  const most = Math.max(1, ...chosen.map((at) => figures.domains[at]!.totalPages));
  const rows = chosen.map((at, index) => {
    const domain = map.domains[at]!;
    const numbers = figures.domains[at]!;
    const remote = domain.domid !== 0 && numbers.remotePages > 0;
    const top = 44 + index * ROW;
    const cells = [
      domain.name,
      String(domain.domid),
      domain.vcpus.length === 0 && domain.masksUnknown === true ? '?' : String(domain.vcpus.length),
      domain.masksUnknown === true ? '?' : masks.hard(domain),
      domain.masksUnknown === true ? '?' : masks.soft(domain),
      masks.nodes(domain),
      memoryWords(map, domain, numbers).replaceAll('\u00a0', ' '),
      ...(isAssumed(map, domain) || isPlaceUnknown(domain)
        ? ['-', '-']
        : [percentOf(numbers.localPages, numbers.totalPages), formatDistance(numbers.meanDistance)]),
    ];
    const texts = COLUMNS.map((column, at) => {
      const shown = fitColumns(cells[at]!, column.columns);
      const tip = shown === cells[at] ? '' : `<title>${escapeXml(cells[at]!)}</title>`;
      const tone = remote && at >= 6 ? 'small far-text' : 'small';
      return `<text class="${tone}" x="${column.x + (at === 0 ? 22 : 0)}" y="${top + 15}"${column.end ? ' text-anchor="end"' : ''}>${escapeXml(shown)}${tip}</text>`;
    });
    const fill = domain.domid === 0 ? 'class="dom0"' : `class="vm" fill="${paint.fill(at)}"`;
    const wide = (pages: number) => Math.round((BAR_WIDTH * pages * 10) / most) / 10;
    const local = domain.domid === 0 ? numbers.totalPages : numbers.localPages;
    const bars = [
      `<rect ${fill} x="${BAR_X}" y="${top + 5}" width="${wide(local)}" height="12"/>`,
      remote
        ? `<rect ${fill} x="${BAR_X + wide(local)}" y="${top + 5}" width="${wide(numbers.remotePages)}" height="12"/><rect class="remote" x="${BAR_X + wide(local)}" y="${top + 5}" width="${wide(numbers.remotePages)}" height="12"/>`
        : '',
    ].join('');
    if (isAssumed(map, domain)) return rowOf(fill, texts, '', `${domain.name}: not known`, top);
    const bytes = formatBytes(numbers.totalPages * PAGE_BYTES);
    if (isPlaceUnknown(domain)) return rowOf(fill, texts, bars, `${domain.name}: ${bytes}`, top);
    const words = `${domain.name}: ${formatBytes(local * PAGE_BYTES)} local, ${formatBytes((numbers.totalPages - local) * PAGE_BYTES)} remote`;
    return rowOf(fill, texts, bars, words, top);
  });
  const left = map.domains.length - chosen.length;
  const foot =
    left === 0
      ? ''
      : `<text class="faint" x="0" y="${44 + chosen.length * ROW + 18}">and ${left} more domains; those with the most remote memory are shown, then the largest</text>`;
  const heads = COLUMNS.map(
    ({ head, x: at, end }) => `<text class="faint" x="${at}" y="38"${end ? ' text-anchor="end"' : ''}>${head}</text>`,
  );
  return {
    svg: `<g transform="translate(${x} ${y})"><text class="title" x="0" y="14">Domains</text>${heads.join('')}${rows.join('')}${foot}</g>`,
    height: 44 + chosen.length * ROW + (left === 0 ? 0 : 24),
  };
}

export function drawDistances({ map, x, y, width }: TableDrawing): Drawn {
  const count = map.nodes.length;
  const numbered = count <= NUMBERED_NODES;
  const wide = numbered ? 38 : Math.min(11, Math.floor((width - 60) / count));
  const tall = numbered ? 22 : wide;
  const values = map.distances.flat().filter((value) => value !== UNREACHABLE);
  const [least, most] = [Math.min(10, ...values), Math.max(20, ...values)];
  const origin = 44;
  const cells = map.nodes.flatMap((from, i) =>
    map.nodes.map((to, j) => {
      const value = map.distances[i]?.[j] ?? UNREACHABLE;
      const reachable = value !== UNREACHABLE;
      const words = `node ${from.id} to node ${to.id}: ${reachable ? value : 'unreachable'}`;
      const box = `x="${origin + j * wide}" y="${origin + i * tall}" width="${wide - 1}" height="${tall - 1}"`;
      const fill = reachable ? ` fill="${heat((value - least) / (most - least))}"` : ' class="offline"';
      const text = numbered
        ? `<text class="${reachable ? 'on' : 'small'}" x="${origin + j * wide + wide / 2 - 0.5}" y="${origin + i * tall + 15}" text-anchor="middle">${distanceWord(value)}</text>`
        : '';
      return `<g><title>${words}</title><rect${fill} ${box} rx="${numbered ? 3 : 0}"/>${text}</g>`;
    }),
  );
  const every = numbered ? 1 : 8;
  const heads = map.nodes.flatMap(({ id }, i) =>
    i % every !== 0
      ? []
      : [
          `<text class="faint" x="${origin + i * wide + wide / 2}" y="${origin - 6}" text-anchor="middle">${id}</text>`,
          `<text class="faint" x="${origin - 8}" y="${origin + i * tall + tall / 2 + 4}" text-anchor="end">${id}</text>`,
        ],
  );
  return {
    svg: `<g transform="translate(${x} ${y})"><text class="title" x="0" y="14">Distances between nodes</text>${heads.join('')}${cells.join('')}</g>`,
    height: origin + count * tall,
  };
}

/** From near to far: pale green, pale yellow, orange; dark text reads on all of it. */
function heat(share: number): string {
  const stops = [
    [187, 247, 208],
    [254, 240, 138],
    [253, 164, 116],
  ] as const;
  const place = Math.max(0, Math.min(1, share)) * 2;
  const index = Math.min(1, Math.floor(place));
  const mix = stops[index]!.map((from, channel) => Math.round(from + (stops[index + 1]![channel]! - from) * (place - index)));
  return `#${mix.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
}

/** A distance in a cell of its own. */
function distanceWord(value: number): string {
  if (value === UNREACHABLE) return '\u2013';
  return value > 99_999 ? 'huge' : String(value);
}
