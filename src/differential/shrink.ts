// Finds the shortest scenario that still shows a difference: steps are left out as long as the two
// hosts still differ.
import type { Step } from '../conformance/hypercalls/scenario.js';
import type { GeneratedScenario } from './generate.js';

const ROUNDS = 8;

/** For each candidate: the first step that differs; -1 = none does. */
export type Judge = (candidates: readonly GeneratedScenario[]) => Promise<readonly number[]>;

/**
 * Each round tries every step alone and then all that were not needed together, in two batches,
 * because starting a batch is the main cost.
 */
export async function shrink(scenario: GeneratedScenario, firstDifference: number, judge: Judge): Promise<GeneratedScenario> {
  const variant = (steps: readonly Step[], id = 0): GeneratedScenario => ({ ...scenario, id, steps });
  let steps = scenario.steps.slice(0, firstDifference + 1);
  for (let round = 0; round < ROUNDS && steps.length > 1; round++) {
    const without = steps.map((_, left) => steps.filter((_, index) => index !== left));
    const differs = await judge(without.map(variant));
    const unneeded = new Set([...without.keys()].filter((index) => differs[index]! >= 0));
    if (unneeded.size === 0) break;
    const together = steps.filter((_, index) => !unneeded.has(index));
    const half = steps.filter((_, index) => !unneeded.has(index) || index % 2 === 0);
    const [all, some] = together.length === 0 ? [-1, -1] : await judge([variant(together, 0), variant(half, 1)]);
    if (all! >= 0) steps = together.slice(0, all! + 1);
    else if (some! >= 0 && half.length < steps.length) steps = half.slice(0, some! + 1);
    else steps = without[Math.min(...unneeded)]!;
  }
  return variant(steps, scenario.id);
}
