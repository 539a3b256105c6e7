// One operation at a time on a VM, in the order of asking, side by side across VMs: xenopsd's
// queues. Starts that wait at the same time go to the toolstack together, so that their steps
// interleave as those of xenopsd's workers do.
import type { Outcome } from '../../xenopsd/api/outcome.js';
import type { Toolstack } from '../../xenopsd/api/toolstack.js';
import type { Maker, RecordShare } from '../model/record-bounds.js';
import { xapiErrors } from '../wire/errors.js';

/** Operations that wait for one VM: in all, of one user, and those kept for root. */
export const WAITING_SHARE: RecordShare = { total: 200, each: 100, reserve: 40 };

interface Queue {
  promise: Promise<unknown>;
  waiting: number;
  readonly byUser: Map<string, number>;
}

export class VmQueues {
  readonly #last = new Map<string, Queue>();

  /**
   * Runs `work` when all earlier operations on the VM have ended.
   * @param user null = the daemon, which waits as long as it takes
   * @throws XapiError TASK_CANCELLED when `abort` comes before its turn
   */
  run<T>(vm: string, task: string, abort: AbortSignal | null, user: Maker | null, work: () => Promise<T>): Promise<T> {
    const queue = this.#last.get(vm) ?? { promise: Promise.resolve(), waiting: 0, byUser: new Map<string, number>() };
    if (user !== null) assertRoom(queue, user);
    queue.waiting++;
    const count = (more: number): void => {
      if (user !== null) queue.byUser.set(user.name, (queue.byUser.get(user.name) ?? 0) + more);
    };
    count(1);
    const result = queue.promise.then(() => {
      if (abort?.aborted === true) throw xapiErrors.taskCancelled(task);
      return work();
    });
    queue.promise = result
      .catch(() => {})
      .then(() => {
        queue.waiting--;
        count(-1);
        if (queue.waiting === 0) this.#last.delete(vm);
      });
    this.#last.set(vm, queue);
    return result;
  }

  /** Whether an operation on the VM runs or waits. */
  isBusy(vm: string): boolean {
    return this.#last.has(vm);
  }

  /** Resolves when nothing waits or runs. */
  async idle(): Promise<void> {
    while (this.#last.size > 0) await Promise.all([...this.#last.values()].map(({ promise }) => promise));
  }
}

/** @throws XapiError OPERATION_NOT_ALLOWED */
function assertRoom({ waiting, byUser }: Queue, { name, superuser }: Maker): void {
  const { total, each, reserve } = WAITING_SHARE;
  const most = superuser ? total : total - reserve;
  if (waiting >= most) throw xapiErrors.operationNotAllowed(`more than ${most} operations wait for this VM`);
  if ((byUser.get(name) ?? 0) >= each) throw xapiErrors.operationNotAllowed(`more than ${each} operations of one user wait for this VM`);
}

interface Waiting {
  readonly name: string;
  readonly done: (outcome: Outcome) => void;
  readonly failed: (error: unknown) => void;
}

export class StartsTogether {
  readonly #toolstack: Toolstack;
  #waiting: Waiting[] = [];
  #running = false;

  constructor(toolstack: Toolstack) {
    this.#toolstack = toolstack;
  }

  start(name: string): Promise<Outcome> {
    return new Promise((done, failed) => {
      this.#waiting.push({ name, done, failed });
      if (this.#running) return;
      this.#running = true;
      // Those that other VMs' queues let go in this turn of the event loop belong to it.
      setImmediate(() => void this.#drain());
    });
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        const names = batch.map(({ name }) => name);
        const outcomes = names.length === 1 ? [await this.#toolstack.start(names[0]!)] : await this.#toolstack.startTogether(names);
        batch.forEach(({ done }, index) => {
          done(outcomes[index]!);
        });
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    this.#running = false;
  }
}
