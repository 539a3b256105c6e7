// The record of one run through the chart. Each step notes its box, the edge it takes and the
// values of the decision. explain, the renderings and the tests all read this one record. schema/
// has the shape of every entry.
import type * as z from 'zod';
import type { EdgeId, NodeId } from './chart.js';
import type { NODE_SCHEMAS } from './schema/nodes.js';
import type { NOTE_SCHEMAS } from './schema/notes.js';
import type { SURPRISE_SCHEMAS } from './schema/surprises.js';
import type { SurpriseCode } from './surprises.js';

/** Plain data: numbers, strings, booleans, null, arrays and objects of them. */
export type FlowValue = number | string | boolean | null | readonly FlowValue[] | { readonly [key: string]: FlowValue };
/** Values of an entry without their types, for code that shows any entry. */
export type FlowValues = Readonly<Record<string, FlowValue>>;

type Immutable<T> = T extends readonly (infer Item)[]
  ? readonly Immutable<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Immutable<T[Key]> }
    : T;
type ValuesOf<Schemas extends Readonly<Record<string, z.ZodType>>> = { readonly [Key in keyof Schemas]: Immutable<z.output<Schemas[Key]>> };

export type NodeValues = ValuesOf<typeof NODE_SCHEMAS>;
export type NoteValues = ValuesOf<typeof NOTE_SCHEMAS>;
export type SurpriseValues = ValuesOf<typeof SURPRISE_SCHEMAS>;
export type NoteTopic = keyof NoteValues;

export type NodeEntry = { [N in NodeId]: { readonly kind: 'node'; readonly node: N; readonly values: NodeValues[N] } }[NodeId];
export interface EdgeEntry {
  readonly kind: 'edge';
  readonly edge: EdgeId;
  /** Inferred from values read back, not observed (the inside of a real Xen). */
  readonly inferred: boolean;
}
/** An event of the run that is not a box of the chart: memory populated, a claim, a failure. */
export type NoteEntry = { [T in NoteTopic]: { readonly kind: 'note'; readonly topic: T; readonly values: NoteValues[T] } }[NoteTopic];
/**
 * A known defect or surprise of the real system in this run; `code` names an entry of
 * flow/surprises.ts.
 */
export type SurpriseEntry = {
  [C in SurpriseCode]: { readonly kind: 'surprise'; readonly code: C; readonly values: SurpriseValues[C] };
}[SurpriseCode];
export type FlowEntry = NodeEntry | EdgeEntry | NoteEntry | SurpriseEntry;

/**
 * The sink for code that takes part in the flow. The hypervisor writes to the sink that is current
 * when a hypercall runs.
 */
export interface FlowSink {
  /**
   * Adds an entry made elsewhere: in another process, or before its place in the order was known.
   */
  add(entry: FlowEntry): void;
  node<N extends NodeId>(node: N, values: NodeValues[N]): void;
  edge(edge: EdgeId, inferred?: boolean): void;
  note<T extends NoteTopic>(topic: T, values: NoteValues[T]): void;
  surprise<C extends SurpriseCode>(code: C, values: SurpriseValues[C]): void;
}

/** A sink that passes every entry to `add`. */
export abstract class EntrySink implements FlowSink {
  abstract add(entry: FlowEntry): void;

  // The compiler cannot see that `values` belongs to the name next to it, hence the casts.
  node<N extends NodeId>(node: N, values: NodeValues[N]): void {
    this.add({ kind: 'node', node, values } as NodeEntry);
  }
  edge(edge: EdgeId, inferred = false): void {
    this.add({ kind: 'edge', edge, inferred });
  }
  note<T extends NoteTopic>(topic: T, values: NoteValues[T]): void {
    this.add({ kind: 'note', topic, values } as NoteEntry);
  }
  surprise<C extends SurpriseCode>(code: C, values: SurpriseValues[C]): void {
    this.add({ kind: 'surprise', code, values } as SurpriseEntry);
  }
}

/** The record of one VM's run (one start, one migration, one manual change). */
export class FlowRecord extends EntrySink {
  readonly title: string;
  readonly entries: FlowEntry[];

  constructor(title: string, entries: readonly FlowEntry[] = []) {
    super();
    this.title = title;
    this.entries = entries.slice();
  }
  add(entry: FlowEntry): void {
    this.entries.push(entry);
  }
  /** Distinct edges taken, in the order of their first use. */
  edgesTaken(): EdgeId[] {
    return [...new Set(this.entries.flatMap((entry) => (entry.kind === 'edge' ? [entry.edge] : [])))];
  }
  /** Distinct nodes visited. */
  nodesVisited(): NodeId[] {
    return [...new Set(this.entries.flatMap((entry) => (entry.kind === 'node' ? [entry.node] : [])))];
  }
  /** Values of each note on `topic`, in order. */
  notes<T extends NoteTopic>(topic: T): NoteValues[T][] {
    return this.entries.flatMap((entry) => (entry.kind === 'note' && entry.topic === topic ? [entry.values as NoteValues[T]] : []));
  }
  /** Values of each visit to a box, in order. */
  visits<N extends NodeId>(node: N): NodeValues[N][] {
    return this.entries.flatMap((entry) => (entry.kind === 'node' && entry.node === node ? [entry.values as NodeValues[N]] : []));
  }
  /** Codes of the surprises met, each once. */
  surprises(): SurpriseCode[] {
    return [...new Set(this.entries.flatMap((entry) => (entry.kind === 'surprise' ? [entry.code] : [])))];
  }
}

/**
 * Discards notes, for bulk work that is never explained. Makes no entries: they would cost more
 * than some of the steps.
 */
export const NO_FLOW: FlowSink = { add() {}, node() {}, edge() {}, note() {}, surprise() {} };
