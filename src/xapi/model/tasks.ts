// Tasks: the answers of Async calls, with progress, result and cancelling. As
// ocaml/xapi/xapi_task.ml of xen-api has them.

import { XapiError, xapiErrors } from '../wire/errors.js';
import { EPOCH, type Wire, WireDate, WireFloat, type WireStruct } from '../wire/values.js';
import { wireToXml } from '../wire/xml-rpc.js';
import type { ChangeKind, Database } from './database.js';
import { NULL } from './schema-types.js';
import { StorageError } from './storage.js';

/**
 * Ended tasks that nobody destroyed: the oldest go past this many (xapi's database GC keeps as
 * many).
 */
export const MAX_ENDED_TASKS = 400;

export class Tasks {
  readonly #database: Database;
  readonly #aborts = new Map<string, { readonly controller: AbortController; readonly release: () => void }>();
  /** Refs of ended tasks, the oldest first, by owner; null = from a version that kept no owner. */
  readonly #ended = new Map<string | null, string[]>();

  constructor(database: Database) {
    this.#database = database;
    const known = [...database.records('task')].sort(([, a], [, b]) => (endOf(a) < endOf(b) ? -1 : Number(endOf(a) > endOf(b))));
    // Their work ended with the process that did it.
    for (const [ref, { status }] of known) {
      if (status === 'pending' || status === 'cancelling') {
        this.#finish(ref, { status: 'cancelled', error_info: ['TASK_CANCELLED', ref] }, 'fact');
      } else this.#keepEnded(ref);
    }
  }

  /**
   * Staged: the work may begin once it is committed.
   * @param charge what the task is charged to; null = its owner, or all together, have too many
   *   under way
   * @throws XapiError when too many are under way
   */
  begin(
    label: string,
    description: string,
    host: string,
    owner: string,
    charge: (() => void) | null,
  ): { readonly ref: string; readonly abort: AbortSignal } {
    if (charge === null) throw xapiErrors.operationNotAllowed('too many tasks of this user are under way');
    const ref = this.#database.createFor(owner, 'task', {
      name_label: label,
      name_description: description,
      allowed_operations: ['cancel', 'destroy'],
      created: WireDate.at(Date.now()),
      finished: EPOCH,
      status: 'pending',
      resident_on: host,
      subtask_of: NULL,
    });
    const controller = new AbortController();
    this.#aborts.set(ref, { controller, release: charge });
    return { ref, abort: controller.signal };
  }

  /** A task that could not be stored: its work never began. */
  forget(ref: string): void {
    this.#endWork(ref);
  }

  progress(ref: string, share: number): void {
    if (this.#database.has('task', ref)) this.#database.update('task', ref, { progress: new WireFloat(share) });
  }

  succeeded(ref: string, result: Wire, kind: ChangeKind = 'stored'): void {
    // An XML-RPC value, whichever protocol the caller speaks; that of a void message is an empty
    // string (taskHelper.ml, set_result_on_task, and ocaml/idl/ocaml_backend/gen_server.ml).
    this.#finish(ref, { status: 'success', result: wireToXml(result) }, kind);
  }

  failed(ref: string, error: XapiError, kind: ChangeKind = 'stored'): void {
    const status = error.code === 'TASK_CANCELLED' ? 'cancelled' : 'failure';
    this.#finish(ref, { status, error_info: [error.code, ...error.params] }, kind);
  }

  /**
   * Ends work that has not begun. Work in progress goes on to its end, as in xapi if it cannot be
   * undone.
   */
  cancel(ref: string): void {
    const { status } = this.#database.get('task', ref);
    if (status !== 'pending') return;
    this.#database.update('task', ref, { status: 'cancelling', current_operations: { cancel: 'cancel' } });
    this.#aborts.get(ref)?.controller.abort();
  }

  /** @throws XapiError HANDLE_INVALID */
  destroy(ref: string): void {
    if (!this.#aborts.has(ref)) {
      const owner = this.#database.makerOf(ref);
      this.#ended.set(
        owner,
        (this.#ended.get(owner) ?? []).filter((one) => one !== ref),
      );
    }
    this.#database.destroy('task', ref);
  }

  /** A client's own task (task.create) has no work here. */
  own(label: string, description: string, host: string, owner: string): string {
    const { ref } = this.begin(label, description, host, owner, () => {});
    this.#endWork(ref);
    this.#keepEnded(ref);
    return ref;
  }

  /** Whether a client made the task, and it has not ended: whoever works on it may end it. */
  isClients(ref: string): boolean {
    return this.#database.has('task', ref) && !this.#aborts.has(ref) && this.#database.get('task', ref).status === 'pending';
  }

  #finish(ref: string, changes: Readonly<Record<string, Wire>>, kind: ChangeKind = 'stored'): void {
    this.#endWork(ref);
    if (!this.#database.has('task', ref)) return;
    const ended = {
      progress: new WireFloat(1),
      finished: WireDate.at(Date.now()),
      allowed_operations: ['destroy'],
      current_operations: {},
    };
    this.#database.update('task', ref, { ...changes, ...ended }, kind);
    this.#keepEnded(ref);
  }

  #endWork(ref: string): void {
    this.#aborts.get(ref)?.release();
    this.#aborts.delete(ref);
  }

  /** Past the limit the oldest of the owner with the most goes: nobody pushes out another one's. */
  #keepEnded(ref: string): void {
    const owner = this.#database.makerOf(ref);
    const own = this.#ended.get(owner) ?? [];
    if (!own.includes(ref)) own.push(ref);
    this.#ended.set(owner, own);
    let count = 0;
    for (const refs of this.#ended.values()) count += refs.length;
    for (; count > MAX_ENDED_TASKS; count--) {
      const most = [...this.#ended.values()].reduce((a, b) => (b.length > a.length ? b : a));
      const oldest = most.shift()!;
      if (this.#database.has('task', oldest)) this.#database.destroy('task', oldest);
    }
  }
}

/** For the order of ended tasks; those that end only now come last. */
function endOf({ status, finished }: WireStruct): string {
  return status === 'pending' || status === 'cancelling' ? '9' : (finished as WireDate).text;
}

export function asXapiError(error: unknown): XapiError {
  if (error instanceof XapiError) return error;
  if (error instanceof StorageError) return xapiErrors.notStored(error.message);
  return xapiErrors.internal(error instanceof Error ? error.message : String(error));
}
