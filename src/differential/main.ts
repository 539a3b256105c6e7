// The differential test: random scenarios of hypercalls on the real Xen (in the rig) and on the embedded one, every errno, byte and page
// count compared; a difference is shrunk to its shortest scenario. Box of the chart: none; it checks all of Xen's.
import { Command, InvalidArgumentError } from 'commander';
import { compare, type Difference } from './compare.js';
import { type GeneratedScenario, generateScenario } from './generate.js';
import { performEmbedded } from './perform.js';
import { RealHost } from './real-host.js';
import { shrink } from './shrink.js';
import { factsOf } from './snapshot.js';

const SHOWN_DIFFERENCES = 3;
const PROGRESS_EVERY = 100;

interface Options {
  readonly shapes: readonly string[];
  readonly count: number;
  readonly seed: number;
  readonly only?: number;
  readonly parallel: number;
}

interface Tally {
  scenarios: number;
  steps: number;
  failed: number;
  loose: number;
}

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('expected a whole number');
  return value;
};

/** Scenarios of one shape, from boot to end. */
async function runShape(shape: string, options: Options): Promise<Tally> {
  const say = (text: string) => console.log(`shape ${shape}: ${text}`);
  const booted = performance.now();
  const host = await RealHost.boot(shape);
  try {
    const { snapshot } = host;
    const facts = factsOf(snapshot);
    const ids = options.only === undefined ? Array.from({ length: options.count }, (_, id) => id) : [options.only];
    const scenarios = ids.map((id) => generateScenario(options.seed, id, facts));
    const start = performance.now();
    say(
      `up after ${((start - booted) / 1000).toFixed(0)} s, ${snapshot.freePages.join(' + ')} pages free; seed ${options.seed}, ${ids.length} scenarios`,
    );
    let done = 0;
    const answers = await host.perform(scenarios, () => {
      if (++done % PROGRESS_EVERY === 0) say(`${done} performed, ${((done * 1000) / (performance.now() - start)).toFixed(1)} a second`);
    });
    const tally: Tally = { scenarios: 0, steps: 0, failed: 0, loose: 0 };
    for (const scenario of scenarios) {
      tally.scenarios++;
      tally.steps += scenario.steps.length;
      const real = answers.get(scenario.id)!;
      if ('failure' in real) {
        tally.failed++;
        say(`scenario ${scenario.id} (${scenario.tags}) could not be performed: ${real.failure}`);
        continue;
      }
      const { differences, looseSteps } = compare(scenario.steps, real, performEmbedded(real.snapshot, real.freePages, scenario.steps));
      tally.loose += looseSteps;
      if (differences.length === 0) continue;
      tally.failed++;
      report(say, scenario, differences);
      if (tally.failed <= SHOWN_DIFFERENCES) await showShortest(say, host, scenario, differences[0]!.step);
    }
    const seconds = (performance.now() - start) / 1000;
    say(
      `seed ${options.seed}, ${tally.scenarios} scenarios, ${tally.steps} steps (${tally.loose} within a tolerance of pages), ${tally.failed} with differences; ${(tally.scenarios / seconds).toFixed(1)} scenarios a second`,
    );
    return tally;
  } finally {
    await host.stop();
  }
}

function report(say: (text: string) => void, scenario: GeneratedScenario, differences: readonly Difference[]): void {
  say(`scenario ${scenario.id} (${scenario.tags}) differs in ${differences.length} places:`);
  for (const { step, what } of differences.slice(0, SHOWN_DIFFERENCES)) say(`  step ${step}: ${what}`);
}

async function showShortest(say: (text: string) => void, host: RealHost, scenario: GeneratedScenario, first: number): Promise<void> {
  const judge = async (candidates: readonly GeneratedScenario[]): Promise<number[]> => {
    const answers = await host.perform(candidates);
    return candidates.map(({ id, steps }) => {
      const real = answers.get(id)!;
      if ('failure' in real) return -1;
      return compare(steps, real, performEmbedded(real.snapshot, real.freePages, steps)).differences[0]?.step ?? -1;
    });
  };
  const shortest = await shrink(scenario, first, judge);
  const real = (await host.perform([shortest])).get(shortest.id)!;
  say(`  the shortest that differs, from ${scenario.steps.length} to ${shortest.steps.length} steps:`);
  const ours = 'failure' in real ? undefined : performEmbedded(real.snapshot, real.freePages, shortest.steps);
  shortest.steps.forEach((step, index) => {
    const theirs = 'failure' in real ? real.failure : JSON.stringify(real.results[index]);
    say(`    ${JSON.stringify(step)}\n      real ${theirs}\n      embedded ${JSON.stringify(ours?.results[index])}`);
  });
}

async function main(options: Options): Promise<number> {
  const waiting = [...options.shapes];
  const tallies: Tally[] = [];
  let broken = 0;
  const worker = async (): Promise<void> => {
    for (let shape = waiting.shift(); shape !== undefined; shape = waiting.shift()) {
      try {
        tallies.push(await runShape(shape, options));
      } catch (error) {
        broken++;
        console.log(`shape ${shape}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: options.parallel }, worker));
  const sum = (of: (tally: Tally) => number) => tallies.reduce((total, tally) => total + of(tally), 0);
  const failed = sum((tally) => tally.failed) + broken;
  console.log(`seed ${options.seed}: ${sum((tally) => tally.steps)} steps on ${tallies.length} machine shapes`);
  console.log(`${sum((tally) => tally.scenarios - tally.failed)} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

await new Command('differential')
  .description('Random scenarios of hypercalls on the real Xen of the rig and on the embedded one, compared.')
  .option('--shapes <names>', 'shapes of rig/shapes.txt, with commas', (text) => text.split(','), ['a', 'e', 'f', 'g'])
  .option('--count <scenarios>', 'scenarios a shape', whole, 525)
  .option('--seed <number>', 'of the scenarios; by default another one each time', whole, Date.now() % 1_000_000)
  .option('--only <id>', 'this scenario of the seed alone', whole)
  .option('--parallel <rigs>', 'shapes at a time', whole, 2)
  .action(async (options: Options) => {
    process.exitCode = await main(options);
  })
  .parseAsync();
