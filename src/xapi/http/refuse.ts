// The answer to a request that is not served.
import type { ServerResponse } from 'node:http';

/** The connection is closed: what is left of a refused request is not read. */
export function refuse(response: ServerResponse, status: number, reason: string): void {
  const text = `${reason}\n`;
  response.writeHead(status, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(text), connection: 'close' }).end(text);
}
