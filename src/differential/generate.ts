// Random scenarios of hypercalls from a seed, in the form of the recorded ones. Box of the chart: none; the differential test.
import type { Step } from '../conformance/scenario.js';
import type { MachineFacts } from './arguments.js';
import { Generator } from './generator.js';
import { KINDS, MOVING_KINDS } from './kinds.js';
import { Random } from './random.js';

const CREDIT = 5;

export interface GeneratedScenario {
  readonly id: number;
  readonly tags: readonly string[];
  readonly steps: readonly Step[];
}

/** Scenario `id` of a seed is the same whatever else is generated. */
export function generateScenario(seed: number, id: number, facts: MachineFacts): GeneratedScenario {
  const random = new Random((Math.imul(seed, 0x9e3779b1) ^ Math.imul(id + 1, 0x85ebca6b)) >>> 0);
  const kinds = [...KINDS].filter(([name]) => facts.sched !== CREDIT || !MOVING_KINDS.has(name));
  const name = random.weighted(kinds.map(([kind, [, weight]]) => [kind, weight] as const));
  const make = new Generator(random, facts);
  KINDS.get(name)![0](make, random);
  return { id, tags: [name], steps: make.steps };
}
