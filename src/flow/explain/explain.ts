// A run in sentences: first where the VM is, why and what to do, then each decision with the
// numbers it was taken on, what was written, what Xen made of it, and what of it people do not
// expect. Reads the record alone.

import type { FlowRecord } from '../record.js';
import { explainBox } from './boxes.js';
import { pathSentence } from './chart-path.js';
import { MaskCalls } from './masks.js';
import { explainNote } from './notes.js';
import { summarySentences } from './summary.js';
import { Sources, surpriseSentence } from './surprise.js';

export interface ExplainOptions {
  /** Sets of nodes that a placement is explained with, at most; 8 by default. */
  readonly candidates?: number;
}

export interface Explanation {
  /** Where the VM is, why, and what to do: one sentence each. [] for a run that built no domain. */
  readonly summary: readonly string[];
  /**
   * In the order of the run, surprises last; none is said twice. "[2]" at the end of a sentence is
   * the second source.
   */
  readonly details: readonly string[];
  /** Links to the source code that the details are about. */
  readonly sources: readonly string[];
}

export function explain(record: FlowRecord, { candidates = 8 }: ExplainOptions = {}): Explanation {
  const path = pathSentence(record);
  const details = path === null ? [] : [path];
  const masks = new MaskCalls();
  const tell = (sentences: readonly string[]) => {
    if (sentences.length > 0) details.push(...masks.flush(), ...sentences);
  };
  for (const entry of record.entries) {
    if (entry.kind === 'note') tell(explainNote(entry));
    else if (entry.kind === 'node') {
      if (entry.node === 'XEN_VCPUAFFINITY_HARD') masks.add('hard', entry.values);
      else if (entry.node === 'XEN_VCPUAFFINITY_SOFT') masks.add('soft', entry.values);
      else if (entry.node === 'domain_node_affinity') masks.nodes(entry.values);
      else tell(explainBox(entry, { candidates }));
    }
  }
  const sources = new Sources();
  details.push(...masks.flush(), ...surpriseSentences(record, sources));
  return { summary: summarySentences(record), details: [...new Set(details)], sources: sources.links };
}

/** Each surprise once, with the numbers of its first time. */
function surpriseSentences(record: FlowRecord, sources: Sources): string[] {
  const said = new Set<string>();
  const sentences: string[] = [];
  for (const entry of record.entries) {
    if (entry.kind !== 'surprise' || said.has(entry.code)) continue;
    said.add(entry.code);
    sentences.push(surpriseSentence(entry, sources));
  }
  return sentences;
}
