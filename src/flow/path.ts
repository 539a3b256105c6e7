// The record of a run, prepared for the renderings: the count of each node and edge, and the path
// with the repetitions of N vCPUs folded into one.
import { formatList } from '../base/bitset.js';
import { formatBytes } from '../base/units.js';
import type { EdgeId, NodeId } from './chart.js';
import type { EdgeEntry, FlowEntry, FlowRecord, FlowValue, FlowValues, NoteTopic } from './record.js';
import type { SurpriseCode } from './surprises.js';

export interface Tally {
  /** `inferred` if the edge was never observed directly. */
  readonly edges: ReadonlyMap<EdgeId, { readonly times: number; readonly inferred: boolean }>;
  readonly nodes: ReadonlyMap<NodeId, { readonly times: number; readonly values: FlowValues }>;
}

export function tally(record: FlowRecord): Tally {
  const edges = new Map<EdgeId, { times: number; inferred: boolean }>();
  const visits = new Map<NodeId, FlowValues[]>();
  for (const entry of record.entries) {
    if (entry.kind === 'edge') {
      const known = edges.get(entry.edge);
      edges.set(entry.edge, { times: (known?.times ?? 0) + 1, inferred: (known?.inferred ?? true) && entry.inferred });
    } else if (entry.kind === 'node') {
      const known = visits.get(entry.node);
      if (known === undefined) visits.set(entry.node, [entry.values]);
      else known.push(entry.values);
    }
  }
  const nodes = new Map([...visits].map(([id, values]) => [id, { times: values.length, values: mergeValues(values) }]));
  return { edges, nodes };
}

/** The text on an edge: its label, and its count if above one. */
export function edgeText(edge: { readonly id: EdgeId; readonly label: string }, taken: Tally | null): string {
  const times = taken?.edges.get(edge.id)?.times ?? 0;
  return [edge.label, times > 1 ? `\u00d7${times}` : ''].filter((part) => part !== '').join(' ');
}

/**
 * An entry to show. Merged values have no types: if the visits differed, a value is a text of them
 * all.
 */
export type ShownEntry =
  | { readonly kind: 'node'; readonly node: NodeId; readonly values: FlowValues }
  | EdgeEntry
  | { readonly kind: 'note'; readonly topic: NoteTopic; readonly values: FlowValues }
  | { readonly kind: 'surprise'; readonly code: SurpriseCode; readonly values: FlowValues };

/** One step, or a group of steps that was repeated `times` times in a row, with merged values. */
export type PathItem = { readonly entry: FlowEntry } | { readonly times: number; readonly entries: readonly ShownEntry[] };

/**
 * The longest group that is recognised as repeated. The longest path through the chart for one vCPU
 * has 18 entries.
 */
const LONGEST_GROUP = 40;

/**
 * The entries in order, each run of equal groups of steps folded into one. Steps are equal
 * regardless of their values.
 */
export function foldRepeats(entries: readonly FlowEntry[]): PathItem[] {
  const numbers = new Map<string, number>();
  const signs = entries.map((entry) => {
    const sign = signOf(entry);
    if (!numbers.has(sign)) numbers.set(sign, numbers.size);
    return numbers.get(sign)!;
  });
  const items: PathItem[] = [];
  for (let at = 0; at < entries.length; ) {
    const { period, times } = bestRepeat(signs, at);
    if (times === 1) {
      items.push({ entry: entries[at]! });
      at++;
      continue;
    }
    const merged = Array.from({ length: period }, (_, offset) =>
      mergeEntries(Array.from({ length: times }, (_, turn) => entries[at + turn * period + offset]!)),
    );
    items.push({ times, entries: merged });
    at += period * times;
  }
  return items;
}

function signOf(entry: FlowEntry): string {
  switch (entry.kind) {
    case 'node':
      return `n ${entry.node}`;
    case 'edge':
      return `e ${entry.edge} ${entry.inferred}`;
    case 'note':
      return `t ${entry.topic}`;
    case 'surprise':
      return `s ${entry.code}`;
  }
}

/** The group at `at` whose repetitions cover the most entries; the shortest such group. */
function bestRepeat(signs: readonly number[], at: number): { period: number; times: number } {
  let best = { period: 1, times: 1 };
  for (let period = 1; period <= LONGEST_GROUP && at + 2 * period <= signs.length; period++) {
    let same = 0;
    while (at + period + same < signs.length && signs[at + same] === signs[at + period + same]) same++;
    const times = 1 + Math.floor(same / period);
    if (times > 1 && times * period > best.times * best.period) best = { period, times };
  }
  return best;
}

function mergeEntries(same: readonly FlowEntry[]): ShownEntry {
  const first = same[0]!;
  if (first.kind === 'edge') return first;
  return { ...first, values: mergeValues(same.flatMap((entry) => (entry.kind === 'edge' ? [] : [entry.values]))) };
}

/** Most different values that are listed one by one. */
const LISTED_VALUES = 3;

/**
 * Values of the same step at N visits: an equal value stays, whole numbers become a list of ranges,
 * and up to three others are listed.
 */
export function mergeValues(visits: readonly FlowValues[]): FlowValues {
  if (visits.length === 1) return visits[0]!;
  const merged: Record<string, FlowValue> = {};
  for (const key of new Set(visits.flatMap((values) => Object.keys(values)))) {
    const distinct = new Map<string, FlowValue>();
    for (const values of visits) if (key in values) distinct.set(JSON.stringify(values[key]), values[key]!);
    const all = [...distinct.values()];
    if (all.length === 1) merged[key] = all[0]!;
    else if (all.every((value) => Number.isInteger(value)) && !AMOUNTS.test(key))
      merged[key] = formatList((all as number[]).sort((a, b) => a - b));
    else {
      const pattern = onePattern(all);
      if (pattern !== undefined) {
        merged[key] = pattern;
        continue;
      }
      const shown = all.slice(0, LISTED_VALUES).map((value) => formatValue(value, key));
      merged[key] = `${shown.join(' | ')}${all.length > LISTED_VALUES ? ` | ... (${all.length} different)` : ''}`;
    }
  }
  return merged;
}

/**
 * Texts that differ in only one number, as one: "vcpu/{0-3}/affinity"; undefined when they differ
 * otherwise.
 */
function onePattern(values: readonly FlowValue[]): string | undefined {
  const split = values.map((value) => (typeof value === 'string' ? value.split(/(\d{1,15})/) : []));
  const first = split[0]!;
  const differing = first.flatMap((part, at) => (split.every((parts) => parts[at] === part) ? [] : [at]));
  const at = differing[0];
  if (first.length === 0 || at === undefined || differing.length > 1 || at % 2 === 0) return undefined;
  // Without letters it may be a list of CPUs, where "0-{3,15}" would be wrong.
  if (!first.some((part) => /[a-z]/i.test(part))) return undefined;
  if (split.some((parts) => parts.length !== first.length || !/^(0|[1-9]\d*)$/.test(parts[at]!))) return undefined;
  const numbers = split.map((parts) => Number(parts[at])).sort((a, b) => a - b);
  return [...first.slice(0, at), `{${formatList(numbers)}}`, ...first.slice(at + 1)].join('');
}

/**
 * A value in a few words: ranges for ascending whole numbers, key=value for objects. `key` is the
 * name of the value: names that end in Bytes get units, and amounts by node or by vCPU never become
 * ranges.
 */
export function formatValue(value: FlowValue, key = ''): string {
  if (Array.isArray(value)) {
    const list = value as readonly FlowValue[];
    if (list.length === 0) return 'none';
    const ascending = list.every(
      (item, index) => Number.isInteger(item) && (index === 0 || (item as number) > (list[index - 1] as number)),
    );
    if (ascending && !AMOUNTS.test(key)) return formatList(list as readonly number[]);
    if (list.some((item) => item !== null && typeof item === 'object' && !Array.isArray(item)))
      return list.map((item) => formatValue(item, key)).join(' | ');
    return list.map((item) => (Array.isArray(item) ? `[${formatValue(item, key)}]` : formatValue(item, key))).join(', ');
  }
  if (value !== null && typeof value === 'object') {
    return Object.entries(value)
      .map(([name, item]) => `${shortKey(name)}=${formatValue(item, name)}`)
      .join(' ');
  }
  if (value === null) return 'none';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number' && BYTES.test(key)) return formatBytes(value);
  return value === '' ? '(empty)' : String(value);
}

const BYTES = /^bytes$|Bytes$/;
const AMOUNTS = /bytes|pages|usage|count|distance/i;

/** "freeBytes" whose value is written in units is "free". */
function shortKey(key: string): string {
  return key.replace(/(?<=.)Bytes$/, '');
}

/** "policy: best_effort; means: best_effort". `without` = keys left out. */
export function formatValues(values: FlowValues, without: readonly string[] = []): string {
  return Object.entries(values)
    .filter(([key]) => !without.includes(key))
    .map(([key, value]) => `${shortKey(key)}: ${formatValue(value, key)}`)
    .join('; ');
}
