// npm run simulate: random life of the whole system under faults, from a seed; a failure is shrunk
// and its case kept.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type Campaign, campaign, STEPS_OF_A_WORLD, shrink } from './campaign.js';
import { PLANTS, type Plant } from './faults.js';
import { playWorld } from './play-world.js';
import { openPlayers, playHere, servePlays } from './workers.js';

interface Options {
  readonly seed: number;
  readonly steps: number;
  readonly workers: number;
  readonly world?: number;
  readonly plant?: Plant;
  readonly keep: string;
  readonly shrink: boolean;
  readonly replay?: readonly string[];
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

async function play({ seed, steps, workers, world, plant = undefined }: Options): Promise<Campaign> {
  if (world !== undefined) {
    const { digest, failure } = await playHere({ seed: world, steps: Math.min(steps, STEPS_OF_A_WORLD), plant: plant ?? null });
    return { steps: failure === null ? Math.min(steps, STEPS_OF_A_WORLD) : failure.step + 1, worlds: 1, digest, failure };
  }
  const progress = (done: number): void => {
    if (done % 20_000 === 0) console.log(`${done} steps`);
  };
  const threads = workers > 1 ? openPlayers(workers, new URL(import.meta.url)) : null;
  try {
    return await campaign({ seed, steps, plant: plant ?? null, players: threads?.players ?? [playHere], progress });
  } finally {
    await threads?.close();
  }
}

async function main(options: Options): Promise<number> {
  const { seed, plant = undefined, keep, shrink: isShrunk } = options;
  const startedMs = performance.now();
  const result = await play(options);
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
  const failingRun: KeptRun = { seed: failure.seed, ...(plant === undefined ? {} : { plant }), ...shrunk };
  mkdirSync(keep, { recursive: true });
  const path = join(keep, plant === undefined ? `world-${failure.seed}.json` : `planted-${plant}.json`);
  writeFileSync(path, `${JSON.stringify(failingRun, null, 2)}\n`);
  console.log(`kept in ${path}: simulate --replay plays it again`);
  console.log('0 passed, 1 failed');
  return 1;
}

const command = new Command('simulate')
  .description('Plays random clients, guests and faults against the whole system in one process, under virtual time')
  .option('--seed <number>', 'the same seed gives the same run', whole, 1)
  .option('--steps <number>', 'number of steps', whole, 20_000)
  .option('--workers <number>', 'threads that play worlds side by side; the report is the same', whole, 1)
  .option('--world <seed>', 'only the world of this seed, of at most 400 steps', whole)
  .addOption(new Option('--plant <fault>', 'plant a fault that the run must find').choices(PLANTS))
  .option('--keep <folder>', 'folder for shrunk failures', 'fixtures/regressions/simulator')
  .option('--no-shrink', 'say of a failure only where it is')
  .option('--replay <file...>', 'cases that were kept: shows each of their steps')
  .option('--healthy', 'with --replay: without the fault that was planted');
if (!servePlays()) {
  const options = command.parse().opts<Options>();
  if (options.replay === undefined) process.exitCode = await main(options);
  else for (const path of options.replay) process.exitCode = (await replay(path, options.healthy === true)) || process.exitCode;
}
