// The children of a node of oxenstored's tree, by name: a map whose copy costs little. A host has
// one folder with an entry for each domain, and every transaction makes a version of it: a plain
// map would be copied whole each time, and ten thousand domains would take ten thousand times ten
// thousand steps to start.

/** Below this many a plain copy costs least. */
const SMALL = 64;

export class Children<T> {
  /** Shared with other versions once `#isShared`: then changes go beside it. */
  #base: Map<string, T>;
  #isShared = false;
  /** By name: what differs from the base; undefined = removed. */
  #changes = new Map<string, T | undefined>();
  #size = 0;

  constructor(base: Map<string, T> = new Map()) {
    this.#base = base;
    this.#size = base.size;
  }

  get size(): number {
    return this.#size;
  }

  get(name: string): T | undefined {
    return this.#changes.has(name) ? this.#changes.get(name) : this.#base.get(name);
  }

  set(name: string, child: T): void {
    if (this.get(name) === undefined) this.#size++;
    if (this.#isShared) this.#changes.set(name, child);
    else this.#base.set(name, child);
  }

  delete(name: string): void {
    if (this.get(name) === undefined) return;
    this.#size--;
    if (this.#isShared) this.#changes.set(name, undefined);
    else this.#base.delete(name);
  }

  /**
   * Another version: changes of either don't show in the other. Costs as many steps as there were
   * changes since the base was made, which is made anew before they are many: over n copies, the
   * square root of the size each.
   */
  copy(): Children<T> {
    if (this.#size <= SMALL) return new Children(new Map(this));
    if (this.#changes.size ** 2 > this.#size) this.#rebase();
    this.#isShared = true;
    const copy = new Children(this.#base);
    copy.#isShared = true;
    copy.#changes = new Map(this.#changes);
    copy.#size = this.#size;
    return copy;
  }

  *[Symbol.iterator](): IterableIterator<[string, T]> {
    for (const entry of this.#base) if (!this.#changes.has(entry[0])) yield entry;
    for (const [name, child] of this.#changes) if (child !== undefined) yield [name, child];
  }

  *keys(): IterableIterator<string> {
    for (const [name] of this) yield name;
  }

  *values(): IterableIterator<T> {
    for (const [, child] of this) yield child;
  }

  #rebase(): void {
    this.#base = new Map(this);
    this.#changes = new Map();
    this.#isShared = false;
  }
}
