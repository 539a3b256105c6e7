// The lines that the builder writes on its control fd, "key:text": result, error, info, stdout, stderr (xenopsd's
// ocaml/xenopsd/xc/xenguestHelper.ml reads them). Our own lines "info:flow {...}" carry the record of the run. Box of the chart: exec_xenguest.
import { EDGES, type EdgeId, NODES, type NodeId } from '../flow/chart.js';
import type { FlowEntry, FlowSink, FlowValue } from '../flow/record.js';
import type { XenguestResult } from './xenguest.js';

export type ControlLine =
  | { readonly kind: 'result'; readonly result: XenguestResult; readonly protocol: string | null }
  | { readonly kind: 'error'; readonly text: string }
  | { readonly kind: 'log'; readonly stream: 'info' | 'stdout' | 'stderr'; readonly text: string }
  | { readonly kind: 'flow'; readonly entry: FlowEntry };

/** A line longer than this is not the protocol's. */
export const MAX_LINE_BYTES = 1 << 20;

export function resultLine({ storePfn, consolePfn }: XenguestResult, protocol: string | null): string {
  return `result:${storePfn} ${consolePfn}${protocol === null ? '' : ` ${protocol}`}\n`;
}

export function errorLine(text: string): string {
  return `error:${text.replace(/[\r\n]+/g, ' ')}\n`;
}

export function infoLine(text: string): string {
  return `info:${text.replace(/[\r\n]+/g, ' ')}\n`;
}

/** A sink whose every entry goes out as a line. */
export function flowLines(write: (line: string) => void): FlowSink {
  const send = (entry: FlowEntry) => write(`info:flow ${JSON.stringify(entry)}\n`);
  return {
    node: (node, values = {}) => send({ kind: 'node', node, values }),
    edge: (edge, inferred = false) => send({ kind: 'edge', edge, inferred }),
    note: (topic, values = {}) => send({ kind: 'note', topic, values }),
    surprise: (code, values = {}) => send({ kind: 'surprise', code, values }),
  };
}

/** Notes in `flow` what another process's sink took. */
export function replay(entry: FlowEntry, flow: FlowSink): void {
  if (entry.kind === 'node') flow.node(entry.node, entry.values);
  else if (entry.kind === 'edge') flow.edge(entry.edge, entry.inferred);
  else if (entry.kind === 'note') flow.note(entry.topic, entry.values);
  else flow.surprise(entry.code, entry.values);
}

/** One line without its newline; null when it is none of the protocol's. */
export function parseControlLine(line: string): ControlLine | null {
  const colon = line.indexOf(':');
  if (colon === -1) return null;
  const text = line.slice(colon + 1);
  switch (line.slice(0, colon)) {
    case 'result':
      return parseResult(text);
    case 'error':
      return { kind: 'error', text };
    case 'info':
      return text.startsWith('flow ') ? parseFlow(text.slice(5)) : { kind: 'log', stream: 'info', text };
    case 'stdout':
      return { kind: 'log', stream: 'stdout', text };
    case 'stderr':
      return { kind: 'log', stream: 'stderr', text };
    default:
      return null;
  }
}

function parseResult(text: string): ControlLine | null {
  const match = /^(\d{1,16}) (\d{1,16})(?: (\S+))?$/.exec(text);
  if (match === null) return null;
  const storePfn = Number(match[1]);
  const consolePfn = Number(match[2]);
  if (!Number.isSafeInteger(storePfn) || !Number.isSafeInteger(consolePfn)) return null;
  return { kind: 'result', result: { storePfn, consolePfn }, protocol: match[3] ?? null };
}

const NODE_IDS = new Set<string>(NODES.map(({ id }) => id));
const EDGE_IDS = new Set<string>(EDGES.map(({ id }) => id));

function parseFlow(text: string): ControlLine | null {
  let entry: unknown;
  try {
    entry = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(entry)) return null;
  const values = isRecord(entry.values) ? (entry.values as Record<string, FlowValue>) : null;
  if (entry.kind === 'node' && typeof entry.node === 'string' && NODE_IDS.has(entry.node) && values !== null) {
    return { kind: 'flow', entry: { kind: 'node', node: entry.node as NodeId, values } };
  }
  if (entry.kind === 'edge' && typeof entry.edge === 'string' && EDGE_IDS.has(entry.edge) && typeof entry.inferred === 'boolean') {
    return { kind: 'flow', entry: { kind: 'edge', edge: entry.edge as EdgeId, inferred: entry.inferred } };
  }
  if (entry.kind === 'note' && typeof entry.topic === 'string' && values !== null) {
    return { kind: 'flow', entry: { kind: 'note', topic: entry.topic, values } };
  }
  if (entry.kind === 'surprise' && typeof entry.code === 'string' && values !== null) {
    return { kind: 'flow', entry: { kind: 'surprise', code: entry.code, values } };
  }
  return null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
