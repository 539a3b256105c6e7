// The record of one run through the chart. Steps note here which node they are, the edge they take and the values they decided on;
// explain, the renderings, the web page and the tests all read this one record.
import type { EdgeId, NodeId } from './chart.js';

/** Plain data: numbers, strings, booleans, null, arrays and objects of them. */
export type FlowValue = number | string | boolean | null | readonly FlowValue[] | { readonly [key: string]: FlowValue };

export type FlowEntry =
  | { readonly kind: 'node'; readonly node: NodeId; readonly values: Readonly<Record<string, FlowValue>> }
  /** `inferred`: not seen but concluded from what was read back (the inside of a real Xen). */
  | { readonly kind: 'edge'; readonly edge: EdgeId; readonly inferred: boolean }
  /** Something off the chart's boxes that belongs to the story: memory populated, a claim, a failure. */
  | { readonly kind: 'note'; readonly topic: string; readonly values: Readonly<Record<string, FlowValue>> }
  /** A named defect or surprise of the real system that this run met; `code` names an entry of flow/surprises.ts. */
  | { readonly kind: 'surprise'; readonly code: string; readonly values: Readonly<Record<string, FlowValue>> };

/** What code that takes part in the flow writes to. The hypervisor writes to whichever sink is current when a hypercall runs. */
export interface FlowSink {
  node(node: NodeId, values?: Readonly<Record<string, FlowValue>>): void;
  edge(edge: EdgeId, inferred?: boolean): void;
  note(topic: string, values?: Readonly<Record<string, FlowValue>>): void;
  surprise(code: string, values?: Readonly<Record<string, FlowValue>>): void;
}

/** The record of one VM's run (one start, one migrate, one change by hand). */
export class FlowRecord implements FlowSink {
  readonly title: string;
  readonly entries: FlowEntry[] = [];

  constructor(title: string) {
    this.title = title;
  }
  node(node: NodeId, values: Readonly<Record<string, FlowValue>> = {}): void {
    this.entries.push({ kind: 'node', node, values });
  }
  edge(edge: EdgeId, inferred = false): void {
    this.entries.push({ kind: 'edge', edge, inferred });
  }
  note(topic: string, values: Readonly<Record<string, FlowValue>> = {}): void {
    this.entries.push({ kind: 'note', topic, values });
  }
  surprise(code: string, values: Readonly<Record<string, FlowValue>> = {}): void {
    this.entries.push({ kind: 'surprise', code, values });
  }
  /** Distinct edges taken, in the order of their first taking. */
  edgesTaken(): EdgeId[] {
    return [...new Set(this.entries.flatMap((entry) => (entry.kind === 'edge' ? [entry.edge] : [])))];
  }
  /** Distinct nodes visited. */
  nodesVisited(): NodeId[] {
    return [...new Set(this.entries.flatMap((entry) => (entry.kind === 'node' ? [entry.node] : [])))];
  }
}

/** Takes no notes: for bulk work where nobody will ask why. */
export const NO_FLOW: FlowSink = { node() {}, edge() {}, note() {}, surprise() {} };
