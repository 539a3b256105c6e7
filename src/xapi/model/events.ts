// event.from: the changes since a token, each object once with its current state; and
// event.register/next, its older form. It answers as ocaml/xapi/xapi_event.ml of xen-api does.

import { xapiErrors } from '../wire/errors.js';
import { newStruct, type Wire, WireInt32, type WireStruct } from '../wire/values.js';
import type { PublishedObjects, StoredObject } from './published.js';
import { CLASSES, classOf } from './schema.js';

/** Longest that one call waits. */
export const MAX_TIMEOUT_SECONDS = 3600;
/** Classes and objects that one call may name. */
const MAX_CLASSES = 1024;

/**
 * Charges one more call that waits for events. @returns what ends the charge; null when the caller
 * has too many
 */
export type WaitCharge = () => (() => void) | null;

type Interest = (object: StoredObject) => boolean;

/**
 * What `event.from` or `event.register` is asked to watch: "*", a class in any case, or
 * "class/ref".
 * @returns whether an object is meant; a name that is no class means none, as in xapi
 */
export function interestIn(names: readonly string[]): Interest {
  if (names.length > MAX_CLASSES) throw xapiErrors.valueNotSupported('classes', `${names.length} names`, `expected at most ${MAX_CLASSES}`);
  if (names.includes('*')) return ({ type }) => classOf(type).listed;
  const classes = new Set<string>();
  const objects = new Set<string>();
  for (const name of names) {
    const [type, ref] = name.split('/', 2) as [string, string | undefined];
    if (ref === undefined) classes.add(type.toLowerCase());
    else objects.add(ref);
  }
  return ({ type, ref }) => (classes.has(type.toLowerCase()) || objects.has(ref)) && classOf(type).listed;
}

/** Token of xapi's form: two numbers of 20 digits; the second is for its messages. */
export function formatToken(generation: number): string {
  return `${String(generation).padStart(20, '0')},${'0'.repeat(20)}`;
}

/** @throws XapiError EVENT_FROM_TOKEN_PARSE_FAILURE */
export function parseToken(token: string): number {
  if (token === '') return 0;
  const found = /^(\d{1,20}),(\d{1,20})$/.exec(token);
  const generation = found === null ? Number.NaN : Number(found[1]);
  if (!Number.isSafeInteger(generation)) throw xapiErrors.eventTokenInvalid(token.slice(0, 100));
  return generation;
}

/** Events since a generation, oldest change first. */
function eventsSince(objects: PublishedObjects, since: number, interest: Interest): WireStruct[] {
  const events: WireStruct[] = [];
  for (let object = objects.newest; object !== null && object.modified > since; object = object.older) {
    if (!interest(object)) continue;
    const { record, created, modified } = object;
    const isNew = created > since;
    // Created and destroyed since then: no event is needed.
    if (record === null && isNew) continue;
    events.push(eventOf(object, operationOf(record === null, isNew), modified));
  }
  return events.reverse();
}

function operationOf(isGone: boolean, isNew: boolean): string {
  if (isGone) return 'del';
  return isNew ? 'add' : 'mod';
}

function eventOf(object: StoredObject, operation: string, generation: number): WireStruct {
  const event = newStruct();
  // Xapi writes classes of events in lower case.
  Object.assign(event, {
    id: String(generation),
    // A string, and always this one (ocaml/xapi/xapi_event.ml and event_types.ml of xen-api).
    timestamp: '0.0',
    class: object.type.toLowerCase(),
    operation,
    ref: object.ref,
  });
  if (object.record !== null) event.snapshot = object.record;
  return event;
}

function refCounts(objects: PublishedObjects): WireStruct {
  const counts = newStruct();
  for (const { name, listed } of CLASSES.values()) if (listed) counts[name.toLowerCase()] = new WireInt32(objects.count(name));
  return counts;
}

export class EventSource {
  readonly #objects: PublishedObjects;
  readonly #waiting = new Set<() => void>();
  readonly #commit: () => Promise<void> | null;
  #scheduled = false;

  /**
   * @param commit the commit in progress: its changes are reported together with those just before
   * it; null = there is none
   */
  constructor(objects: PublishedObjects, commit: () => Promise<void> | null = () => null) {
    this.#objects = objects;
    this.#commit = commit;
    objects.onChange(() => this.#wakeSoon());
  }

  get watchers(): number {
    return this.#waiting.size;
  }

  /**
   * Answers at once when there are events, else when there are or `timeoutSeconds` have passed.
   * @throws XapiError EVENTS_LOST for a token older than what is remembered; TOO_MANY watchers as
   *   OPERATION_NOT_ALLOWED
   */
  async from(
    names: readonly string[],
    token: string,
    timeoutSeconds: number,
    abort: AbortSignal,
    wait: WaitCharge = () => () => {},
  ): Promise<Wire> {
    const since = parseToken(token);
    if (since !== 0 && since < this.#objects.lostBefore) throw xapiErrors.eventsLost();
    if (since > this.#objects.generation) throw xapiErrors.eventsLost();
    const interest = interestIn(names);
    const seconds = Math.min(Math.max(timeoutSeconds, 0), MAX_TIMEOUT_SECONDS);
    const deadline = performance.now() + seconds * 1000;
    let seen = since;
    for (;;) {
      const generation = this.#objects.generation;
      // Only what is new since the last look can be of interest; the answer tells of all since the
      // token.
      const events = this.#anyOf(seen, interest) ? eventsSince(this.#objects, since, interest) : [];
      seen = generation;
      const leftMs = deadline - performance.now();
      if (events.length > 0 || leftMs <= 0 || abort.aborted) {
        return { events, valid_ref_counts: refCounts(this.#objects), token: formatToken(generation) };
      }
      await this.#wait(leftMs, abort, wait);
    }
  }

  #anyOf(since: number, interest: Interest): boolean {
    for (let object = this.#objects.newest; object !== null && object.modified > since; object = object.older) {
      if (interest(object)) return true;
    }
    return false;
  }

  /** Resolves at the next change, at the end of the time, or when the caller has gone. */
  #wait(ms: number, abort: AbortSignal, wait: WaitCharge): Promise<void> {
    const release = wait();
    if (release === null) throw xapiErrors.operationNotAllowed('too many calls of this user wait for events');
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        abort.removeEventListener('abort', done);
        this.#waiting.delete(done);
        release();
        resolve();
      };
      const timer = setTimeout(done, ms);
      abort.addEventListener('abort', done);
      this.#waiting.add(done);
    });
  }

  /** All changes of one turn of the event loop wake the watchers once. */
  #wakeSoon(): void {
    if (this.#scheduled || this.#waiting.size === 0) return;
    this.#scheduled = true;
    const wakeAll = (): void => {
      this.#scheduled = false;
      for (const wake of [...this.#waiting]) wake();
    };
    setImmediate(() => {
      const commit = this.#commit();
      if (commit === null) wakeAll();
      else commit.then(wakeAll, wakeAll);
    });
  }
}
