// Requests to servers that are choosing a leader or have just started are repeated until a time
// limit. An error that a repetition cannot fix is thrown at once.
import { JetStreamApiError } from '@nats-io/jetstream';
import { ClosedConnectionError, NoRespondersError, PermissionViolationError, RequestError, TimeoutError } from '@nats-io/transport-node';
import { UnreachableError } from '../../base/errors.js';

const LEADERLESS = 503;

/** Of a client that opens the fleet. A cluster that has just been started needs several seconds. */
export const OPEN_MS = 30_000;
const AGAIN_MS = 1000;

/** Whether the servers may answer soon: they choose a leader, or one of them was stopped. */
export function isLeaderless(error: unknown): boolean {
  if (error instanceof JetStreamApiError) return error.status === LEADERLESS && !isFull(error);
  return error instanceof TimeoutError || isNobody(error);
}

/**
 * The servers answer that they have no room: a limit of the stream or the account, or a full disk.
 * Codes of nats-server's errors.json: JSAccountResourcesExceeded, JSInsufficientResources,
 * JSStorageResourcesExceeded, JSStreamStoreFailed.
 */
const FULL: ReadonlySet<number> = new Set([10_002, 10_023, 10_047, 10_077]);

export const isFull = (error: unknown): error is JetStreamApiError => error instanceof JetStreamApiError && FULL.has(error.code);

/** Nobody listens to the subject of a request. */
export function isNobody(error: unknown): boolean {
  return error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders());
}

/** Errors that need another key; a second try does not help. */
export function isRefused(error: unknown): boolean {
  return error instanceof PermissionViolationError || (error instanceof Error && error.cause instanceof PermissionViolationError);
}

/**
 * @param work is given the milliseconds that are left
 * @throws what the last try threw, or UnreachableError when there was no leader all the time; at
 * once what another try cannot mend: a refusal, a closed connection, an UnreachableError
 */
export async function tryFor<T>(withinMs: number, pauseMs: number, work: (leftMs: number) => Promise<T>): Promise<T> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    try {
      return await work(Math.max(1, Math.ceil(endMs - performance.now())));
    } catch (error) {
      if (isRefused(error) || error instanceof ClosedConnectionError || error instanceof UnreachableError) throw error;
      if (performance.now() + pauseMs >= endMs) throw isLeaderless(error) ? leaderless(withinMs) : error;
    }
    await new Promise((done) => setTimeout(done, pauseMs));
  }
}

/**
 * Of a daemon: opened again and again until servers answer, or a signal ends it.
 * @param waiting is told why there is nothing yet, and again when that changes
 * @returns null when the signal came first
 */
export async function waitFor<T>(stop: AbortSignal, open: () => Promise<T>, waiting: (error: UnreachableError) => void): Promise<T | null> {
  const ended = new Promise<null>((done) => stop.addEventListener('abort', () => done(null), { once: true }));
  let reason = '';
  while (!stop.aborted) {
    try {
      return await Promise.race([open(), ended]);
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      if (error.message !== reason) waiting(error);
      reason = error.message;
    }
    await Promise.race([new Promise((done) => setTimeout(done, AGAIN_MS)), ended]);
  }
  return null;
}

function leaderless(withinMs: number): UnreachableError {
  return new UnreachableError(
    `the fleet's servers have had no leader for ${Math.round(withinMs / 1000)} s`,
    'start the servers that are away: of three, two must run, with JetStream; a key without permissions gets no answer either',
  );
}
