// Long work in small steps, which several clients may wait for. Each of them does steps in its own
// turns: others' calls are answered in between, and a client waits for no other's turn.
import type { Principal } from '../../calls/ledger.js';
import type { Turns } from '../../calls/turns.js';

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

export class StepsInTurns<T> {
  readonly #steps: Generator<void, T>;
  readonly #turns: Turns;
  #outcome: Outcome<T> | null = null;

  constructor(steps: Generator<void, T>, turns: Turns) {
    this.#steps = steps;
    this.#turns = turns;
  }

  get isDone(): boolean {
    return this.#outcome !== null;
  }

  /**
   * @param isWanted looked at before each turn
   * @returns null = it is no longer wanted
   * @throws what a step threw, to all who wait for it
   */
  async result(principal: Principal, isWanted: () => boolean): Promise<T | null> {
    if ((await this.settled(principal, isWanted)) === 'unwanted') return null;
    const outcome = this.#outcome!;
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  /** Waits for the end, whether it is a result or an error. */
  async settled(principal: Principal, isWanted: () => boolean): Promise<'done' | 'unwanted'> {
    // The caller's own turn ends here: the steps take turns of their own.
    await null;
    while (!this.isDone) {
      if (!isWanted()) return 'unwanted';
      const taken = this.#turns.run(principal, () => this.#step());
      // A turn that has time left does the next step at once.
      if (taken !== undefined) await taken;
    }
    return 'done';
  }

  #step(): undefined {
    if (this.isDone) return;
    try {
      const step = this.#steps.next();
      if (step.done === true) this.#outcome = { value: step.value };
    } catch (error) {
      this.#outcome = { error };
    }
  }
}
