import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OWN_TURN, type Turn, TurnMutex, takeTurns } from './turns.js';

const SEED = 7;

async function interleaving(seed: number, tasks: number, steps: number): Promise<string> {
  const seen: number[] = [];
  await takeTurns(
    seed,
    Array.from({ length: tasks }, (_, task) => async (turn: Turn) => {
      for (let step = 0; step < steps; step++) {
        seen.push(task);
        await turn();
      }
    }),
  );
  return seen.join('');
}

describe('turns', () => {
  it('are the same for the same seed, and every task gets all of its own', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 9 }), async (seed, tasks, steps) => {
        const first = await interleaving(seed, tasks, steps);
        expect(await interleaving(seed, tasks, steps)).toBe(first);
        for (let task = 0; task < tasks; task++) expect(first.split(String(task)).length - 1).toBe(steps);
      }),
      { seed: SEED },
    );
  });

  it('differ between seeds', async () => {
    const runs = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((seed) => interleaving(seed, 3, 5)));
    expect(new Set(runs).size).toBeGreaterThan(1);
  });

  it('are held while something else is awaited', async () => {
    let inside = 0;
    const task = async (turn: Turn) => {
      for (let step = 0; step < 5; step++) {
        inside++;
        await new Promise((resolve) => setImmediate(resolve));
        expect(inside).toBe(1);
        inside--;
        await turn();
      }
    };
    await takeTurns(3, [task, task, task]);
  });

  it('go on after a task has failed, whose error comes out at the end', async () => {
    const done: string[] = [];
    const run = takeTurns(1, [
      async (turn: Turn) => {
        await turn();
        throw new Error('one failed');
      },
      async (turn: Turn) => {
        for (let step = 0; step < 5; step++) await turn();
        done.push('two');
      },
    ]);
    await expect(run).rejects.toThrow('one failed');
    expect(done).toEqual(['two']);
  });

  it('and a lock lets one in at a time, though its owner waits for turns', async () => {
    const mutex = new TurnMutex();
    let inside = 0;
    const task = (turn: Turn) =>
      mutex.with(turn, async () => {
        inside++;
        for (let step = 0; step < 3; step++) {
          expect(inside).toBe(1);
          await turn();
        }
        inside--;
      });
    await takeTurns(9, [task, task, task, task]);
    await expect(
      mutex.with(OWN_TURN, async () => {
        throw new Error('failed inside');
      }),
    ).rejects.toThrow('failed inside');
    expect(await mutex.with(OWN_TURN, async () => 'free again')).toBe('free again');
  });

  it('and a task outside any round waits for the lock without keeping the process busy', async () => {
    const mutex = new TurnMutex();
    const order: string[] = [];
    const slow = mutex.with(OWN_TURN, async () => {
      // Fires only when the event loop goes round: a waiter that spins would keep it from that.
      await new Promise((done) => setTimeout(done, 1));
      order.push('slow');
    });
    const round = takeTurns(3, [(turn: Turn) => mutex.with(turn, async () => void order.push('in a round'))]);
    await Promise.all([mutex.with(OWN_TURN, async () => void order.push('alone')), round, slow]);
    expect(order[0]).toBe('slow');
    expect(order).toHaveLength(3);
  });
});
