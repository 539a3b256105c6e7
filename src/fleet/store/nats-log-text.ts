// The text of an entry as its author wrote it.
import type { Msg } from '@nats-io/transport-node';

/**
 * Empty for a text that an answer of the server has brought into the stream: it bears the server's
 * headers. @param byServer how many of them the server adds on this way
 */
export function textOf(message: Msg, byServer: number): string {
  const marks = message.headers?.values('Nats-Stream') ?? [];
  return marks.length > byServer ? '' : message.string();
}
