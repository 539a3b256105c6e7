// The names below a node of xenstored in the order in which they came: a map whose copy costs
// little. A host has one folder with an entry for each domain, and every transaction makes a
// version of it: a plain map would be copied whole each time, and ten thousand domains would take
// ten thousand times ten thousand steps to start.

/** Below this many a plain copy costs least. */
const SMALL = 64;

export class Children<T> {
  /** Never changed while `#changes` is there: other versions share it. */
  #base: Map<string, T>;
  /** By name: what differs from a shared base; undefined = removed. Small nodes have none. */
  #changes: Map<string, T | undefined> | undefined;
  #size: number;

  constructor(base: Map<string, T> = new Map()) {
    this.#base = base;
    this.#size = base.size;
  }

  get size(): number {
    return this.#size;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  get(name: string): T | undefined {
    if (this.#changes?.has(name)) return this.#changes.get(name);
    return this.#base.get(name);
  }

  set(name: string, child: T): void {
    if (this.#changes === undefined) {
      this.#base.set(name, child);
      this.#size = this.#base.size;
      return;
    }
    if (this.get(name) === undefined) {
      this.#size++;
      // One that went and comes again is the last one.
      this.#changes.delete(name);
    }
    this.#changes.set(name, child);
  }

  delete(name: string): void {
    if (this.get(name) === undefined) return;
    this.#size--;
    if (this.#changes === undefined) this.#base.delete(name);
    else this.#changes.set(name, undefined);
  }

  /**
   * Another version: changes of either don't show in the other. Costs as many steps as there were
   * changes since the base was made, which is made anew before they are many: over n copies, the
   * square root of the size each.
   */
  copy(): Children<T> {
    if (this.#size <= SMALL) return new Children(this.#whole());
    if (this.#changes !== undefined && this.#changes.size ** 2 > this.#size) {
      this.#base = this.#whole();
      this.#changes = undefined;
    }
    this.#changes ??= new Map();
    const copy = new Children(this.#base);
    copy.#changes = new Map(this.#changes);
    copy.#size = this.#size;
    return copy;
  }

  [Symbol.iterator](): IterableIterator<[string, T]> {
    return this.#changes === undefined ? this.#base.entries() : this.#merged(this.#changes);
  }

  keys(): IterableIterator<string> {
    return this.#changes === undefined ? this.#base.keys() : this.#mergedKeys(this.#changes);
  }

  values(): IterableIterator<T> {
    return this.#changes === undefined ? this.#base.values() : this.#mergedValues(this.#changes);
  }

  #whole(): Map<string, T> {
    return new Map(this.#changes === undefined ? this.#base : this.#merged(this.#changes));
  }

  *#mergedKeys(changes: ReadonlyMap<string, T | undefined>): IterableIterator<string> {
    for (const [name] of this.#merged(changes)) yield name;
  }

  *#mergedValues(changes: ReadonlyMap<string, T | undefined>): IterableIterator<T> {
    for (const [, child] of this.#merged(changes)) yield child;
  }

  *#merged(changes: ReadonlyMap<string, T | undefined>): IterableIterator<[string, T]> {
    for (const entry of this.#base) if (!changes.has(entry[0])) yield entry;
    for (const [name, child] of changes) if (child !== undefined) yield [name, child];
  }
}
