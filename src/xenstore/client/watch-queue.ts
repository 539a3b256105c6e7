// Unread events of one watch, as an async iterable.
import { XenError } from '../../base/errors.js';
import type { WatchEvent, XenstoreWatch } from '../connection.js';

/** Events that wait for a reader; more closes the watch with an error. */
export const QUEUED_EVENTS_MAX = 65_536;

export class WatchQueue implements XenstoreWatch {
  readonly path: string;
  readonly token: string;
  #queue: WatchEvent[] = [];
  readonly #unregister: () => Promise<void>;
  #wake: (() => void) | undefined;
  #closed = false;
  #failure: Error | undefined;

  constructor(path: string, token: string, unregister: () => Promise<void>) {
    this.path = path;
    this.token = token;
    this.#unregister = unregister;
  }

  push(path: string): void {
    if (this.#closed) return;
    if (this.#queue.length >= QUEUED_EVENTS_MAX) {
      // A reader that fell behind must learn that it missed events, not go on with a gap.
      this.stop(
        new XenError('ENOSPC', `xs_watch(${this.path})`, `more than ${QUEUED_EVENTS_MAX} events waited to be read; the watch is closed`),
      );
      void this.#unregister().catch(() => {});
      return;
    }
    this.#queue.push({ path, token: this.token });
    this.#wake?.();
  }

  /** Ends it for its reader: at once without an error, behind the events that wait with one. */
  stop(failure?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#failure = failure;
    if (failure === undefined) this.#queue = [];
    this.#wake?.();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.stop();
    await this.#unregister();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<WatchEvent> {
    try {
      for (;;) {
        const waiting = this.#queue;
        this.#queue = [];
        for (let at = 0; at < waiting.length; at++) {
          if (this.#closed && this.#failure === undefined) return;
          yield waiting[at]!;
        }
        if (this.#queue.length > 0) continue;
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#closed) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    } finally {
      await this.close();
    }
  }
}
