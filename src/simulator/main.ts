// npm run simulate: random life of the whole system under faults, from a seed; a failure is shrunk
// and its case kept.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { campaign, playWorld, shrink } from './campaign.js';
import { PLANTS, type Plant } from './faults.js';

interface Options {
  readonly seed: number;
  readonly steps: number;
  readonly plant?: Plant;
  readonly keep: string;
  readonly replay?: string;
}

function whole(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError('expected a whole number');
  return Number(text);
}

/** Each step and what it came to. */
async function replay(path: string): Promise<number> {
  const { seed, steps } = JSON.parse(readFileSync(path, 'utf8')) as { seed: number; steps: readonly number[] };
  const { digest, failure } = await playWorld(seed, steps, { plant: null, trace: (text) => console.log(text.slice(0, 300)) });
  console.log(`world ${seed}: digest ${digest}, ${failure === null ? 'all holds' : `step ${failure.step}: ${failure.message}`}`);
  return failure === null ? 0 : 1;
}

async function main({ seed, steps, plant = undefined, keep }: Options): Promise<number> {
  const startedMs = performance.now();
  const result = await campaign(seed, steps, plant ?? null, (done) => {
    if (done % 20_000 === 0) console.log(`${done} steps`);
  });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`seed ${seed}: ${result.steps} steps in ${result.worlds} worlds, ${seconds} s, digest ${result.digest}`);
  if (result.failure === null) {
    console.log('1 passed, 0 failed');
    return 0;
  }
  const { failure } = result;
  console.log(`world ${failure.seed}, step ${failure.step}: ${failure.message}`);
  const shrunk = await shrink(failure, plant ?? null);
  console.log(`shrunk to ${shrunk.steps.length} steps: ${shrunk.steps.join(' ')}\n  ${shrunk.message}`);
  if (plant === undefined) {
    mkdirSync(keep, { recursive: true });
    const path = join(keep, `world-${failure.seed}.json`);
    writeFileSync(path, `${JSON.stringify({ seed: failure.seed, ...shrunk }, null, 2)}\n`);
    console.log(`kept in ${path}: simulate --replay plays it again`);
  }
  console.log('0 passed, 1 failed');
  return 1;
}

const command = new Command('simulate')
  .description('Plays random clients, guests and faults against the whole system in one process, under virtual time')
  .option('--seed <number>', 'the same seed gives the same run', whole, 1)
  .option('--steps <number>', 'how many', whole, 20_000)
  .addOption(new Option('--plant <fault>', 'a fault to be found, in the wrapping of a part').choices(PLANTS))
  .option('--keep <folder>', 'folder for shrunk failures', 'fixtures/regressions/simulator')
  .option('--replay <file>', 'a case that was kept: shows each of its steps')
  .parse();
const options = command.opts<Options>();
process.exitCode = options.replay === undefined ? await main(options) : await replay(options.replay);
