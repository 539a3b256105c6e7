// Many worlds one after another, each with a fixed number of steps; a failure names the world's
// seed and its step, and is shrunk.
import { createHash } from 'node:crypto';
import type { Plant } from './faults.js';
import { isKilled, Run, type WorldOptions } from './run.js';
import { checkpoint, step } from './steps.js';
import { VirtualProcess } from './virtual-process.js';

/** Steps in one world: a failure is replayed from its world's beginning. */
export const STEPS_OF_A_WORLD = 400;

export interface Failure {
  /** The seed of its world. */
  readonly seed: number;
  readonly step: number;
  readonly message: string;
}

/** @param steps numbers of the steps; each has random numbers of its own */
export async function playWorld(
  seed: number,
  steps: Iterable<number>,
  options: WorldOptions,
): Promise<{ digest: string; failure: Failure | null }> {
  return VirtualProcess.run(seed, async (virtual) => {
    const run = await Run.open(virtual, seed, options);
    const rejected = (error: unknown): void => {
      if (!isKilled(error))
        run.fault(`an unhandled rejection would end the daemon: ${error instanceof Error ? error.stack : String(error)}`);
    };
    process.on('unhandledRejection', rejected);
    let at = -1;
    try {
      for (at of steps) await step(run, at);
      await checkpoint(run);
      await run.end();
      return { digest: run.digest(), failure: null };
    } catch (error) {
      const message = error instanceof Error && error.name === 'InvariantError' ? error.message : String((error as Error).stack ?? error);
      return { digest: run.digest(), failure: { seed, step: at, message } };
    } finally {
      process.off('unhandledRejection', rejected);
      await run.world.kill();
    }
  });
}

export interface Campaign {
  readonly steps: number;
  readonly worlds: number;
  readonly digest: string;
  readonly failure: Failure | null;
}

export async function campaign(
  seed: number,
  steps: number,
  plant: Plant | null,
  progress: (steps: number) => void = () => {},
): Promise<Campaign> {
  const digest = createHash('sha256');
  let done = 0;
  for (let world = 0; done < steps; world++) {
    const count = Math.min(STEPS_OF_A_WORLD, steps - done);
    const played = await playWorld(
      worldSeed(seed, world),
      Array.from({ length: count }, (_, step) => step),
      { plant },
    );
    digest.update(played.digest);
    if (played.failure !== null) {
      return {
        steps: done + played.failure.step + 1,
        worlds: world + 1,
        digest: digest.digest('hex').slice(0, 16),
        failure: played.failure,
      };
    }
    done += count;
    progress(done);
  }
  return { steps: done, worlds: Math.ceil(steps / STEPS_OF_A_WORLD), digest: digest.digest('hex').slice(0, 16), failure: null };
}

function worldSeed(seed: number, world: number): number {
  return (Math.imul(seed, 0x2c1b3c6d) + Math.imul(world, 0x297a2d39)) >>> 0;
}

/** The fewest steps found that still fail, by leaving out ever smaller pieces (delta debugging). */
export async function shrink({ seed, step }: Failure, plant: Plant | null, tries = 400): Promise<{ steps: number[]; message: string }> {
  let steps = Array.from({ length: step + 1 }, (_, index) => index);
  let message = '';
  let left = tries;
  const fails = async (some: readonly number[]): Promise<boolean> => {
    left--;
    const { failure } = await playWorld(seed, some, { plant });
    if (failure !== null) message = failure.message;
    return failure !== null;
  };
  await fails(steps);
  for (let size = Math.ceil(steps.length / 2); size >= 1 && left > 0; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = steps.length - size; at > -size && left > 0; at -= size) {
      const without = [...steps.slice(0, Math.max(at, 0)), ...steps.slice(Math.max(at, 0) + size)];
      if (without.length < steps.length && (await fails(without))) steps = without;
    }
  }
  await fails(steps);
  return { steps, message };
}
