// Turns of parallel tasks: one task at a time continues, and a seed decides which is next. The same
// seed gives the same interleaving, so a race can be reproduced. Stands for xenopsd's worker
// threads.

import { seededNumbers } from '../../base/random.js';

/** Awaited between two steps. */
export type Turn = () => Promise<void>;

/** Serial work: always one's own turn. */
export const OWN_TURN: Turn = async () => {};

/**
 * Runs the tasks in parallel. A task holds the turn from one `turn()` to the next, even while it
 * awaits something.
 * @returns their results in the order of the tasks; rejects with the first error once all have
 *   ended
 */
export async function takeTurns<T>(seed: number, tasks: readonly ((turn: Turn) => Promise<T>)[]): Promise<T[]> {
  const next = seededNumbers(seed);
  const waiting: (() => void)[] = [];
  let running = 0;
  const pass = (): void => {
    running--;
    if (running > 0 || waiting.length === 0) return;
    running = 1;
    const [chosen] = waiting.splice(next() % waiting.length, 1);
    chosen!();
  };
  const turn: Turn = () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      pass();
    });
  running = tasks.length;
  const settled = await Promise.allSettled(
    tasks.map(async (task) => {
      await turn();
      try {
        return await task(turn);
      } finally {
        pass();
      }
    }),
  );
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

/**
 * A lock whose owner may wait for its turn while it holds it. Short: nothing that is awaited inside
 * may take time of its own.
 */
export class TurnMutex {
  #holder: { readonly turn: Turn; readonly released: Promise<void> } | null = null;

  /** Runs `body` when no other task holds the lock. */
  async with<T>(turn: Turn, body: () => Promise<T>): Promise<T> {
    while (this.#holder !== null) {
      // Tasks of one round take turns, so that the seed decides who is next; a holder outside the
      // round needs no turn of it.
      const sameRound = turn !== OWN_TURN && this.#holder.turn === turn;
      await (sameRound ? turn() : this.#holder.released);
    }
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#holder = { turn, released };
    try {
      return await body();
    } finally {
      this.#holder = null;
      release();
    }
  }
}
