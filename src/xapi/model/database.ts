// XAPI's objects: in memory for reading, in order of their last change for event.from, and on disk before any call that changed them is
// answered.
import { randomUUID } from 'node:crypto';
import { xapiErrors } from '../wire/errors.js';
import { newStruct, type Wire, type WireStruct } from '../wire/values.js';
import { CLASSES, classOf } from './schema.js';

export interface StoredObject {
  readonly ref: string;
  readonly type: string;
  /** Frozen; a change puts another in its place. null = destroyed. */
  record: WireStruct | null;
  readonly created: number;
  modified: number;
  older: StoredObject | null;
  newer: StoredObject | null;
}

/** Where objects of kept classes go. */
export interface Keeper {
  load(): Iterable<{ readonly ref: string; readonly type: string; readonly record: WireStruct }>;
  /** All of it or nothing, and durable when it returns. `record` null = destroyed. */
  commit(changes: Iterable<{ readonly ref: string; readonly type: string; readonly record: WireStruct | null }>): void;
}

/** Destroyed objects that event.from can still tell of; older tokens get EVENTS_LOST. */
export const KEPT_DELETIONS = 10_000;

export class Database {
  readonly #keeper: Keeper;
  readonly #byClass = new Map<string, Map<string, StoredObject>>();
  readonly #byUuid = new Map<string, StoredObject>();
  readonly #dirty = new Map<string, StoredObject>();
  readonly #listeners = new Set<() => void>();
  #newest: StoredObject | null = null;
  #oldest: StoredObject | null = null;
  #deletions: StoredObject[] = [];
  #generation: number;
  #lostBefore: number;
  #flush: Promise<void> | null = null;

  /** @param nowMs the generations of this process start here, so that tokens of an earlier one are told from its own */
  constructor(keeper: Keeper, nowMs: number) {
    this.#keeper = keeper;
    for (const name of CLASSES.keys()) this.#byClass.set(name, new Map());
    this.#generation = nowMs * 1000;
    this.#lostBefore = this.#generation;
    for (const { ref, type, record } of keeper.load()) this.#insert(ref, type, this.#complete(type, record));
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

  /** @returns the new object's ref */
  create(type: string, fields: Readonly<Record<string, Wire>>, uuid: string = randomUUID()): string {
    const ref = `OpaqueRef:${randomUUID()}`;
    this.#touch(this.#insert(ref, type, this.#complete(type, { ...fields, uuid })));
    return ref;
  }

  /** @throws XapiError HANDLE_INVALID */
  get(type: string, ref: string): WireStruct {
    return this.#object(type, ref).record!;
  }

  has(type: string, ref: string): boolean {
    return this.#byClass.get(type)!.has(ref);
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

  /** @throws XapiError UUID_INVALID */
  refOfUuid(type: string, uuid: string): string {
    const found = this.#byUuid.get(`${type}/${uuid}`);
    if (found === undefined) throw xapiErrors.uuidInvalid(type, uuid);
    return found.ref;
  }

  /** The ref of a uuid; null = there is none. */
  findUuid(type: string, uuid: string): string | null {
    return this.#byUuid.get(`${type}/${uuid}`)?.ref ?? null;
  }

  /**
   * Nothing happens when the fields have these values already.
   * @param keep false for what the next start finds out anew: it is told to watchers, and not written
   * @throws XapiError HANDLE_INVALID
   */
  update(type: string, ref: string, changes: Readonly<Record<string, Wire>>, keep = true): void {
    const object = this.#object(type, ref);
    const old = object.record!;
    if (Object.entries(changes).every(([name, value]) => old[name] === value)) return;
    object.record = freeze(Object.assign(newStruct(), old, changes));
    this.#touch(object, keep);
  }

  /** A change of nothing, which event.from tells of. @throws XapiError HANDLE_INVALID */
  inject(type: string, ref: string): void {
    this.#touch(this.#object(type, ref));
  }

  /** @throws XapiError HANDLE_INVALID */
  destroy(type: string, ref: string): void {
    const object = this.#object(type, ref);
    this.#byClass.get(type)!.delete(ref);
    this.#byUuid.delete(`${type}/${String(object.record!.uuid)}`);
    object.record = null;
    this.#touch(object);
    this.#deletions.push(object);
    if (this.#deletions.length > KEPT_DELETIONS) {
      const lost = this.#deletions.splice(0, KEPT_DELETIONS / 2);
      for (const one of lost) this.#unlink(one);
      this.#lostBefore = lost.at(-1)!.modified;
    }
  }

  /** Calls back soon after changes, many of them at once. @returns what ends it */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves once every change up to now is durable; changes of calls that end together share one commit. */
  flushed(): Promise<void> {
    if (this.#dirty.size === 0) return this.#flush ?? Promise.resolve();
    this.#flush ??= new Promise((done, failed) => {
      setImmediate(() => {
        this.#flush = null;
        try {
          this.flushNow();
          done();
        } catch (error) {
          failed(error);
        }
      });
    });
    return this.#flush;
  }

  flushNow(): void {
    if (this.#dirty.size === 0) return;
    this.#keeper.commit(this.#dirty.values());
    this.#dirty.clear();
  }

  #object(type: string, ref: string): StoredObject {
    const object = this.#byClass.get(type)!.get(ref);
    if (object === undefined) throw xapiErrors.handleInvalid(type, ref);
    return object;
  }

  /** Fields that the class has and the record has not come with their defaults: an older state gains fields so. */
  #complete(type: string, fields: Readonly<Record<string, Wire>>): WireStruct {
    const record = newStruct();
    for (const [name, { initial }] of Object.entries(classOf(type).fields)) record[name] = fields[name] ?? initial;
    return freeze(record);
  }

  #insert(ref: string, type: string, record: WireStruct): StoredObject {
    const generation = ++this.#generation;
    const object: StoredObject = { ref, type, record, created: generation, modified: generation, older: null, newer: null };
    this.#byClass.get(type)!.set(ref, object);
    this.#byUuid.set(`${type}/${String(record.uuid)}`, object);
    this.#link(object);
    return object;
  }

  #touch(object: StoredObject, keep = true): void {
    object.modified = ++this.#generation;
    this.#unlink(object);
    this.#link(object);
    if (keep && classOf(object.type).kept) this.#dirty.set(object.ref, object);
    if (this.#listeners.size > 0) for (const listener of this.#listeners) listener();
  }

  #link(object: StoredObject): void {
    object.older = this.#newest;
    object.newer = null;
    if (this.#newest !== null) this.#newest.newer = object;
    this.#newest = object;
    this.#oldest ??= object;
  }

  #unlink(object: StoredObject): void {
    if (object.older !== null) object.older.newer = object.newer;
    if (object.newer !== null) object.newer.older = object.older;
    if (this.#newest === object) this.#newest = object.older;
    if (this.#oldest === object) this.#oldest = object.newer;
    object.older = null;
    object.newer = null;
  }
}

function freeze(record: WireStruct): WireStruct {
  return Object.freeze(record);
}
