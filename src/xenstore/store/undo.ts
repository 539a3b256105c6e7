// Undoes the changes of one request in the live store if the journal cannot store them.

export class UndoLog {
  #steps: (() => void)[] = [];

  note(step: () => void): void {
    this.#steps.push(step);
  }

  /** The changes are kept. */
  clear(): void {
    if (this.#steps.length > 0) this.#steps = [];
  }

  /**
   * Takes the changes back, the last one first. Steps that change the store note how to undo
   * themselves: these are dropped with the rest, or the next rollback would bring back what this
   * one took away.
   */
  rollBack(): void {
    const steps = this.#steps;
    for (let at = steps.length - 1; at >= 0; at--) steps[at]!();
    this.#steps = [];
  }
}
