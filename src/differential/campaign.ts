// Compares scenarios on a host and on the embedded one. A scenario that differs is performed again,
// and shrunk to the shortest one that still differs.
import { type Comparison, compare, type Difference } from './compare.js';
import type { GeneratedScenario } from './generate.js';
import { DIRTY_KIND } from './memory-kinds.js';
import { type Answers, performEmbedded } from './perform.js';
import { shrink } from './shrink.js';
import type { Snapshot } from './snapshot.js';

const SHOWN_DIFFERENCES = 3;
const PROGRESS_EVERY = 100;
/**
 * Xen scrubs memory and frees structures at any time, so a difference counts only if it recurs in
 * one of this many performances.
 */
const PERFORMED_AGAIN = 2;

/** The answers and their machine: after a panic of Xen it is another boot of the same shape. */
export type HostAnswers = Answers & { readonly snapshot: Snapshot };

export interface Failure {
  readonly failure: string;
}

/** The host of the scenarios: the real Xen in the rig, or another for tests. */
export interface ScenarioHost {
  readonly snapshot: Snapshot;
  /** Answers by id, or the reason why there are none. `onAnswer`: for progress. */
  perform(scenarios: readonly GeneratedScenario[], onAnswer?: () => void): Promise<Map<number, HostAnswers | Failure>>;
}

export interface Tally {
  readonly scenarios: number;
  readonly steps: number;
  readonly failed: number;
  /** Scenarios that differed once, but not when performed again. */
  readonly once: number;
  /** Steps whose pages were compared within a tolerance only. */
  readonly loose: number;
}

/**
 * A shortest scenario that differed, with what the host answered: kept as a case that a test plays
 * again.
 */
export interface Regression {
  readonly scenario: GeneratedScenario;
  readonly answers: HostAnswers;
}

/**
 * @param say receives a line for each difference, with the shortest scenario of the first few
 * @param keep receives each shortest scenario
 */
export async function runCampaign(
  host: ScenarioHost,
  scenarios: readonly GeneratedScenario[],
  say: (text: string) => void,
  keep: (regression: Regression) => void = () => {},
): Promise<Tally> {
  const start = performance.now();
  let done = 0;
  const answers = await host.perform(scenarios, () => {
    if (++done % PROGRESS_EVERY === 0) say(`${done} performed, ${((done * 1000) / (performance.now() - start)).toFixed(1)} a second`);
  });
  let [failed, once, loose] = [0, 0, 0];
  for (const scenario of scenarios) {
    const answer = answers.get(scenario.id)!;
    if ('failure' in answer) {
      failed++;
      say(`scenario ${scenario.id} (${scenario.tags}) could not be performed: ${answer.failure}`);
      continue;
    }
    const { differences, looseSteps } = compared(scenario, answer);
    loose += looseSteps;
    if (differences.length === 0) continue;
    report(say, scenario, differences);
    const again = await differsAgain(host, scenario);
    if (again === undefined) {
      once++;
      say(`  performed again ${PERFORMED_AGAIN} times, it does not`);
      continue;
    }
    failed++;
    if (failed <= SHOWN_DIFFERENCES) await showShortest(say, host, scenario, again, keep);
  }
  return { scenarios: scenarios.length, steps: scenarios.reduce((sum, { steps }) => sum + steps.length, 0), failed, once, loose };
}

/** The answers of the embedded host that differ. */
export function compared({ steps, tags }: GeneratedScenario, answer: HostAnswers): Comparison {
  return compare(steps, answer, performEmbedded(answer.snapshot, answer.freePages, steps), tags.includes(DIRTY_KIND));
}

/** The first step that differs in another performance; undefined when none does. */
async function differsAgain(host: ScenarioHost, scenario: GeneratedScenario): Promise<number | undefined> {
  for (let performance = 0; performance < PERFORMED_AGAIN; performance++) {
    const answer = (await host.perform([scenario])).get(scenario.id)!;
    if ('failure' in answer) return scenario.steps.length - 1;
    const first = compared(scenario, answer).differences[0];
    if (first !== undefined) return first.step;
  }
  return undefined;
}

function report(say: (text: string) => void, scenario: GeneratedScenario, differences: readonly Difference[]): void {
  say(`scenario ${scenario.id} (${scenario.tags}) differs in ${differences.length} places:`);
  for (const { step, what } of differences.slice(0, SHOWN_DIFFERENCES)) say(`  step ${step}: ${what}`);
}

async function showShortest(
  say: (text: string) => void,
  host: ScenarioHost,
  scenario: GeneratedScenario,
  first: number,
  keep: (regression: Regression) => void,
): Promise<void> {
  const judge = async (candidates: readonly GeneratedScenario[]): Promise<number[]> => {
    const answers = await host.perform(candidates);
    return candidates.map((candidate) => {
      const answer = answers.get(candidate.id)!;
      return 'failure' in answer ? -1 : (compared(candidate, answer).differences[0]?.step ?? -1);
    });
  };
  const shortest = await shrink(scenario, first, judge);
  const answer = (await host.perform([shortest])).get(shortest.id)!;
  if (!('failure' in answer)) keep({ scenario: shortest, answers: answer });
  say(`  the shortest that differs, from ${scenario.steps.length} to ${shortest.steps.length} steps:`);
  const ours = 'failure' in answer ? undefined : performEmbedded(answer.snapshot, answer.freePages, shortest.steps);
  shortest.steps.forEach((step, index) => {
    const theirs = 'failure' in answer ? answer.failure : JSON.stringify(answer.results[index]);
    say(`    ${JSON.stringify(step)}\n      real ${theirs}\n      embedded ${JSON.stringify(ours?.results[index])}`);
  });
}
