// Requests that a client sends on one connection before the answers to earlier ones. They are
// handled one after the other: their answers leave in this order anyway, and Node does not say that
// the client is gone to one whose turn to answer has not come.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Requests of one connection that wait; with more, the connection is closed. */
export const MOST_PIPELINED = 64;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export function inOrder(handle: Handler): Handler {
  const waiting = new WeakMap<Socket, number>();
  return (request, response) => {
    if (response.socket !== null) {
      handle(request, response);
      return;
    }
    const { socket } = request;
    const count = (waiting.get(socket) ?? 0) + 1;
    if (count > MOST_PIPELINED) {
      socket.destroy();
      return;
    }
    waiting.set(socket, count);
    response.once('socket', () => {
      waiting.set(socket, waiting.get(socket)! - 1);
      handle(request, response);
    });
  };
}
