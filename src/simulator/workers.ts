// Threads that play worlds: the clocks, timers and ids of a world are those of its thread.
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import type { Plant } from './faults.js';
import { type PlayedWorld, playWorld } from './play-world.js';

export interface WorldTask {
  readonly seed: number;
  /** Steps 0 to this number, without it. */
  readonly steps: number;
  readonly plant: Plant | null;
}

/** Plays one world. */
export type Player = (task: WorldTask) => Promise<PlayedWorld>;

/** As semi-spaces of 64 MiB, which `npm run simulate` gives to the first thread. */
const YOUNG_GENERATION_MB = 192;

export const playHere: Player = ({ seed, steps, plant }) =>
  playWorld(
    seed,
    Array.from({ length: steps }, (_, step) => step),
    { plant },
  );

/** @param module whose thread calls `servePlays` */
export function openPlayers(count: number, module: URL): { readonly players: readonly Player[]; readonly close: () => Promise<void> } {
  const threads = Array.from(
    { length: count },
    () => new Worker(module, { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB } }),
  );
  return { players: threads.map(playerOf), close: async () => void (await Promise.all(threads.map((thread) => thread.terminate()))) };
}

/** @throws Error when the thread ends */
function playerOf(thread: Worker): Player {
  return (task) =>
    new Promise((done, failed) => {
      const ended = (code: number): void => failed(new Error(`a thread of the simulator ended with ${code}`));
      thread.once('error', failed);
      thread.once('exit', ended);
      thread.once('message', (played: PlayedWorld) => {
        thread.off('error', failed);
        thread.off('exit', ended);
        done(played);
      });
      thread.postMessage(task);
    });
}

/** In a thread of openPlayers: plays what it gets. @returns whether this is one */
export function servePlays(): boolean {
  if (isMainThread || parentPort === null) return false;
  const port = parentPort;
  port.on('message', (task: WorldTask) => void playHere(task).then((played) => port.postMessage(played)));
  return true;
}
