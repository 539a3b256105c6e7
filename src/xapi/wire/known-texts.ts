// Values that are written out once for all who ask. Records never change in place, so that a
// hundred watchers of one object share one text, and all who list a class share one buffer.
import { leastBytes } from './least-size.js';
import type { Wire, WireStruct } from './values.js';

/** A map of fewer entries is no list of a class; its text is enough. */
const MANY_ENTRIES = 100;

/** The texts of one protocol. */
export class KnownTexts {
  readonly #texts = new WeakMap<object, string>();
  readonly #buffers = new WeakMap<object, Buffer>();

  get(value: WireStruct): string | undefined {
    return this.#texts.get(value);
  }

  /** Keeps the text of a value that cannot change. */
  keep(value: WireStruct, text: string): void {
    if (Object.isFrozen(value)) this.#texts.set(value, text);
  }

  /** @returns null for a small value, or one that may change */
  bufferOf(value: WireStruct, write: (value: Wire) => string): Buffer | null {
    const known = this.#buffers.get(value);
    if (known !== undefined) return known;
    if (!Object.isFrozen(value) || Object.keys(value).length < MANY_ENTRIES) return null;
    const bytes = Buffer.from(write(value));
    this.#buffers.set(value, bytes);
    // One copy of it is enough.
    this.#texts.delete(value);
    return bytes;
  }

  /** Bytes that a value takes, at least; nearly all of them where its records are known. */
  leastBytes(value: Wire): number {
    return leastBytes(value, this.#lengthOf);
  }

  readonly #lengthOf = (value: WireStruct): number | undefined => this.#texts.get(value)?.length ?? this.#buffers.get(value)?.length;
}
