// Hosts (or nodes) in the order of their free memory, the most first; equal ones by number. Finds
// the k-th and counts those with enough in a time that hardly depends on how many there are: keys
// lie sorted in blocks of at most 128.

const BLOCK = 128;

interface Block {
  readonly keys: Float64Array;
  size: number;
}

export class HostOrder {
  readonly #count: number;
  readonly #most: number;
  /** Value of each member. */
  readonly #value: Float64Array;
  /** Never empty but for one; keys ascending within and across. */
  readonly #blocks: Block[] = [];

  /**
   * @param most the greatest value that any will have; values are whole numbers, -1 and more
   * @param value of all at first
   */
  constructor(count: number, most: number, value: (member: number) => number) {
    this.#count = count;
    this.#most = most;
    this.#value = Float64Array.from({ length: count }, (_, member) => value(member));
    const keys = Float64Array.from({ length: count }, (_, member) => this.#key(this.#value[member]!, member)).sort();
    for (let at = 0; at < count; at += BLOCK / 2) {
      const block = { keys: new Float64Array(BLOCK), size: Math.min(BLOCK / 2, count - at) };
      block.keys.set(keys.subarray(at, at + block.size));
      this.#blocks.push(block);
    }
  }

  valueOf(member: number): number {
    return this.#value[member]!;
  }

  update(member: number, value: number): void {
    const before = this.#value[member]!;
    if (before === value) return;
    this.#remove(this.#key(before, member));
    this.#insert(this.#key(value, member));
    this.#value[member] = value;
  }

  /** How many have that value or more. */
  countAtLeast(value: number): number {
    const limit = (this.#most - value + 1) * this.#count;
    const at = this.#blockOf(limit);
    let count = 0;
    for (let block = 0; block < at; block++) count += this.#blocks[block]!.size;
    return count + positionIn(this.#blocks[at]!, limit);
  }

  /** The member at that position, 0 = most free. */
  at(position: number): number {
    let rest = position;
    for (const { keys, size } of this.#blocks) {
      if (rest < size) {
        // Faster than %, and exact: keys are far below 2^53 times the share of one member.
        const key = keys[rest]!;
        return (key - Math.floor(key / this.#count) * this.#count) | 0;
      }
      rest -= size;
    }
    throw new RangeError(`no position ${position} among ${this.#count}`);
  }

  #key(value: number, member: number): number {
    return (this.#most - value) * this.#count + member;
  }

  /** The first block whose last key is not below; the last one when all are. */
  #blockOf(key: number): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      const { keys, size } = this.#blocks[middle]!;
      if (keys[size - 1]! < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #remove(key: number): void {
    const at = this.#blockOf(key);
    const block = this.#blocks[at]!;
    const position = positionIn(block, key);
    block.keys.copyWithin(position, position + 1, block.size);
    block.size--;
    if (block.size === 0 && this.#blocks.length > 1) this.#blocks.splice(at, 1);
  }

  #insert(key: number): void {
    let at = this.#blockOf(key);
    if (this.#blocks[at]!.size === BLOCK) {
      const full = this.#blocks[at]!;
      const upper = { keys: new Float64Array(BLOCK), size: BLOCK / 2 };
      upper.keys.set(full.keys.subarray(BLOCK / 2));
      full.size = BLOCK / 2;
      this.#blocks.splice(at + 1, 0, upper);
      if (full.keys[full.size - 1]! < key) at++;
    }
    const block = this.#blocks[at]!;
    const position = positionIn(block, key);
    block.keys.copyWithin(position + 1, position, block.size);
    block.keys[position] = key;
    block.size++;
  }
}

/** How many keys of the block are below. */
function positionIn({ keys, size }: Block, key: number): number {
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
