// The answer to a request that is not served.
import type { ServerResponse } from 'node:http';

/** The connection is closed: what is left of a refused request is not read. */
export function refuse(response: ServerResponse, status: number, reason: string): void {
  response.end(answerRefusal(response, status, reason));
}

/** Sets the head of the answer. @returns its body */
export function answerRefusal(response: ServerResponse, status: number, reason: string): string {
  const text = `${reason}\n`;
  response.writeHead(status, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(text), connection: 'close' });
  return text;
}
