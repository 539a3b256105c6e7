// A worker from the page's side: requests with progress and answers. One that fails or is stopped
// is started again for the next request.

type Message = { readonly id: number } & ({ readonly answer: unknown } | { readonly error: string } | { readonly started: number });

interface TrustedPolicy {
  createScriptURL(url: string): string;
}
interface TrustedPolicies {
  createPolicy(name: string, rules: TrustedPolicy): TrustedPolicy;
}

let policy: TrustedPolicy | undefined;

/** What a policy of Trusted Types made, where the browser has them: one for the whole page. */
function trusted(url: string): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedPolicies };
  if (trustedTypes === undefined) return url;
  policy ??= trustedTypes.createPolicy('xennuma-worker', { createScriptURL: (own) => own });
  return policy.createScriptURL(url);
}

interface Waiting {
  readonly done: (answer: unknown) => void;
  readonly failed: (error: Error) => void;
  readonly progress: (started: number) => void;
}

export class Background {
  readonly #address: () => Promise<string>;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Promise<Worker> | null = null;
  #last = 0;

  /** @param address of the worker's script */
  constructor(address: () => Promise<string>) {
    this.#address = address;
  }

  /** @throws Error with the worker's sentence, or when it could not be started or was stopped */
  request(message: object, progress: (started: number) => void = () => {}): Promise<unknown> {
    const id = ++this.#last;
    return new Promise((done, failed) => {
      this.#waiting.set(id, { done, failed, progress });
      this.#worker ??= this.#start();
      this.#worker.then(
        (worker) => worker.postMessage({ ...message, id }),
        (error: Error) => this.stop(error.message),
      );
    });
  }

  /** Ends the worker, and the requests that wait. */
  stop(why: string): void {
    void this.#worker?.then(
      (worker) => worker.terminate(),
      () => {},
    );
    this.#worker = null;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { failed } of waiting) failed(new Error(why));
  }

  async #start(): Promise<Worker> {
    const worker = new Worker(trusted(await this.#address()));
    worker.onmessage = ({ data }: MessageEvent<Message>) => this.#answered(data);
    worker.onerror = (event) =>
      this.stop(event.message ? `The work in the background failed: ${event.message}` : 'The work in the background could not be started.');
    return worker;
  }

  #answered(message: Message): void {
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    if ('started' in message) {
      waiting.progress(message.started);
      return;
    }
    this.#waiting.delete(message.id);
    if ('answer' in message) waiting.done(message.answer);
    else waiting.failed(new Error(message.error));
  }
}
