// Objects as clients see them: by class, by uuid, and in the order of their last change, which
// event.from walks.
import { xapiErrors } from '../wire/errors.js';
import { newStruct, type WireStruct } from '../wire/values.js';
import { CLASSES } from './schema.js';

export interface StoredObject {
  readonly ref: string;
  readonly type: string;
  /** Frozen; a change puts another in its place. null = destroyed, or not published yet. */
  record: WireStruct | null;
  created: number;
  modified: number;
  older: StoredObject | null;
  newer: StoredObject | null;
}

/** Destroyed objects that event.from can still tell of; older tokens get EVENTS_LOST. */
export const KEPT_DELETIONS = 10_000;

export class PublishedObjects {
  readonly #byClass = new Map<string, Map<string, StoredObject>>();
  readonly #byUuid = new Map<string, StoredObject>();
  readonly #listeners = new Set<() => void>();
  /** The generation of the last change, by class. */
  readonly #changed = new Map<string, number>();
  readonly #maps = new Map<string, { readonly generation: number; readonly map: WireStruct }>();
  #newest: StoredObject | null = null;
  #deletions: StoredObject[] = [];
  #generation: number;
  #lostBefore: number;

  /** @param generation where this process begins to count */
  constructor(generation: number) {
    for (const name of CLASSES.keys()) this.#byClass.set(name, new Map());
    this.#generation = generation;
    this.#lostBefore = generation;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Tokens below this one may have missed deletions. */
  get lostBefore(): number {
    return this.#lostBefore;
  }

  get newest(): StoredObject | null {
    return this.#newest;
  }

  /** @throws XapiError HANDLE_INVALID */
  get(type: string, ref: string): WireStruct {
    const object = this.object(type, ref);
    if (object === undefined) throw xapiErrors.handleInvalid(type, ref);
    return object.record!;
  }

  object(type: string, ref: string): StoredObject | undefined {
    return this.#byClass.get(type)!.get(ref);
  }

  count(type: string): number {
    return this.#byClass.get(type)!.size;
  }

  refs(type: string): string[] {
    return [...this.#byClass.get(type)!.keys()];
  }

  *records(type: string): Iterable<[string, WireStruct]> {
    for (const [ref, { record }] of this.#byClass.get(type)!) yield [ref, record!];
  }

  /**
   * All records of a class by their refs. The same object until one of them changes, so that its
   * text is made once for all who ask.
   */
  map(type: string): WireStruct {
    const generation = this.#changed.get(type) ?? 0;
    const known = this.#maps.get(type);
    if (known?.generation === generation) return known.map;
    const map = newStruct();
    for (const [ref, record] of this.records(type)) map[ref] = record;
    this.#maps.set(type, { generation, map: Object.freeze(map) });
    return map;
  }

  /** @throws XapiError UUID_INVALID */
  refOfUuid(type: string, uuid: string): string {
    const found = this.findUuid(type, uuid);
    if (found === null) throw xapiErrors.uuidInvalid(type, uuid);
    return found;
  }

  /** The ref of a uuid; null = there is none. */
  findUuid(type: string, uuid: string): string | null {
    return this.#byUuid.get(`${type}/${uuid}`)?.ref ?? null;
  }

  /** Calls back at every change. @returns what ends it */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** An object that nobody sees before its first put. */
  blank(ref: string, type: string): StoredObject {
    return { ref, type, record: null, created: 0, modified: 0, older: null, newer: null };
  }

  put(object: StoredObject, record: WireStruct): void {
    if (object.record === null) {
      this.#byClass.get(object.type)!.set(object.ref, object);
      this.#byUuid.set(`${object.type}/${String(record.uuid)}`, object);
      object.created = this.#generation + 1;
    }
    object.record = record;
    this.#touch(object);
  }

  remove(object: StoredObject): void {
    this.#byClass.get(object.type)!.delete(object.ref);
    // Another object may have the uuid by now: one that was published at once, while this one's end
    // was still to be committed.
    const uuid = `${object.type}/${String(object.record!.uuid)}`;
    if (this.#byUuid.get(uuid) === object) this.#byUuid.delete(uuid);
    object.record = null;
    this.#touch(object);
    this.#deletions.push(object);
    if (this.#deletions.length <= KEPT_DELETIONS) return;
    const lost = this.#deletions.splice(0, KEPT_DELETIONS / 2);
    for (const one of lost) this.#unlink(one);
    this.#lostBefore = lost.at(-1)!.modified;
  }

  #touch(object: StoredObject): void {
    object.modified = ++this.#generation;
    this.#changed.set(object.type, object.modified);
    this.#unlink(object);
    object.older = this.#newest;
    if (this.#newest !== null) this.#newest.newer = object;
    this.#newest = object;
    for (const listener of this.#listeners) listener();
  }

  #unlink(object: StoredObject): void {
    if (object.older !== null) object.older.newer = object.newer;
    if (object.newer !== null) object.newer.older = object.older;
    if (this.#newest === object) this.#newest = object.older;
    object.older = null;
    object.newer = null;
  }
}
