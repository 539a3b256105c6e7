// XAPI's objects. A change is staged, then committed to storage, then published: readers and
// watchers see published records only, so that a change that storage refuses was never there.
import { randomUUID } from 'node:crypto';
import { xapiErrors } from '../wire/errors.js';
import type { Wire, WireStruct } from '../wire/values.js';
import { PublishedObjects, type StoredObject } from './published.js';
import { type Charge, charged, loadedCharge, type Maker, RecordBounds, type RecordShares } from './record-bounds.js';
import { complete, freeze, withChanges } from './record-fields.js';
import { classOf } from './schema.js';
import { type Keeper, type StorageError, type StoredChange, storageErrorOf } from './storage.js';

/** How often a daemon whose storage failed looks whether it accepts commits again. */
export const PROBE_MS = 1000;

/**
 * The fate of a change:
 * - stored: staged, and published by the commit that stores it; refused with the commit.
 * - derived: published at once, and not stored for its own sake: the next start derives it anew.
 * - fact: published at once, since it has happened whatever storage says; stored as soon as storage
 *   accepts it.
 */
export type ChangeKind = 'stored' | 'derived' | 'fact';

interface StagedObject {
  readonly object: StoredObject;
  /** null = to be destroyed. */
  record: WireStruct | null;
  /** What it will cost, and whom; null where it is to be destroyed. */
  charge: Charge | null;
}

export interface DatabaseEvents {
  /** After a commit, with the objects that it published. */
  readonly published?: (objects: readonly StoredObject[]) => void;
  /** Storage refused a commit: the staged changes of these objects were dropped. */
  readonly dropped?: (refs: ReadonlySet<string>, fault: StorageError) => void;
  /** Storage failed (with the reason), or accepts commits again (null). */
  readonly storage?: (fault: StorageError | null) => void;
}

/**
 * Reads on this class see staged changes: they are for code that changes objects, such as a
 * read-modify-write of a map. Whatever goes to a client is read from `published`.
 */
export class Database {
  readonly published: PublishedObjects;
  readonly #keeper: Keeper;
  readonly #listeners: DatabaseEvents[] = [];
  #staged = new Map<string, StagedObject>();
  #stagedUuids = new Map<string, StagedObject>();
  /** Facts that are not stored yet: the next commit takes them along. */
  readonly #unsaved = new Map<string, StoredObject>();
  #flush: Promise<void> | null = null;
  #fault: StorageError | null = null;
  /** What takes back the changes staged by atomically(), the last first; null = not in it. */
  #undo: (() => void)[] | null = null;
  #probeTimer: NodeJS.Timeout | null = null;
  readonly #bounds: RecordBounds;
  /** The user who makes the current changes; null = the daemon. */
  #user: Maker | null = null;

  /**
   * @param nowMs the generations of this process start here, which tells its tokens from those of
   *   an earlier one
   */
  constructor(keeper: Keeper, nowMs: number, shares?: RecordShares) {
    this.#keeper = keeper;
    this.#bounds = new RecordBounds(shares);
    this.published = new PublishedObjects(nowMs * 1000);
    for (const { ref, type, record, charge } of keeper.load()) {
      const whole = complete(type, record);
      this.#put(this.published.blank(ref, type), whole, loadedCharge(charge, whole));
    }
  }

  /**
   * The changes that `work` stages before it first waits are charged to a user. @throws XapiError,
   * from within, for one that exceeds what a user, or all together, may have
   */
  as<T>(user: Maker, work: () => T): T {
    const outer = this.#user;
    this.#user = user;
    try {
      return work();
    } finally {
      this.#user = outer;
    }
  }

  /** The commit that is due; null = none is. */
  get commitUnderWay(): Promise<void> | null {
    return this.#flush;
  }

  subscribe(events: DatabaseEvents): void {
    this.#listeners.push(events);
  }

  /** The reason why storage refuses changes now; null = it accepts them. */
  get fault(): StorageError | null {
    return this.#fault;
  }

  /** @returns the new object's ref */
  create(type: string, fields: Readonly<Record<string, Wire>>, uuid: string = randomUUID(), kind: ChangeKind = 'stored'): string {
    return this.#create(type, fields, uuid, kind, null);
  }

  /** For an object that the daemon makes for a user: it is the user's, but not charged for. */
  createFor(maker: string, type: string, fields: Readonly<Record<string, Wire>>): string {
    return this.#create(type, fields, randomUUID(), 'stored', maker);
  }

  #create(type: string, fields: Readonly<Record<string, Wire>>, uuid: string, kind: ChangeKind, maker: string | null): string {
    const object = this.published.blank(`OpaqueRef:${randomUUID()}`, type);
    const record = complete(type, fields, uuid);
    if (kind === 'stored' && classOf(type).stored) this.#stage(object, record, maker);
    else this.#put(object, record, charged(null, null, record));
    if (kind === 'fact') this.#unsaved.set(object.ref, object);
    return object.ref;
  }

  /** @throws XapiError HANDLE_INVALID */
  get(type: string, ref: string): WireStruct {
    const record = this.#working(type, ref);
    if (record === null) throw xapiErrors.handleInvalid(type, ref);
    return record;
  }

  has(type: string, ref: string): boolean {
    return this.#working(type, ref) !== null;
  }

  /** The user who made an object, in this process or in an earlier one; null = the daemon. */
  makerOf(ref: string): string | null {
    return (this.#staged.get(ref)?.charge ?? this.#bounds.chargeOf(ref))?.maker ?? null;
  }

  count(type: string): number {
    let count = this.published.count(type);
    for (const { object, record } of this.#staged.values()) {
      if (object.type !== type) continue;
      if (record === null && object.record !== null) count--;
      if (record !== null && object.record === null) count++;
    }
    return count;
  }

  refs(type: string): string[] {
    return [...this.records(type)].map(([ref]) => ref);
  }

  *records(type: string): Iterable<[string, WireStruct]> {
    for (const [ref, record] of this.published.records(type)) {
      const staged = this.#staged.get(ref);
      if (staged === undefined) yield [ref, record];
      else if (staged.record !== null) yield [ref, staged.record];
    }
    for (const { object, record } of this.#staged.values()) {
      if (object.type === type && object.record === null && record !== null) yield [object.ref, record];
    }
  }

  /** The ref of a uuid; null = there is none. */
  findUuid(type: string, uuid: string): string | null {
    const staged = this.#stagedUuids.get(`${type}/${uuid}`);
    const published = this.published.findUuid(type, uuid);
    if (staged === undefined) return published;
    if (staged.record !== null) return staged.object.ref;
    // Another object may have the uuid by now, published at once.
    return published === staged.object.ref ? null : published;
  }

  /**
   * Does nothing when the fields have these values already.
   * @throws XapiError HANDLE_INVALID
   */
  update(type: string, ref: string, changes: Readonly<Record<string, Wire>>, kind: ChangeKind = 'stored'): void {
    const old = this.get(type, ref);
    const differs = (record: WireStruct) => Object.entries(changes).some(([name, value]) => record[name] !== value);
    const changed = (record: WireStruct) => freeze(withChanges(record, changes));
    const staged = this.#staged.get(ref);
    const object = staged?.object ?? this.published.object(type, ref)!;
    if (kind === 'stored' && classOf(type).stored) {
      if (differs(old)) this.#stage(object, changed(old));
      return;
    }
    if (staged !== undefined && differs(old)) staged.record = changed(old);
    if (object.record === null || !differs(object.record)) return;
    this.published.put(object, changed(object.record));
    if (kind === 'fact') this.#unsaved.set(ref, object);
  }

  /** A change of nothing, of which event.from tells. @throws XapiError HANDLE_INVALID */
  inject(type: string, ref: string): void {
    const object = this.published.object(type, ref);
    if (object === undefined) throw xapiErrors.handleInvalid(type, ref);
    this.published.put(object, object.record!);
  }

  /** @throws XapiError HANDLE_INVALID */
  destroy(type: string, ref: string, kind: ChangeKind = 'stored'): void {
    this.get(type, ref);
    const staged = this.#staged.get(ref);
    const object = staged?.object ?? this.published.object(type, ref)!;
    if (kind === 'stored' && classOf(type).stored) {
      this.#stage(object, null);
      return;
    }
    if (staged !== undefined) staged.record = null;
    if (object.record !== null) this.#remove(object);
    if (kind === 'fact') this.#unsaved.set(ref, object);
  }

  /** All changes that `work` stages, or none when it throws. */
  atomically<T>(work: () => T): T {
    const outer = this.#undo;
    const undo: (() => void)[] = [];
    this.#undo = undo;
    try {
      const result = work();
      outer?.push(...undo);
      return result;
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    } finally {
      this.#undo = outer;
    }
  }

  /**
   * Resolves once every change staged up to now is stored and published; calls that end together
   * share one commit.
   * @throws StorageError: none of the staged changes was kept
   */
  flushed(): Promise<void> {
    if (!this.#hasWork()) return this.#flush ?? Promise.resolve();
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

  /** @throws StorageError: none of the staged changes was kept */
  flushNow(): void {
    if (!this.#hasWork()) return;
    const staged = this.#staged;
    const facts = [...this.#unsaved.values()];
    this.#staged = new Map();
    this.#stagedUuids = new Map();
    try {
      this.#commit(staged.values());
    } catch (error) {
      const fault = storageErrorOf(error);
      for (const { dropped } of this.#listeners) dropped?.(new Set(staged.keys()), fault);
      this.#failed(fault);
      throw fault;
    }
    this.#publish(staged, facts);
  }

  /**
   * Tests whether storage accepts commits again, and stores the changes that it missed. @returns
   * whether it does
   */
  probe(): boolean {
    if (this.#fault === null) return true;
    try {
      this.#keeper.probe();
      if (this.#unsaved.size > 0) this.#commit([]);
    } catch (error) {
      this.#fault = storageErrorOf(error);
      return false;
    }
    this.#fault = null;
    this.close();
    for (const { storage } of this.#listeners) storage?.(null);
    return true;
  }

  /** Notices, also when nobody changes anything, that the state's files are gone. */
  checkPlace(): void {
    if (this.#fault !== null) return;
    try {
      this.#keeper.assertInPlace();
    } catch (error) {
      this.#failed(storageErrorOf(error));
    }
  }

  /** Ends the probing. */
  close(): void {
    if (this.#probeTimer !== null) clearInterval(this.#probeTimer);
    this.#probeTimer = null;
  }

  #working(type: string, ref: string): WireStruct | null {
    const staged = this.#staged.get(ref);
    if (staged !== undefined && staged.object.type === type) return staged.record;
    return this.published.object(type, ref)?.record ?? null;
  }

  #put(object: StoredObject, record: WireStruct, charge: Charge | null): void {
    this.published.put(object, record);
    this.#bounds.publish(object.ref, object.type, charge);
  }

  #remove(object: StoredObject): void {
    this.published.remove(object);
    this.#bounds.publish(object.ref, object.type, null);
  }

  /** @param maker of a new object that the daemon makes for a user */
  #stage(object: StoredObject, record: WireStruct | null, maker: string | null = null): void {
    const known = this.#staged.get(object.ref);
    if (this.#staged.size === 0) this.#bounds.settled();
    if (this.#user !== null && record !== null) {
      const { ref, type } = object;
      const before = known === undefined ? object.record : known.record;
      const count = before === null ? this.count(type) : 0;
      this.#bounds.plan(this.#user, { ref, type, before, after: record, count });
    }
    const staged = known ?? { object, record, charge: this.#bounds.chargeOf(object.ref) };
    const before = known === undefined ? undefined : { record: known.record, charge: known.charge };
    const uuid = record?.uuid ?? staged.record?.uuid ?? object.record?.uuid;
    const key = `${object.type}/${String(uuid)}`;
    this.#undo?.push(this.#undoing(object.ref, key, before));
    staged.record = record;
    if (record !== null) {
      const charge = charged(staged.charge, this.#user?.name ?? null, record);
      staged.charge = maker === null || charge.maker !== null ? charge : { ...charge, maker };
    }
    if (known === undefined) this.#staged.set(object.ref, staged);
    this.#stagedUuids.set(key, staged);
  }

  /** @param before what was staged for the object; undefined = nothing */
  #undoing(ref: string, key: string, before: Pick<StagedObject, 'record' | 'charge'> | undefined): () => void {
    return () => {
      if (before !== undefined) {
        Object.assign(this.#staged.get(ref)!, before);
        return;
      }
      this.#staged.delete(ref);
      this.#stagedUuids.delete(key);
    };
  }

  /** Facts wait for the probe while storage fails. */
  #hasWork(): boolean {
    return this.#staged.size > 0 || (this.#unsaved.size > 0 && this.#fault === null);
  }

  #commit(staged: Iterable<StagedObject>): void {
    const changes = new Map<string, StoredChange>();
    for (const { ref, type, record } of this.#unsaved.values()) {
      changes.set(ref, { ref, type, record, charge: this.#bounds.chargeOf(ref) });
    }
    for (const { object, record, charge } of staged) changes.set(object.ref, { ref: object.ref, type: object.type, record, charge });
    this.#keeper.commit(changes.values());
    this.#unsaved.clear();
  }

  #publish(staged: ReadonlyMap<string, StagedObject>, facts: readonly StoredObject[]): void {
    for (const { object, record, charge } of staged.values()) {
      if (record !== null) this.#put(object, record, charge);
      else if (object.record !== null) this.#remove(object);
    }
    const objects = [...[...staged.values()].map(({ object }) => object), ...facts];
    for (const { published } of this.#listeners) published?.(objects);
  }

  #failed(fault: StorageError): void {
    const known = this.#fault !== null;
    this.#fault = fault;
    if (known) return;
    this.#probeTimer = setInterval(() => this.probe(), PROBE_MS).unref();
    for (const { storage } of this.#listeners) storage?.(fault);
  }
}
