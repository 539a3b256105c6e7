// Compares the real answers with the embedded ones, step by step.
import { differences } from '../conformance/differences.js';
import type { Step } from '../conformance/hypercalls/scenario.js';
import type { JsonObject } from '../conformance/player.js';
import type { Answers, performEmbedded } from './perform.js';

export interface Difference {
  readonly step: number;
  readonly what: string;
}

export interface Comparison {
  /** In the order of the steps. */
  readonly differences: readonly Difference[];
  /** Steps whose pages were compared within a tolerance only. */
  readonly looseSteps: number;
}

/** Xen allocates and frees pages for its own structures at any time. */
const OWN_PAGES = 256;
/**
 * With fewer free pages on a node, only pieces below 2 MiB may be left. Xen's own pages decide
 * which, and so the nodes of the extents.
 */
const NEARLY_FULL_PAGES = 2560;
const FULL_TOLERANCE_PAGES = 1024;

/**
 * `dirty`: Xen had not scrubbed what a domain left behind, so that extents above order 0 went to
 * clean blocks of other nodes first: how many there were is compared from then on, not where.
 */
export function compare(steps: readonly Step[], real: Answers, embedded: ReturnType<typeof performEmbedded>, dirty: boolean): Comparison {
  const differing: Difference[] = [];
  let looseSteps = 0;
  let full = false;
  let anywhere = false;
  steps.forEach((step, index) => {
    anywhere ||= dirty && step.op === 'destroydomain';
    const theirs = anywhere ? withoutNodes(real.results[index]!) : real.results[index]!;
    const ours = anywhere ? withoutNodes(embedded.results[index]!) : embedded.results[index]!;
    full ||= embedded.free[index]!.some((pages, node) => embedded.freePages[node]! > 0 && pages < NEARLY_FULL_PAGES);
    const loose = step.op === 'numainfo' || (full && (step.op === 'populate_physmap' || step.op === 'getdomaininfo'));
    if (loose) looseSteps++;
    const found = loose ? looseDifferences(theirs, ours, full ? FULL_TOLERANCE_PAGES : OWN_PAGES) : differences(theirs, ours, '');
    for (const what of found) {
      differing.push({
        step: index,
        what: `${step.op}${step.dom === undefined ? '' : ` ${step.dom}`}: ${what.replace('recorded', 'real').replace('here', 'embedded')}`,
      });
    }
  });
  const broken = embedded.faults.map((what) => ({ step: steps.length - 1, what: `the embedded hypervisor broke its own rule: ${what}` }));
  return { differences: [...differing, ...broken], looseSteps };
}

/** Only the sum of the free pages of all nodes is compared, not the nodes of extents. */
function withoutNodes({ per_node: _, seq: __, ...answer }: JsonObject): JsonObject {
  const free = answer.free_pages;
  return Array.isArray(free) ? { ...answer, free_pages: [(free as number[]).reduce((sum, pages) => sum + pages, 0)] } : answer;
}

/**
 * Counts of pages and extents are compared within a tolerance, the order of nodes not at all, and
 * all else exactly.
 */
function looseDifferences(theirs: JsonObject, ours: JsonObject, tolerance: number): string[] {
  const near = (name: string) => {
    const [a, b] = [[theirs[name] ?? []].flat() as number[], [ours[name] ?? []].flat() as number[]];
    return a.length === b.length && a.every((pages, at) => Math.abs(pages - b[at]!) <= tolerance);
  };
  const alike = ['free_pages', 'per_node', 'done', 'tot_pages', 'outstanding'].filter(near);
  const without = (answer: JsonObject) =>
    Object.fromEntries(Object.entries(answer).filter(([name]) => name !== 'seq' && !alike.includes(name)));
  return differences(without(theirs), without(ours), '');
}
