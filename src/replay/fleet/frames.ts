// Frames that VMs have, as runs of neighbours: of one start, and of all VMs of a fleet. In typed
// arrays, since a start has hundreds of runs and a fleet millions.

/** Runs of frames [start, end), newest last. */
export class Runs {
  /** Starts and ends in turn; only the first 2 * count count. */
  words = new Int32Array(64);
  count = 0;
  pages = 0;

  clear(): void {
    this.count = 0;
    this.pages = 0;
  }

  /** A run that borders on the one before joins it. */
  add(start: number, end: number): void {
    const words = this.words;
    const at = 2 * this.count;
    this.pages = (this.pages + end - start) | 0;
    if (at > 0 && words[at - 2] === end) words[at - 2] = start;
    else if (at > 0 && words[at - 1] === start) words[at - 1] = end;
    else this.#push(at, start, end);
  }

  #push(at: number, start: number, end: number): void {
    if (at === this.words.length) {
      const more = new Int32Array(2 * at);
      more.set(this.words);
      this.words = more;
    }
    this.words[at] = start;
    this.words[at + 1] = end;
    this.count++;
  }
}

const LEAST_ORDER = 4;

/** The runs of many VMs; each has a place, which is a power of two of words. */
export class FrameStore {
  #words = new Int32Array(1 << 16);
  #used = 0;
  /** By order: places that are free. */
  readonly #free: number[][] = Array.from({ length: 31 }, () => []);

  /**
   * Keeps all runs in the order in which `release` gives them back: by owner and node, each node's
   * newest first. After the number of all words, each node has its number, the number of its words,
   * and the first frame and the pages of each run.
   * @returns the place
   */
  keep(owners: readonly (readonly Runs[])[]): number {
    let needed = 1;
    for (const owned of owners) for (const { count } of owned) if (count > 0) needed += 2 + 2 * count;
    const order = orderFor(needed);
    const place = this.#free[order]!.pop() ?? this.#reserve(1 << order);
    const words = this.#words;
    words[place] = needed;
    let to = place + 1;
    for (const owned of owners) {
      for (let node = 0; node < owned.length; node++) {
        const { count, words: from } = owned[node]!;
        if (count === 0) continue;
        words[to++] = node;
        words[to++] = 2 * count;
        for (let at = 2 * count - 2; at >= 0; at -= 2) {
          words[to++] = from[at]!;
          words[to++] = from[at + 1]! - from[at]!;
        }
      }
    }
    return place;
  }

  /**
   * Gives each node's runs of the place to `each`, and forgets them.
   * @param each the runs' first frames and pages are words[from] to words[to - 1], in turn
   */
  release(place: number, each: (node: number, words: Int32Array, from: number, to: number) => void): void {
    const words = this.#words;
    const needed = words[place]!;
    for (let at = place + 1; at < place + needed; ) {
      const from = at + 2;
      const to = from + words[at + 1]!;
      each(words[at]!, words, from, to);
      at = to;
    }
    this.#free[orderFor(needed)]!.push(place);
  }

  #reserve(words: number): number {
    const place = this.#used;
    this.#used += words;
    if (this.#used > this.#words.length) {
      const more = new Int32Array(Math.max(2 * this.#words.length, this.#used));
      more.set(this.#words);
      this.#words = more;
    }
    return place;
  }
}

function orderFor(words: number): number {
  return Math.max(LEAST_ORDER, 32 - Math.clz32(words - 1));
}
