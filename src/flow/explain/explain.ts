// A run in sentences: each decision, the numbers it was taken on, what was written, what Xen made of it, where the memory is, and what
// of it people do not expect. Reads the record alone.

import type { FlowRecord } from '../record.js';
import { explainBox } from './boxes.js';
import { pathSentence } from './chart-path.js';
import { MaskCalls } from './masks.js';
import { explainNote } from './notes.js';
import { summarySentence } from './summary.js';
import { explainSurprise } from './surprise.js';

export interface ExplainOptions {
  /** Sets of nodes that a placement is explained with, at most; 8 by default. */
  readonly candidates?: number;
}

/** One sentence or a few a line, in the order of the run; surprises last, each once. No sentence is said twice. */
export function explain(record: FlowRecord, { candidates = 8 }: ExplainOptions = {}): string[] {
  const sentences = [summarySentence(record), pathSentence(record)].filter((sentence) => sentence !== null);
  const masks = new MaskCalls();
  const tell = (told: readonly string[]) => {
    if (told.length > 0) sentences.push(...masks.flush(), ...told);
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
  sentences.push(...masks.flush(), ...surprises(record));
  return [...new Set(sentences)];
}

function surprises(record: FlowRecord): string[] {
  const first = new Map<string, string>();
  for (const entry of record.entries) {
    if (entry.kind === 'surprise' && !first.has(entry.code)) first.set(entry.code, explainSurprise(entry));
  }
  return [...first.values()];
}
