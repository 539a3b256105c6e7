// One request under a journal: its changes are written before its events and its reply are sent. If
// the journal refuses the changes, they are undone, and the client gets the errno. Without a
// journal this costs nothing.
import type { Watch } from './client-state.js';
import type { Journal } from './engine.js';
import { fail } from './failure.js';
import type { StoreErrno } from './limits.js';
import { UndoLog } from './undo.js';
import type { Work } from './work.js';

const EVENT_UNITS = 4;

/** The medium refuses a change; nothing of it is kept. */
export class JournalFailure extends Error {
  readonly errno: StoreErrno;

  constructor(errno: StoreErrno, cause: unknown) {
    super(`the journal refuses changes: ${errno}`, { cause });
    this.name = 'JournalFailure';
    this.errno = errno;
  }
}

export class Journaled {
  readonly journal: Journal | undefined;
  /** Present while changes may have to be undone. */
  readonly undo: UndoLog | undefined;
  #events: (readonly [watch: Watch, path: string])[] = [];

  readonly #work: Work;

  constructor(journal: Journal | undefined, work: Work) {
    this.#work = work;
    this.journal = journal;
    this.undo = journal === undefined ? undefined : new UndoLog();
  }

  /** Sends an event, at once or with the request's changes. */
  event(watch: Watch, path: string): void {
    this.#work.units += EVENT_UNITS + ((path.length + watch.token.length) >>> 6);
    if (this.journal === undefined) watch.client.out.event(path, watch.token);
    else this.#events.push([watch, path]);
  }

  /**
   * Writes the request's changes, then sends its events.
   * @throws StoreFailure ENOSPC or EIO when the journal refuses; the changes are undone and the
   *   events dropped
   */
  commit(): void {
    if (this.journal === undefined) return;
    try {
      this.journal.write();
    } catch (error) {
      if (!(error instanceof JournalFailure)) throw error;
      this.#events = [];
      this.undo!.rollBack();
      fail(error.errno);
    }
    this.undo!.clear();
    this.sendEvents();
  }

  sendEvents(): void {
    if (this.#events.length === 0) return;
    const events = this.#events;
    this.#events = [];
    for (const [watch, path] of events) watch.client.out.event(path, watch.token);
  }
}
