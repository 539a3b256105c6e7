// Starts whose claims have not been read yet: each is looked for again and again, for two seconds.
// Whoever may send starts can name claims that do not exist.

/** Of one placer. */
export const WAITING_OF_ONE = 128;
export const WAITING_OF_ALL = 512;

export class WaitingStarts {
  readonly #waiting = new Map<string, number>();
  #all = 0;

  /** @returns why it may not wait; null = it may, until `end` */
  begin(id: string): string | null {
    const placer = placerOf(id);
    const its = this.#waiting.get(placer) ?? 0;
    if (its >= WAITING_OF_ONE) return `${its} starts of ${placer} wait for their claims already`;
    if (this.#all >= WAITING_OF_ALL) return `${this.#all} starts wait for their claims already`;
    this.#waiting.set(placer, its + 1);
    this.#all++;
    return null;
  }

  end(id: string): void {
    const placer = placerOf(id);
    const left = this.#waiting.get(placer)! - 1;
    if (left === 0) this.#waiting.delete(placer);
    else this.#waiting.set(placer, left);
    this.#all--;
  }
}

/** An id begins with the placer whose key may write the claim. */
const placerOf = (id: string): string => id.slice(0, id.indexOf('.'));
