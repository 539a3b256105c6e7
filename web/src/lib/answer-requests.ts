// A worker's side of lib/background.ts: one request after the other.
import { InputError } from '../../../src/base/errors.js';

/** @param work gets a request without its id, and tells how many VMs were started */
export function answerRequests<R>(work: (request: R, progress: (started: number) => void) => Promise<unknown>): void {
  const scope = self as unknown as {
    onmessage: (event: MessageEvent<{ readonly id: number } & R>) => void;
    postMessage(message: unknown): void;
  };
  scope.onmessage = async ({ data: { id, ...request } }) => {
    try {
      scope.postMessage({ id, answer: await work(request as R, (started) => scope.postMessage({ id, started })) });
    } catch (error) {
      scope.postMessage({
        id,
        error: sentenceOf(error),
      });
    }
  };
}

/** Of a user's input with its place and what to do, as the command prints it. */
function sentenceOf(error: unknown): string {
  if (error instanceof InputError) return error.toString();
  return error instanceof Error ? error.message : String(error);
}
