// One world, from its first step to its end or to the invariant that does not hold.
import { isKilled, Run, type WorldOptions } from './run.js';
import { checkpoint, step } from './steps.js';
import { VirtualProcess } from './virtual-process.js';

export interface Failure {
  /** The seed of its world. */
  readonly seed: number;
  readonly step: number;
  readonly message: string;
}

export interface PlayedWorld {
  readonly digest: string;
  readonly failure: Failure | null;
}

/** @param steps numbers of the steps; each has random numbers of its own */
export async function playWorld(seed: number, steps: Iterable<number>, options: WorldOptions): Promise<PlayedWorld> {
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
