// The chart as an SVG: boxes, decisions as hexagons, source links and, with a record, the path
// taken with its values and counts. No script, no external reference but the links; light and dark
// by the reader's own setting.

import { fitColumns } from '../../base/columns.js';
import { escapeXml, harmless } from '../../base/safe-text.js';
import { EDGES, NODES, type NodeId, SUBGRAPHS } from '../chart.js';
import { edgeText, foldRepeats, formatValues, type ShownEntry, type Tally, tally } from '../path.js';
import type { FlowRecord } from '../record.js';
import { SURPRISES } from '../surprises.js';
import { DECISION_SLANT, EDGE_ROUTES, edgeLabelSize, NODE_PLACES, PANEL, PICTURE, type Route, SUBGRAPH_BOXES } from './layout.js';
import { fitWidth, wrapWidth } from './text-width.js';

/** Sizes in pixels, as in STYLE. */
const FONT = { head: 22, label: 11.6, panel: 12 } as const;
/** A column of the values' font, which is monospaced at 10 pixels. */
const VALUE_COLUMN = 6.03;

/** SVG of the chart; `record` null = the chart alone. */
export function renderFlowSvg(record: FlowRecord | null): string {
  const taken = record === null ? null : tally(record);
  const title = record === null ? 'How a VM gets its vCPU affinity and its node affinity' : record.title;
  const { width, height } = PICTURE;
  const summary =
    taken === null
      ? 'Flowchart from xenopsd through xenguest and libxenctrl to Xen: 21 steps, 28 edges.'
      : `Flowchart of one run: ${taken.nodes.size} of 21 steps visited, ${taken.edges.size} of 28 edges taken.`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="xnf" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeXml(`${title}. ${summary}`)}">`,
    `<title>${escapeXml(title)}</title><desc>${escapeXml(summary)}</desc>`,
    `<style>${STYLE}</style>`,
    `<defs>${['plain', 'usual', 'off', 'taken'].map(marker).join('')}</defs>`,
    `<rect class="page" width="${width}" height="${height}"/>`,
    `<text class="head" x="42" y="44">${escapeXml(fitWidth(harmless(title), width - 84, FONT.head, 'bold'))}</text>`,
    `<text class="sub" x="42" y="66">${escapeXml(summary)}</text>`,
    ...SUBGRAPHS.map(({ id, label }) => subgraph(id, label)),
    ...panel(record, taken),
    // Taken edges last, so that nothing covers them.
    ...[...EDGES].sort((a, b) => Number(taken?.edges.has(a.id)) - Number(taken?.edges.has(b.id))).map((edge) => edgeLine(edge, taken)),
    ...NODES.map((node) => nodeShape(node, taken)),
    ...EDGES.map((edge) => edgeLabel(edge, taken)),
    ...legend(taken !== null),
    '</svg>',
    '',
  ].join('\n');
}

function marker(kind: string): string {
  const head = `<path class="head-${kind}" d="M0 0 L9 4.5 L0 9 z"/>`;
  return `<marker id="xnf-${kind}" viewBox="0 0 9 9" refX="8" refY="4.5" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto-start-reverse">${head}</marker>`;
}

function subgraph(id: keyof typeof SUBGRAPH_BOXES, label: string): string {
  const box = SUBGRAPH_BOXES[id];
  const inner = id === 'domain_set_node_affinity' || id === 'domain_update_node_affinity';
  const [x, anchor] = box.title === 'left' ? [box.left + 14, 'start'] : [box.right - 14, 'end'];
  const shape = `<rect class="box${inner ? ' inner' : ''}" x="${box.left}" y="${box.top}" width="${box.right - box.left}" height="${box.bottom - box.top}" rx="12"/>`;
  return `<g>${shape}<text class="boxname${inner ? ' inner' : ''}" x="${x}" y="${box.top + 21}" text-anchor="${anchor}">${escapeXml(label)}</text></g>`;
}

type Edge = (typeof EDGES)[number];
type Node = (typeof NODES)[number];

function edgeState(edge: Edge, taken: Tally | null): 'plain' | 'usual' | 'off' | 'taken' {
  if (taken === null) return edge.thick ? 'usual' : 'plain';
  return taken.edges.has(edge.id) ? 'taken' : 'off';
}

function edgeLine(edge: Edge, taken: Tally | null): string {
  const state = edgeState(edge, taken);
  const times = taken?.edges.get(edge.id);
  const ends = `marker-end="url(#xnf-${state})"${edge.both ? ` marker-start="url(#xnf-${state})"` : ''}`;
  const dashed = times?.inferred === true ? ' inferred' : '';
  const words = `${edge.from} to ${edge.to}${edge.label === '' ? '' : `: ${edge.label}`}${times === undefined ? '' : `, taken ${times.times} times`}`;
  return `<path class="edge ${state}${dashed}" data-edge="${escapeXml(edge.id)}" d="${pathOf(EDGE_ROUTES[edge.id])}" ${ends}><title>${escapeXml(words)}${dashed === '' ? '' : ' (inferred)'}</title></path>`;
}

const CORNER = 10;

/** Orthogonal legs with rounded corners. */
function pathOf({ points }: Route): string {
  const at = (point: readonly [number, number]) => `${round(point[0])} ${round(point[1])}`;
  let d = `M${at(points[0]!)}`;
  for (let i = 1; i < points.length; i++) {
    const [from, corner, to] = [points[i - 1]!, points[i]!, points[i + 1]];
    if (to === undefined) d += ` L${at(corner)}`;
    else d += ` L${at(towards(corner, from))} Q${at(corner)} ${at(towards(corner, to))}`;
  }
  return d;
}

function towards(from: readonly [number, number], to: readonly [number, number]): [number, number] {
  const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
  const share = Math.min(CORNER, length / 2) / length;
  return [from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share];
}

const round = (value: number) => Math.round(value * 10) / 10;

function edgeLabel(edge: Edge, taken: Tally | null): string {
  const text = edgeText(edge, taken);
  if (text === '') return '';
  const { width, height } = edgeLabelSize(text);
  const [x, y] = EDGE_ROUTES[edge.id].label;
  return `<g class="label ${edgeState(edge, taken)}"><rect x="${round(x - width / 2)}" y="${y - height / 2}" width="${width}" height="${height}" rx="9"/><text x="${x}" y="${y + 4}" text-anchor="middle">${escapeXml(text)}</text></g>`;
}

/** Pixels that a line in a box may take: a hexagon is narrower away from its middle. */
function textRoom({ id, decision }: Node): number {
  return NODE_PLACES[id].width - 2 * (decision ? DECISION_SLANT + 2 : 8);
}

function visitState(taken: Tally | null, visited: boolean): 'plain' | 'off' | 'taken' {
  if (taken === null) return 'plain';
  return visited ? 'taken' : 'off';
}

function kindClass(node: Node): string {
  if (node.decision) return ' decision';
  if (node.id === 'domain_node_affinity') return ' result';
  return node.subgraph === null ? ' call' : '';
}

/** One run concerns one domain, so its number in each box would waste room. */
const SAME_EVERYWHERE = ['domid'];

function nodeShape(node: Node, taken: Tally | null): string {
  const place = NODE_PLACES[node.id];
  const visit = taken?.nodes.get(node.id);
  const state = visitState(taken, visit !== undefined);
  const values = visit === undefined ? '' : formatValues(visit.values, SAME_EVERYWHERE);
  const room = textRoom(node);
  const label = wrapWidth(node.label, room, FONT.label);
  const lines = label.length + (values === '' ? 0 : 1);
  const top = place.y - ((lines - 1) * 15) / 2 + (node.id === 'domain_node_affinity' ? 9 : 4);
  const rows = label.map(
    (line, index) => `<text x="${place.x}" y="${round(top + index * 15)}" text-anchor="middle">${escapeXml(line)}</text>`,
  );
  if (values !== '') {
    const shown = escapeXml(fitColumns(harmless(values), Math.floor(room / VALUE_COLUMN)));
    rows.push(`<text class="values" x="${place.x}" y="${round(top + label.length * 15)}" text-anchor="middle">${shown}</text>`);
  }
  const tip = [node.label, node.id, values, node.source ?? ''].filter((part) => part !== '').join(' \u2014 ');
  const body = `<g class="node ${state}${kindClass(node)}" data-node="${escapeXml(node.id)}"><title>${escapeXml(tip)}</title>${outline(node.id, node.decision)}${rows.join('')}</g>`;
  return node.source === null ? body : `<a href="${escapeXml(node.source)}" target="_blank" rel="noopener">${body}</a>`;
}

function outline(id: NodeId, decision: boolean): string {
  const { x, y, width, height } = NODE_PLACES[id];
  const [l, r, t, b] = [x - width / 2, x + width / 2, y - height / 2, y + height / 2];
  if (decision) {
    const s = DECISION_SLANT;
    return `<path class="shape" d="M${l} ${y} L${l + s} ${t} H${r - s} L${r} ${y} L${r - s} ${b} H${l + s} z"/>`;
  }
  if (id === 'domain_node_affinity') {
    return `<path class="shape" d="M${l} ${t + 8} a${width / 2} 8 0 0 1 ${width} 0 V${b - 8} a${width / 2} 8 0 0 1 ${-width} 0 z"/><path class="rim" d="M${l} ${t + 8} a${width / 2} 8 0 0 0 ${width} 0"/>`;
  }
  return `<rect class="shape" x="${l}" y="${t}" width="${width}" height="${height}" rx="10"/>`;
}

/** Most lines of one note; the text form has all of it. */
const ITEM_LINES = 3;

/**
 * The text panel: decisions in words, notes and surprises of the run; without a run, how to read
 * the chart.
 */
function panel(record: FlowRecord | null, taken: Tally | null): string[] {
  const box = PANEL;
  const items =
    record === null || taken === null ? ABOUT.map((text) => ({ text, kind: 'say' })) : [...surprisesFirst(record), ...decisions(taken)];
  const rows = items.flatMap(({ text, kind }) => {
    const lines = wrapWidth(harmless(text), box.right - box.left - 52, FONT.panel, kind === 'warn' ? 'bold' : 'normal');
    const visible = lines.length > ITEM_LINES ? [...lines.slice(0, ITEM_LINES - 1), `${lines[ITEM_LINES - 1]!} ...`] : lines;
    return visible.map((line) => ({ text: line, kind }));
  });
  const room = Math.floor((box.bottom - box.top - 50) / 17);
  const over = rows.length - room;
  const shown = over > 0 ? [...rows.slice(0, room - 1), { text: `and ${over + 1} more lines in the text form`, kind: 'say' }] : rows;
  return [
    `<rect class="panel" x="${box.left}" y="${box.top}" width="${box.right - box.left}" height="${box.bottom - box.top}" rx="12"/>`,
    `<text class="boxname" x="${box.left + 18}" y="${box.top + 27}">${record === null ? 'How to read it' : 'On the way'}</text>`,
    ...shown.map(
      ({ text, kind }, index) => `<text class="${kind}" x="${box.left + 18}" y="${box.top + 52 + index * 17}">${escapeXml(text)}</text>`,
    ),
  ];
}

const ABOUT = [
  'Hexagons decide, boxes act, violet boxes are calls of libxenctrl. The cylinder is the result: the nodes from which Xen allocates the memory of the domain.',
  '',
  'Thick lines are the usual path. A mask given by the administrator becomes HARD affinity, through XenStore and xenguest. A placement by the toolstack becomes SOFT affinity, before xenguest starts.',
  '',
  'Both end in the same hypercall. After each call Xen derives the node affinity of the domain again, unless it was set explicitly.',
  '',
  'A box links to its source code, if the chart names it.',
];

/** Surprises, then notes, each with its count. */
function surprisesFirst(record: FlowRecord): { text: string; kind: string }[] {
  const tell = (entry: ShownEntry, times: number) => {
    if (entry.kind === 'node' || entry.kind === 'edge') return [];
    const name = entry.kind === 'surprise' ? `! ${SURPRISES[entry.code].title}` : `\u2022 ${entry.topic}`;
    const values = formatValues(entry.values, SAME_EVERYWHERE);
    const text = `${name}${times > 1 ? ` (\u00d7${times})` : ''}${values === '' ? '' : `: ${values}`}`;
    return [{ text, kind: entry.kind === 'surprise' ? 'warn' : 'say' }];
  };
  const all = foldRepeats(record.entries).flatMap((item) =>
    'entry' in item ? tell(item.entry, 1) : item.entries.flatMap((entry) => tell(entry, item.times)),
  );
  return [...all.filter(({ kind }) => kind === 'warn'), ...all.filter(({ kind }) => kind !== 'warn')];
}

/** Each decision with its answers. */
function decisions(taken: Tally): { text: string; kind: string }[] {
  const items = NODES.filter(({ id, decision }) => decision && id !== 'do_domctl' && taken.nodes.has(id)).flatMap(({ id, label }) => {
    const answers = EDGES.filter((edge) => edge.from === id && taken.edges.has(edge.id)).map((edge) => edgeText(edge, taken));
    return answers.length === 0 ? [] : [{ text: `${label} ${answers.join('; ')}`, kind: 'say' }];
  });
  return items.length === 0 ? [] : [{ text: '', kind: 'say' }, ...items];
}

function legend(run: boolean): string[] {
  const y = PICTURE.height - 22;
  const line = (x: number, state: string, words: string) =>
    `<path class="edge ${state}" d="M${x} ${y - 4} h34" marker-end="url(#xnf-${state.split(' ')[0]})"/><text class="say" x="${x + 44}" y="${y}">${words}</text>`;
  const chip = (x: number, kind: string, words: string) =>
    `<g class="node plain ${kind}"><rect class="shape" x="${x}" y="${y - 12}" width="24" height="16" rx="4"/></g><text class="say" x="${x + 34}" y="${y}">${words}</text>`;
  if (!run) {
    return [
      line(42, 'usual', 'the usual path'),
      line(202, 'plain', 'other ways'),
      chip(362, 'decision', 'decides'),
      chip(482, 'call', 'call of libxenctrl'),
      chip(662, 'result', 'node affinity: memory follows it'),
    ];
  }
  return [
    line(42, 'taken', 'taken, \u00d7N times'),
    line(222, 'taken inferred', 'taken, inferred from values read back'),
    line(550, 'off', 'not taken'),
  ];
}

// Colours are written out twice instead of as variables, because many SVG viewers do not support
// CSS variables.
const STYLE = `
.xnf{font-family:ui-sans-serif,system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;font-size:12px}
.xnf .page{fill:#f8fafc}.xnf text{fill:#0f172a}
.xnf .node text{font-size:11.6px}.xnf .head{font-size:22px;font-weight:700}.xnf .sub{font-size:13px;fill:#475569}
.xnf .box{fill:#eef2f7;stroke:#cbd5e1}.xnf .box.inner{fill:#e2e8f0;stroke:#b6c2d1}
.xnf .boxname{font-size:13px;font-weight:700;fill:#475569}.xnf .boxname.inner{font-size:11.5px}
.xnf .panel{fill:#fff;stroke:#cbd5e1}.xnf .say{fill:#334155}.xnf .warn{fill:#9a3412;font-weight:600}
.xnf .shape{fill:#fff;stroke:#64748b;stroke-width:1.4}.xnf .rim{fill:none;stroke:#64748b;stroke-width:1.4}
.xnf .decision .shape{fill:#fffbeb;stroke:#b45309}.xnf .call .shape{fill:#f5f3ff;stroke:#6d28d9}.xnf .result .shape{fill:#ecfdf5;stroke:#047857;stroke-width:2}.xnf .result .rim{stroke:#047857;stroke-width:2}
.xnf .node .values{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:10px;fill:#475569}
.xnf .node.taken .shape{fill:#dbeafe;stroke:#1d4ed8;stroke-width:2.6}.xnf .node.taken .rim{stroke:#1d4ed8}.xnf .node.taken.result .shape{fill:#bbf7d0;stroke:#047857}.xnf .node.taken.result .rim{stroke:#047857}
.xnf .node.taken .values{fill:#1e3a8a}
.xnf .node.off .shape{fill:#f8fafc;stroke:#cbd5e1;stroke-width:1}.xnf .node.off .rim{stroke:#cbd5e1;stroke-width:1}.xnf .node.off text{fill:#64748b}
.xnf .edge{fill:none;stroke:#64748b;stroke-width:1.4}.xnf .edge.usual{stroke:#334155;stroke-width:3}.xnf .edge.off{stroke:#cbd5e1}.xnf .edge.taken{stroke:#1d4ed8;stroke-width:3}.xnf .edge.inferred{stroke-dasharray:7 5}
.xnf .head-plain{fill:#64748b}.xnf .head-usual{fill:#334155}.xnf .head-off{fill:#cbd5e1}.xnf .head-taken{fill:#1d4ed8}
.xnf .label rect{fill:#f8fafc;stroke:#cbd5e1}.xnf .label text{font-size:11px;fill:#334155}
.xnf .label.taken rect{fill:#1d4ed8;stroke:#1d4ed8}.xnf .label.taken text{fill:#fff;font-weight:600}.xnf .label.off text{fill:#64748b}
.xnf a:hover .shape,.xnf a:focus .shape{stroke-width:3.4}
@media(prefers-color-scheme:dark){
.xnf .page{fill:#0b1120}.xnf text{fill:#e2e8f0}.xnf .sub{fill:#94a3b8}
.xnf .box{fill:#131c2f;stroke:#334155}.xnf .box.inner{fill:#1b263b;stroke:#3d4c63}.xnf .boxname{fill:#a8b5c8}
.xnf .panel{fill:#0f172a;stroke:#334155}.xnf .say{fill:#cbd5e1}.xnf .warn{fill:#fdba74}
.xnf .shape{fill:#0f172a;stroke:#94a3b8}.xnf .rim{stroke:#94a3b8}.xnf .decision .shape{fill:#2a2110;stroke:#d99a3d}.xnf .call .shape{fill:#211a3a;stroke:#a78bfa}.xnf .result .shape{fill:#06281f;stroke:#34d399}.xnf .result .rim{stroke:#34d399}
.xnf .values{fill:#94a3b8}
.xnf .node.taken .shape{fill:#172c5c;stroke:#60a5fa}.xnf .node.taken .rim{stroke:#60a5fa}.xnf .node.taken.result .shape{fill:#064e3b;stroke:#34d399}.xnf .node.taken.result .rim{stroke:#34d399}.xnf .node.taken .values{fill:#bfdbfe}
.xnf .node.off .shape{fill:#0f172a;stroke:#334155}.xnf .node.off .rim{stroke:#334155}.xnf .node.off text{fill:#7c8aa0}
.xnf .edge{stroke:#94a3b8}.xnf .edge.usual{stroke:#e2e8f0}.xnf .edge.off{stroke:#334155}.xnf .edge.taken{stroke:#60a5fa}
.xnf .head-plain{fill:#94a3b8}.xnf .head-usual{fill:#e2e8f0}.xnf .head-off{fill:#334155}.xnf .head-taken{fill:#60a5fa}
.xnf .label rect{fill:#0f172a;stroke:#475569}.xnf .label text{fill:#cbd5e1}.xnf .label.taken rect{fill:#1d4ed8;stroke:#60a5fa}.xnf .label.taken text{fill:#fff}.xnf .label.off text{fill:#7c8aa0}
}`;
