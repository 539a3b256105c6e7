// The run of one VM in the page's form: its sentences, and its path through the chart step by step
// with the values of each decision. Small, and text only, so the page does not need the schema of
// the record.
import { EDGES, type NodeId } from '../flow/chart.js';
import { explain } from '../flow/explain/explain.js';
import { foldRepeats, formatValues, type ShownEntry, tally } from '../flow/path.js';
import type { FlowRecord } from '../flow/record.js';
import { SURPRISES } from '../flow/surprises.js';

export interface PageStep {
  readonly kind: 'box' | 'note' | 'surprise';
  /** The chart's box, the topic of a note, or the title of a surprise. */
  readonly name: string;
  /** "policy: best_effort; means: best_effort"; '' = none. */
  readonly values: string;
  /** Edges that follow from a box, as places in EDGES. */
  readonly edges: readonly number[];
  /** Above 1 for a step that was repeated, as for each vCPU. */
  readonly times: number;
  /** For a surprise, the expectation and the reality; otherwise ''. */
  readonly more: string;
}

export interface PageRun {
  readonly title: string;
  /** Place, reason and advice; [] for what is no start. */
  readonly summary: readonly string[];
  /** "[2]" at the end of one is the second of the sources. */
  readonly sentences: readonly string[];
  readonly sources: readonly string[];
  /** [place in EDGES, times, 1 = inferred]; [] = the path is not known. */
  readonly edges: readonly (readonly [number, number, 0 | 1])[];
  readonly steps: readonly PageStep[];
}

const PLACES = new Map<string, number>(EDGES.map(({ id }, place) => [id, place]));
/** One run concerns one domain. */
const WITHOUT = ['domid'];

export function pageRun(record: FlowRecord): PageRun {
  const { summary, details, sources } = explain(record);
  const edges = [...tally(record).edges].map(([id, { times, inferred }]): [number, number, 0 | 1] => [
    PLACES.get(id)!,
    times,
    inferred ? 1 : 0,
  ]);
  return { title: record.title, summary, sentences: details, sources, edges, steps: stepsOf(record) };
}

function stepsOf(record: FlowRecord): PageStep[] {
  const steps: PageStep[] = [];
  const add = (entry: ShownEntry, times: number): void => {
    if (entry.kind !== 'edge') steps.push({ ...stepOf(entry), edges: [], times });
    else {
      // The box that it leaves may be some entries back: Xen's own steps lie between.
      const from = steps.findLastIndex((step) => step.kind === 'box' && entry.edge.startsWith(`${step.name} -> `));
      const place = PLACES.get(entry.edge)!;
      if (from >= 0 && !steps[from]!.edges.includes(place)) steps[from] = { ...steps[from]!, edges: [...steps[from]!.edges, place] };
    }
  };
  for (const item of foldRepeats(record.entries)) {
    if ('entry' in item) add(item.entry, 1);
    else for (const entry of item.entries) add(entry, item.times);
  }
  return steps;
}

function stepOf(entry: Exclude<ShownEntry, { readonly kind: 'edge' }>): Omit<PageStep, 'edges' | 'times'> {
  const values = formatValues(entry.values, WITHOUT);
  if (entry.kind === 'node') return { kind: 'box', name: entry.node satisfies NodeId, values, more: '' };
  if (entry.kind === 'note') return { kind: 'note', name: entry.topic, values, more: '' };
  const { title, expected, happens } = SURPRISES[entry.code];
  return { kind: 'surprise', name: title, values, more: `Expected: ${expected}. What happens: ${happens}.` };
}
