// A run in sentences: first the place of the VM, the reason and the advice, then each decision with
// its numbers, what was written, Xen's result, and the surprises. Reads only the record.

import type { FlowRecord } from '../record.js';
import { explainBox } from './boxes.js';
import { pathSentence } from './chart-path.js';
import { MaskCalls } from './masks.js';
import { explainNote } from './notes.js';
import { summarySentences } from './summary.js';
import { Sources, surpriseSentence } from './surprise.js';

export interface ExplainOptions {
  /** Most sets of nodes in the explanation of a placement; 8 by default. */
  readonly candidates?: number;
}

export interface Explanation {
  /** Place, reason and advice: one sentence each. [] for a run that built no domain. */
  readonly summary: readonly string[];
  /**
   * In the order of the run, with each surprise once at the end. "[2]" at the end of a sentence is
   * the second source.
   */
  readonly details: readonly string[];
  /** Links to the source code that the details refer to. */
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

/** Each surprise once, with the numbers of its first occurrence. */
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
