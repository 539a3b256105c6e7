// The real answers against the embedded ones, step by step. Box of the chart: none; the differential test.
import { differences } from '../conformance/differences.js';
import type { JsonObject } from '../conformance/player.js';
import type { Step } from '../conformance/scenario.js';
import type { Answers, performEmbedded } from './perform.js';

export interface Difference {
  readonly step: number;
  readonly what: string;
}

export interface Comparison {
  readonly differences: readonly Difference[];
  /** Steps whose pages were compared within a tolerance only. */
  readonly looseSteps: number;
}

export function compare(steps: readonly Step[], real: Answers, embedded: ReturnType<typeof performEmbedded>): Comparison {
  const found: Difference[] = embedded.faults.map((what) => ({
    step: steps.length - 1,
    what: `the embedded hypervisor broke its own rule: ${what}`,
  }));
  const looseSteps = 0;
  steps.forEach((step, index) => {
    const theirs = real.results[index]!;
    const ours = embedded.results[index]!;
    if (step.op === 'numainfo') {
      found.push(...freeDifferences(theirs, ours, index));
      return;
    }
    found.push(
      ...differences(theirs, ours, '').map((what) => ({
        step: index,
        what: `${step.op} ${step.dom ?? ''}: ${what.replace('recorded', 'real').replace('here', 'embedded')}`,
      })),
    );
  });
  return { differences: found, looseSteps };
}

/** Xen takes and gives back pages for structures of its own at any time. */
const OWN_PAGES = 256;

function freeDifferences(theirs: JsonObject, ours: JsonObject, step: number): Difference[] {
  const [a, b] = [theirs.free_pages as readonly number[] | undefined, ours.free_pages as readonly number[] | undefined];
  if (a === undefined || b === undefined) return differences(theirs, ours, '').map((what) => ({ step, what }));
  return a.flatMap((pages, node) =>
    Math.abs(pages - b[node]!) <= OWN_PAGES ? [] : [{ step, what: `numainfo node ${node}: real ${pages} free, embedded ${b[node]}` }],
  );
}
