// Ends long-running calls, such as a stream of events, when their session has ended or their user
// may no longer log in.

/** Interval of the checks; a revocation must take effect within a second. */
const LOOK_MS = 400;

export interface Followed {
  /** Aborts when the caller has gone, and when the right was revoked. */
  readonly signal: AbortSignal;
  readonly revoked: boolean;
  end(): void;
}

class Following implements Followed {
  readonly #controller = new AbortController();
  readonly #holds: () => boolean;
  readonly #gone: AbortSignal;
  readonly #ended: (one: Following) => void;
  readonly #leave = (): void => this.#controller.abort();
  revoked = false;

  constructor(holds: () => boolean, gone: AbortSignal, ended: (one: Following) => void) {
    this.#holds = holds;
    this.#gone = gone;
    this.#ended = ended;
    if (gone.aborted) this.#leave();
    else gone.addEventListener('abort', this.#leave);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  look(): void {
    if (this.#holds()) return;
    this.revoked = true;
    this.#controller.abort();
  }

  end(): void {
    this.#gone.removeEventListener('abort', this.#leave);
    this.#ended(this);
  }
}

export class Revocations {
  readonly #followed = new Set<Following>();
  #timer: NodeJS.Timeout | null = null;

  /**
   * @param holds whether the right is still there
   * @param gone the caller has gone
   */
  follow(holds: () => boolean, gone: AbortSignal): Followed {
    const one = new Following(holds, gone, (ended) => this.#drop(ended));
    this.#followed.add(one);
    this.#timer ??= setInterval(() => {
      for (const each of [...this.#followed]) each.look();
    }, LOOK_MS).unref();
    return one;
  }

  #drop(one: Following): void {
    this.#followed.delete(one);
    if (this.#followed.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}
