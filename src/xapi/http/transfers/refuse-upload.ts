// The refusal of a request whose body may still be on its way. A connection that is closed before
// that is reset, and most clients then lose the answer.
import type { ServerResponse } from 'node:http';
import { answerRefusal } from '../refuse.js';

/** Read and dropped so that the client comes to read the answer. */
export const MOST_DROPPED_BYTES = 16 * 2 ** 20;
const DROP_MS = 10_000;

export async function refuseUpload(response: ServerResponse, status: number, reason: string): Promise<void> {
  // All of the answer, but not its end, with which the connection would be closed.
  response.write(answerRefusal(response, status, reason));
  await dropped(response);
  response.end();
}

function dropped({ req: request }: ServerResponse): Promise<void> {
  return new Promise((done) => {
    if (request.readableEnded || request.destroyed) return done();
    let left = MOST_DROPPED_BYTES;
    const end = (): void => {
      clearTimeout(timer);
      request.pause().removeAllListeners('data');
      done();
    };
    const timer = setTimeout(end, DROP_MS);
    request.on('data', ({ length }: Buffer) => {
      left -= length;
      if (left < 0) end();
    });
    for (const event of ['end', 'close', 'error']) request.once(event, end);
  });
}
