// What hosts still have to do: a queue of numbers for each host, all of them in two typed arrays.

export class HostQueues {
  /** By entry: its number, and the next entry of its host plus one; 0 = it is the last. */
  #items = new Int32Array(1 << 12);
  #next = new Int32Array(1 << 12);
  #size = 0;
  /** By host: its first and last entry plus one; 0 = it has none. */
  readonly #first: Int32Array;
  readonly #last: Int32Array;
  /** Hosts that got entries since `drainAll`, in the order of their first one. */
  readonly #hosts: number[] = [];

  constructor(hosts: number) {
    this.#first = new Int32Array(hosts);
    this.#last = new Int32Array(hosts);
  }

  /** Entries since `drainAll`. */
  get size(): number {
    return this.#size;
  }

  push(host: number, item: number): void {
    if (this.#size === this.#items.length) {
      this.#items = doubled(this.#items);
      this.#next = doubled(this.#next);
    }
    this.#items[this.#size] = item;
    this.#next[this.#size] = 0;
    this.#size++;
    const last = this.#last[host]!;
    if (last > 0) this.#next[last - 1] = this.#size;
    else {
      this.#first[host] = this.#size;
      this.#hosts.push(host);
    }
    this.#last[host] = this.#size;
  }

  /** Gives the host's items to `each`, oldest first, and forgets them. @returns how many */
  drain(host: number, each: (item: number) => void): number {
    let count = 0;
    for (let at = this.#first[host]!; at > 0; at = this.#next[at - 1]!) {
      each(this.#items[at - 1]!);
      count++;
    }
    this.#first[host] = 0;
    this.#last[host] = 0;
    return count;
  }

  /** Calls `drain` for each host that has entries: one that was drained before may come twice. */
  drainAll(drain: (host: number) => void): void {
    for (const host of this.#hosts) drain(host);
    this.#hosts.length = 0;
    this.#size = 0;
  }
}

function doubled(words: Int32Array): Int32Array<ArrayBuffer> {
  const more = new Int32Array(2 * words.length);
  more.set(words);
  return more;
}
