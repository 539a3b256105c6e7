// A login where a request needs one: it is asked for over the page, and the request goes on after it.
import { LoginNeeded, type Source } from './source.js';

interface Waiting {
  readonly go: () => void;
  readonly stop: (error: Error) => void;
}

export class LoginGate {
  /** Whether the login is shown. */
  wanted = $state(false);
  #waiting: Waiting[] = [];

  /** The same source, whose answers to a user wait for a login. What is followed does not. */
  guard(source: Source): Source {
    if (source.login === undefined) return source;
    return {
      ...source,
      explain: (host, vm) => this.#ask(() => source.explain(host, vm)),
      workload: (host) => this.#ask(() => source.workload(host)),
      ...(source.past === undefined ? {} : { past: (id) => this.#ask(() => source.past!(id)) }),
      ...(source.objects === undefined ? {} : { objects: () => this.#ask(() => source.objects!()) }),
      ...(source.call === undefined ? {} : { call: (method, params) => this.#ask(() => source.call!(method, params)) }),
    };
  }

  entered(): void {
    this.wanted = false;
    for (const { go } of this.#waiting.splice(0)) go();
  }

  cancel(): void {
    this.wanted = false;
    for (const { stop } of this.#waiting.splice(0)) stop(new LoginNeeded());
  }

  async #ask<T>(request: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await request();
      } catch (error) {
        if (!(error instanceof LoginNeeded)) throw error;
        await new Promise<void>((go, stop) => {
          this.#waiting.push({ go, stop });
          this.wanted = true;
        });
      }
    }
  }
}
