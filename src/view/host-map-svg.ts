// A picture of a host as SVG: each node with its memory as a bar to scale and its CPUs as cells,
// each VM in one colour on both, remote memory hatched and outlined, then the VMs and the
// distances. No script, nothing from outside; names are escaped; light and dark by the reader's own
// setting.

import { fitColumns } from '../base/columns.js';
import { percentOf, plural } from '../base/phrases.js';
import { escapeXml } from '../base/safe-text.js';
import { formatBytes, PAGE_BYTES } from '../base/units.js';
import { formatDistance, type HostFigures, hostFigures } from '../map/figures.js';
import type { HostMap } from '../map/host-map.js';
import { vmsInDoubt } from './in-doubt.js';
import { cpusOfNodes } from './masks.js';
import { xenWords } from './segments.js';
import { cardGeometry, drawNode } from './svg-node.js';
import { type Paint, STYLE, vmPaint } from './svg-style.js';
import { drawDistances, drawVms } from './svg-tables.js';

export const SVG_WIDTH = 1240;
const MARGIN = 30;

/** The whole picture. A machine with 64 nodes, 4096 CPUs and 1,000 VMs stays below 5 MB. */
export function renderHostMapSvg(map: HostMap): string {
  const figures = hostFigures(map);
  const paint = vmPaint(map);
  const cpus = cpusOfNodes(map);
  const geometry = cardGeometry(cpus, map, SVG_WIDTH - 2 * MARGIN);
  const summary = summaryOf(map, figures);
  let y = 138;
  const parts: string[] = [];
  map.nodes.forEach((_, node) => {
    const column = node % geometry.columns;
    const row = Math.floor(node / geometry.columns);
    const x = MARGIN + column * (geometry.width + geometry.gap);
    parts.push(drawNode({ map, figures, paint, node, cpus: cpus[node]!, geometry, x, y: y + row * (geometry.height + geometry.gap) }));
  });
  y += Math.ceil(map.nodes.length / geometry.columns) * (geometry.height + geometry.gap) + 20;
  for (const draw of [drawVms, drawDistances]) {
    const { svg, height } = draw({ map, figures, paint, x: MARGIN, y, width: SVG_WIDTH - 2 * MARGIN });
    parts.push(svg);
    y += height + 26;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="xnh" viewBox="0 0 ${SVG_WIDTH} ${y}" width="${SVG_WIDTH}" height="${y}" role="img" aria-label="${escapeXml(`${map.name}. ${summary.join('. ')}`)}">`,
    `<title>${escapeXml(map.name)}</title><desc>${escapeXml(summary.join('. '))}</desc>`,
    `<style>${STYLE}</style>`,
    PATTERNS,
    `<rect class="page" width="${SVG_WIDTH}" height="${y}"/>`,
    `<text class="head" x="${MARGIN}" y="44">${escapeXml(fitColumns(map.name, 80))}</text>`,
    ...summary.map((line, index) => `<text class="sub" x="${MARGIN}" y="${66 + index * 18}">${escapeXml(fitColumns(line, 170))}</text>`),
    legend(map, paint),
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function summaryOf(map: HostMap, figures: HostFigures): [string, string] {
  const present = map.cpus.filter((cpu) => cpu !== null);
  const offline = present.filter(({ online }) => !online).length;
  const total = map.nodes.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  const free = map.nodes.reduce((sum, { freePages }) => sum + freePages, 0) * PAGE_BYTES;
  const pages = figures.localPages + figures.remotePages;
  return [
    `${plural(map.nodes.length, 'node')}, ${plural(present.length, 'CPU')}${offline > 0 ? ` (${offline} offline)` : ''}, ${formatBytes(total)} of memory, ${formatBytes(free)} free; ${map.hypervisor}`,
    vmsInDoubt(map, figures) ??
      (figures.vms === 0
        ? 'No VMs'
        : `${plural(figures.vms, 'VM')}, ${figures.vmsOnOneNode} on one node; ${percentOf(figures.localPages, pages)} of ${formatBytes(pages * PAGE_BYTES)} local; distance from vCPU to memory ${formatDistance(figures.meanDistance)} mean, ${formatDistance(figures.worstDistance)} worst`),
  ];
}

const PATTERNS = [
  '<defs>',
  '<pattern id="xnh-remote" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="hatch" width="2.6" height="7"/></pattern>',
  '<pattern id="xnh-offline" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)"><rect class="hatch-off" width="1.4" height="4"/></pattern>',
  '<pattern id="xnh-claimed" width="6" height="6" patternUnits="userSpaceOnUse"><circle class="dot" cx="3" cy="3" r="1.1"/></pattern>',
  '</defs>',
].join('');

function legend(map: HostMap, paint: Paint): string {
  const y = 116;
  const items: [string, string][] = [
    [`<rect class="vm" width="22" height="14" rx="3" fill="${paint.sample}"/>`, 'a VM'],
    [
      `<rect class="vm" width="22" height="14" rx="3" fill="${paint.sample}"/><rect class="remote" width="22" height="14" rx="3"/>`,
      '! remote memory: no vCPU of the VM prefers a CPU of that node',
    ],
    ...(map.domain0Assumed === true ? [] : [['<rect class="dom0" width="22" height="14" rx="3"/>', 'Domain-0'] as [string, string]]),
    ['<rect class="xen" width="22" height="14" rx="3"/>', xenWords(map)],
    [
      '<rect class="free" width="22" height="14" rx="3"/><rect class="claimed" width="22" height="14" rx="3"/><rect class="frame" width="22" height="14" rx="3"/>',
      'claimed',
    ],
    ['<rect class="free" width="22" height="14" rx="3"/><rect class="frame" width="22" height="14" rx="3"/>', 'free'],
    ['<rect class="cpu" width="14" height="14" rx="2.5"/>', 'CPU'],
    ['<rect class="cpu" width="14" height="14" rx="2.5"/><rect class="offline" width="14" height="14" rx="2.5"/>', 'offline'],
  ];
  let x = MARGIN;
  return items
    .map(([shape, words]) => {
      const out = `<g transform="translate(${x} ${y - 11})">${shape}<text class="small" x="28" y="11.5">${words}</text></g>`;
      x += 28 + words.length * 6.1 + 22;
      return out;
    })
    .join('');
}
