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
  readonly shrink: boolean;
  readonly replay?: string;
  readonly healthy?: boolean;
}

/** A failed run, as stored. */
interface KeptRun {
  readonly seed: number;
  /** The fault that was planted in it. */
  readonly plant?: Plant;
  readonly steps: readonly number[];
  readonly message: string;
}

function whole(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError('expected a whole number');
  return Number(text);
}

/** Prints each step and its result. @param healthy without the fault that was planted in it */
async function replay(path: string, healthy: boolean): Promise<number> {
  const { seed, steps, plant = null } = JSON.parse(readFileSync(path, 'utf8')) as KeptRun;
  const trace = (text: string) => console.log(text.slice(0, 300));
  const { digest, failure } = await playWorld(seed, steps, { plant: healthy ? null : plant, trace });
  console.log(`world ${seed}: digest ${digest}, ${failure === null ? 'all holds' : `step ${failure.step}: ${failure.message}`}`);
  return failure === null ? 0 : 1;
}

async function main({ seed, steps, plant = undefined, keep, shrink: isShrunk }: Options): Promise<number> {
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
  if (!isShrunk) {
    console.log('0 passed, 1 failed');
    return 1;
  }
  const shrunk = await shrink(failure, plant ?? null);
  console.log(`shrunk to ${shrunk.steps.length} steps: ${shrunk.steps.join(' ')}\n  ${shrunk.message}`);
  const kept: KeptRun = { seed: failure.seed, ...(plant === undefined ? {} : { plant }), ...shrunk };
  mkdirSync(keep, { recursive: true });
  const path = join(keep, plant === undefined ? `world-${failure.seed}.json` : `planted-${plant}.json`);
  writeFileSync(path, `${JSON.stringify(kept, null, 2)}\n`);
  console.log(`kept in ${path}: simulate --replay plays it again`);
  console.log('0 passed, 1 failed');
  return 1;
}

const command = new Command('simulate')
  .description('Plays random clients, guests and faults against the whole system in one process, under virtual time')
  .option('--seed <number>', 'the same seed gives the same run', whole, 1)
  .option('--steps <number>', 'how many', whole, 20_000)
  .addOption(new Option('--plant <fault>', 'a fault to be found, in the wrapping of a part').choices(PLANTS))
  .option('--keep <folder>', 'folder for shrunk failures', 'fixtures/regressions/simulator')
  .option('--no-shrink', 'say of a failure only where it is')
  .option('--replay <file>', 'a case that was kept: shows each of its steps')
  .option('--healthy', 'with --replay: without the fault that was planted')
  .parse();
const options = command.opts<Options>();
process.exitCode = options.replay === undefined ? await main(options) : await replay(options.replay, options.healthy === true);
