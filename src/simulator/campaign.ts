// Many worlds, each with a fixed number of steps; a failure names the world's seed and its step,
// and is shrunk.
import { createHash } from 'node:crypto';
import type { Plant } from './faults.js';
import { type Failure, type PlayedWorld, playWorld } from './play-world.js';
import type { Player } from './workers.js';

/** Steps in one world: a failure is replayed from its world's beginning. */
export const STEPS_OF_A_WORLD = 400;

export interface Campaign {
  readonly steps: number;
  readonly worlds: number;
  readonly digest: string;
  readonly failure: Failure | null;
}

export interface CampaignOptions {
  readonly seed: number;
  readonly steps: number;
  readonly plant: Plant | null;
  /** Each plays one world after the other; the result is the same for any number of them. */
  readonly players: readonly Player[];
  /** After each world, in the order of the worlds. */
  readonly progress?: (steps: number) => void;
}

/** Plays the worlds of a seed up to the first one that fails. */
export async function campaign({ seed, steps, plant, players, progress = () => {} }: CampaignOptions): Promise<Campaign> {
  const worlds = Math.ceil(steps / STEPS_OF_A_WORLD);
  const stepsOf = (world: number): number => Math.min(STEPS_OF_A_WORLD, steps - world * STEPS_OF_A_WORLD);
  const digest = createHash('sha256');
  /** Those that ended before an earlier one. */
  const early = new Map<number, PlayedWorld>();
  let next = 0;
  let last = worlds;
  let done = 0;
  let failure: Failure | null = null;
  const inOrder = (): void => {
    for (let played = early.get(done); played !== undefined && failure === null; played = early.get(done)) {
      early.delete(done++);
      digest.update(played.digest);
      failure = played.failure;
      if (failure === null) progress(Math.min(done * STEPS_OF_A_WORLD, steps));
    }
  };
  const lane = async (play: Player): Promise<void> => {
    while (next < last) {
      const world = next++;
      const played = await play({ seed: worldSeed(seed, world), steps: stepsOf(world), plant });
      // Later worlds do not count any more.
      if (played.failure !== null) last = Math.min(last, world);
      early.set(world, played);
      inOrder();
    }
  };
  await Promise.all(players.map(lane));
  const failed = failure as Failure | null;
  const played = failed === null ? steps : (done - 1) * STEPS_OF_A_WORLD + failed.step + 1;
  return { steps: played, worlds: done, digest: digest.digest('hex').slice(0, 16), failure: failed };
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
