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

  /** Takes the changes back, the last one first. */
  rollBack(): void {
    const steps = this.#steps;
    this.#steps = [];
    for (let at = steps.length - 1; at >= 0; at--) steps[at]!();
  }
}
