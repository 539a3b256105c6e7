// The path of a run as indented text: the steps in order under their boxes, each with its values
// and its answer. Steps repeated for N vCPUs are shown once. Without a record, the whole chart as
// text.

import { wrapColumns } from '../../base/columns.js';
import { harmless } from '../../base/safe-text.js';
import { EDGES, NODES, SUBGRAPHS, type SubgraphId } from '../chart.js';
import { foldRepeats, formatValues, type ShownEntry } from '../path.js';
import type { FlowRecord, FlowValue, FlowValues } from '../record.js';
import { SURPRISES } from '../surprises.js';

export interface FlowTextOptions {
  /** ANSI colours; they carry no extra meaning. */
  readonly color: boolean;
  /** Most columns of a line; at least 40. */
  readonly width: number;
}

type Tone = 'title' | 'box' | 'step' | 'dim' | 'answer' | 'warn';

const TONE_CODES: Readonly<Record<Tone, string>> = { title: '1', box: '1;36', step: '', dim: '2', answer: '32', warn: '1;33' };

/** Lines that end with a newline; `record` null = the chart itself. */
export function renderFlowText(record: FlowRecord | null, options: FlowTextOptions): string {
  const out = new Writer(options);
  if (record === null) writeChart(out);
  else writeRun(out, record);
  return out.toString();
}

/** Writes wrapped and indented lines; remembers which box is open so that each is named once. */
class Writer {
  readonly #lines: string[] = [];
  readonly #width: number;
  readonly #color: boolean;
  box = '';
  #domid: FlowValue = null;

  constructor({ color, width }: FlowTextOptions) {
    this.#color = color;
    this.#width = Math.max(40, width);
  }
  /** Values in words; the domid only if it differs from the last one shown. */
  news(values: FlowValues): string {
    const known = values.domid !== undefined && values.domid === this.#domid;
    this.#domid = values.domid ?? this.#domid;
    return formatValues(values, known ? ['domid'] : []);
  }
  /** `hang` = further indent of the lines after the first. */
  put(indent: number, text: string, tone: Tone, hang = 2): void {
    const [first, ...rest] = wrapColumns(harmless(text), this.#width - indent - hang);
    const code = TONE_CODES[tone];
    const paint = (line: string) => (this.#color && code !== '' ? `\u001b[${code}m${line}\u001b[0m` : line);
    this.#lines.push(' '.repeat(indent) + paint(first!));
    for (const line of rest) this.#lines.push(' '.repeat(indent + hang) + paint(line));
  }
  blank(): void {
    this.#lines.push('');
  }
  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}

const NODE_BY_ID = new Map(NODES.map((node) => [node.id as string, node]));
const EDGE_BY_ID = new Map(EDGES.map((edge) => [edge.id as string, edge]));

/**
 * "xenopsd VM.build", "Xen hypervisor > domain_update_node_affinity()"; libxenctrl's calls are
 * outside the boxes of the chart.
 */
function boxName(subgraph: SubgraphId | null): string {
  if (subgraph === null) return 'libxenctrl';
  const self = SUBGRAPHS.find(({ id }) => id === subgraph)!;
  return self.parent === null ? self.label : `${boxName(self.parent)} > ${self.label}`;
}

function writeRun(out: Writer, record: FlowRecord): void {
  out.put(0, record.title, 'title');
  if (record.entries.length === 0) out.put(2, 'no steps', 'dim');
  for (const item of foldRepeats(record.entries)) {
    if ('entry' in item) {
      writeEntry(out, item.entry, 2, 1);
    } else if (item.entries.length === 1) {
      writeEntry(out, item.entries[0]!, 2, item.times);
    } else {
      out.put(2, `${item.times} times, once for each:`, 'box');
      out.box = '';
      for (const entry of item.entries) writeEntry(out, entry, 4, 1);
      out.box = '';
    }
  }
}

function writeEntry(out: Writer, entry: ShownEntry, indent: number, times: number): void {
  const often = times > 1 ? ` (x${times})` : '';
  switch (entry.kind) {
    case 'node': {
      const node = NODE_BY_ID.get(entry.node)!;
      const box = boxName(node.subgraph);
      if (box !== out.box) out.put(indent, box, 'box');
      out.box = box;
      out.put(indent + 2, `${node.label}${often}`, 'step');
      const values = out.news(entry.values);
      if (values !== '') out.put(indent + 6, values, 'dim');
      return;
    }
    case 'edge': {
      const { label } = EDGE_BY_ID.get(entry.edge)!;
      const inferred = entry.inferred ? ' (inferred)' : '';
      if (label !== '' || entry.inferred) out.put(indent + 4, `-> ${label}${inferred}${often}`.replace('->  ', '-> '), 'answer', 3);
      return;
    }
    case 'note': {
      const values = out.news(entry.values);
      out.put(indent + 2, `* ${entry.topic}${often}${values === '' ? '' : `; ${values}`}`, 'step');
      return;
    }
    case 'surprise': {
      const values = out.news(entry.values);
      out.put(indent + 2, `! ${SURPRISES[entry.code].title} (${entry.code})${often}${values === '' ? '' : `; ${values}`}`, 'warn');
    }
  }
}

/**
 * "xapi-project/xen-api 90ef043c ocaml/xenopsd/xc/domain.ml#L862-L897": a link that fits on a line.
 */
function sourceName(link: string): string {
  const match = /^https:\/\/github\.com\/([^/]+\/[^/]+)\/blob\/([0-9a-f]{8})[0-9a-f]*\/(.+)$/.exec(link);
  return match === null ? link : `${match[1]} ${match[2]} ${match[3]}`;
}

function arrowOf({ both, thick }: (typeof EDGES)[number]): string {
  if (both) return '<->';
  return thick ? '=>' : '->';
}

function writeChart(out: Writer): void {
  out.put(0, 'How a VM gets its vCPU affinity and its node affinity', 'title');
  for (const subgraph of [...SUBGRAPHS.map(({ id }) => id).slice(0, 3), null, ...SUBGRAPHS.map(({ id }) => id).slice(3)]) {
    out.blank();
    out.put(0, boxName(subgraph), 'box');
    for (const node of NODES.filter((one) => one.subgraph === subgraph)) {
      out.put(2, `${node.decision ? '? ' : '- '}${node.label}`, 'step');
      for (const edge of EDGES.filter(({ from }) => from === node.id)) {
        const target = NODE_BY_ID.get(edge.to)!.label;
        out.put(6, `${arrowOf(edge)} ${edge.label === '' ? '' : `${edge.label}: `}${target}`, 'answer', 3);
      }
      if (node.source !== null) out.put(6, sourceName(node.source), 'dim');
    }
  }
  out.blank();
  out.put(0, '? decides, - acts, => is the usual path, <-> asks and is answered', 'dim');
}
