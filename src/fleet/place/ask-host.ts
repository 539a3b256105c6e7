// Questions to members by name, for any code that has a connection.
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { UnreachableError } from '../../base/errors.js';
import { harmless } from '../../base/safe-text.js';
import { decodeAnswer } from '../member/answer-text.js';
import { askSubject, drainSubject, isDrain, type Question } from '../member/requests.js';
import { isRefused } from '../store/retry.js';

/** Time limit for a member's answer. */
export const ANSWER_MS = 5000;

/**
 * @returns null when the host does not answer
 * @throws UnreachableError when the key may not ask that
 */
export async function askHost(connection: NatsConnection, host: string, question: Question, withinMs = ANSWER_MS): Promise<unknown> {
  const subject = isDrain(question) ? drainSubject(host) : askSubject(host);
  try {
    return textsOf(await connection.request(subject, JSON.stringify(question), { timeout: withinMs }));
  } catch (error) {
    if (!isRefused(error)) return null;
    throw new UnreachableError(`the key may not ask for ${question.ask}`, "use the administrator's key, which fleet init has written");
  }
}

/** An answer, whose texts will be shown. @throws Error for what is none */
export function textsOf(message: Msg): unknown {
  return JSON.parse(decodeAnswer(message.data), (_, value: unknown) => (typeof value === 'string' ? harmless(value) : value));
}
