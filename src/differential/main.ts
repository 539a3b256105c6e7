// The differential test: random scenarios of hypercalls on the real Xen (in the rig) and on the
// embedded one, with every errno, byte and page count compared; a difference is shrunk to its
// shortest scenario.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { runCampaign, type Tally } from './campaign.js';
import { generateScenario } from './generate.js';
import { KINDS } from './kinds.js';
import { RealHost } from './real-host.js';
import { factsOf } from './snapshot.js';

interface Options {
  readonly shapes: readonly string[];
  readonly count: number;
  readonly seed: number;
  readonly only?: number;
  readonly kinds?: readonly string[];
  readonly whole: boolean;
  readonly parallel: number;
  readonly regressions: string;
}

const kinds = (text: string): string[] => {
  const names = text.split(',');
  const unknown = names.find((name) => !KINDS.has(name));
  if (unknown !== undefined) throw new InvalidArgumentError(`'${unknown}' is no kind; there are ${[...KINDS.keys()].join(', ')}`);
  return names;
};

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('expected a whole number');
  return value;
};

/** Runs the scenarios of one shape, from boot to end. */
async function runShape(shape: string, options: Options): Promise<Tally> {
  const say = (text: string) => console.log(`shape ${shape}: ${text}`);
  const booted = performance.now();
  const host = await RealHost.boot(shape, options.whole);
  try {
    const { snapshot } = host;
    const facts = factsOf(snapshot);
    const ids = options.only === undefined ? Array.from({ length: options.count }, (_, id) => id) : [options.only];
    const scenarios = ids.map((id) => generateScenario(options.seed, id, facts, options.kinds));
    const start = performance.now();
    say(
      `up after ${((start - booted) / 1000).toFixed(0)} s, ${snapshot.freePages.join(' + ')} pages free; seed ${options.seed}, ${ids.length} scenarios`,
    );
    const tally = await runCampaign(host, scenarios, say, (regression) => {
      const { id } = regression.scenario;
      const path = join(options.regressions, `${shape}-seed-${options.seed}-${id}.json`);
      mkdirSync(options.regressions, { recursive: true });
      writeFileSync(path, `${JSON.stringify(regression)}\n`);
      say(`  kept in ${path}: src/differential/regressions.test.ts plays it again`);
    });
    const rate = (tally.scenarios * 1000) / (performance.now() - start);
    say(
      `seed ${options.seed}, ${tally.scenarios} scenarios, ${tally.steps} steps (${tally.loose} within a tolerance of pages), ${tally.failed} with differences, ${tally.once} that differed once only; ${rate.toFixed(1)} scenarios a second`,
    );
    return tally;
  } finally {
    await host.stop();
  }
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
  .option('--kinds <names>', 'kinds of scenarios, with commas; by default all. Other scenarios than without it', kinds)
  .option('--whole', 'all memory free, no ballast domain: scenarios with extents of up to 1 GiB, which take seconds each', false)
  .option('--parallel <rigs>', 'shapes at a time', whole, 2)
  .option('--regressions <folder>', 'folder for the shortest scenarios that differ', 'fixtures/regressions/differential')
  .action(async (options: Options) => {
    process.exitCode = await main(options);
  })
  .parseAsync();
