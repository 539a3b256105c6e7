// Random scenarios of hypercalls from a seed, in the form of the recorded ones.

import { InputError } from '../base/errors.js';
import { Random } from '../base/random.js';
import type { Step } from '../conformance/hypercalls/scenario.js';
import type { MachineFacts } from './arguments.js';
import { Generator } from './generator.js';
import { KINDS, MOVING_KINDS } from './kinds.js';
import { WHOLE_KINDS } from './memory-kinds.js';

const CREDIT = 5;

export interface GeneratedScenario {
  readonly id: number;
  readonly tags: readonly string[];
  readonly steps: readonly Step[];
}

/**
 * Scenario `id` of a seed does not depend on the other scenarios.
 * @param only names of the allowed kinds; by default all
 */
export function generateScenario(seed: number, id: number, facts: MachineFacts, only?: readonly string[]): GeneratedScenario {
  const random = new Random((Math.imul(seed, 0x9e3779b1) ^ Math.imul(id + 1, 0x85ebca6b)) >>> 0);
  const known = facts.whole ? WHOLE_KINDS : KINDS;
  const kinds = [...known].filter(
    ([name]) => (only === undefined || only.includes(name)) && (facts.sched !== CREDIT || !MOVING_KINDS.has(name)),
  );
  if (kinds.length === 0) {
    throw new InputError(
      'none of these kinds can be performed on this machine',
      {},
      'Xen 4.17 panics when CPUs move under the credit scheduler',
    );
  }
  const name = random.weighted(kinds.map(([kind, [, weight]]) => [kind, weight] as const));
  const make = new Generator(random, facts);
  known.get(name)![0](make, random);
  return { id, tags: [name], steps: make.steps };
}
