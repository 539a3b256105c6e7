// One run of one VM, as `explain` reports it.
import { explain } from '../../flow/explain/explain.js';
import type { FlowRecord } from '../../flow/record.js';
import type { ExplainAnswer } from './answers.js';

export function explainedRun(record: FlowRecord): ExplainAnswer['runs'][number] {
  const { summary, details, sources } = explain(record);
  return {
    title: record.title,
    summary: [...summary],
    sentences: [...details],
    sources: [...sources],
    nodes: record.nodesVisited(),
    path: record.edgesTaken(),
  };
}
