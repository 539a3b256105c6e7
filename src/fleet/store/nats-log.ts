// The fleet's log on NATS JetStream: one stream, whose last entry of each subject is kept.
//
// KV `update` with a revision is not used: on a replicated bucket it is no compare-and-set, since
// the leader checks the revision before the entry is proposed, and not when it is applied
// (nats-server issue 4320; test/fleet/compare-and-set.test.ts shows it on nats-server 2.9). The
// order of the log decides instead.
//
// Whoever may ask the server for anything can have the answer sent to any subject, and so into the
// stream: the permissions of NATS do not cover the subject of a reply. Such entries bear the
// server's header, or the server's acknowledgement as their text. The first are empty texts here,
// the second are no maps and no claims.
import { type JetStreamClient, jetstream, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { type NatsConnection, RequestError } from '@nats-io/transport-node';
import type { FleetLog, LogEntry, WatchedEntry } from '../protocol/log.js';
import { STREAM_SUBJECTS } from '../protocol/subjects.js';
import { textOf } from './nats-log-text.js';
import { NatsWatch } from './nats-watch.js';
import { OPEN_MS, tryFor } from './retry.js';

export const STREAM = 'FLEET';

const SHORTEST_WINDOW_NS = 100e6;
const TIMEOUT_MS = 5000;
/** After the start of a cluster, streams with replicas are refused for a while. */
const CREATE_PAUSE_MS = 500;

/**
 * Makes the stream where it does not exist. @returns whether it was made
 * @throws UnreachableError when the servers have no leader for that long
 */
export function ensureStream(connection: NatsConnection, replicas: number, withinMs = OPEN_MS): Promise<boolean> {
  return tryFor(withinMs, CREATE_PAUSE_MS, async (leftMs) => {
    const manager = await jetstreamManager(connection, { timeout: Math.min(TIMEOUT_MS, leftMs), checkAPI: false });
    if (await exists(manager)) return false;
    await manager.streams.add({
      name: STREAM,
      subjects: [STREAM_SUBJECTS],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      max_msgs_per_subject: 1,
      num_replicas: replicas,
      allow_direct: true,
      // As little as there is. Nothing of ours has message ids, and a replica that was restarted
      // judges them differently from the others: a member could make the logs differ with them.
      duplicate_window: SHORTEST_WINDOW_NS,
    });
    return true;
  });
}

async function exists(manager: Awaited<ReturnType<typeof jetstreamManager>>): Promise<boolean> {
  try {
    await manager.streams.info(STREAM);
    return true;
  } catch (error) {
    if (/stream not found/.test((error as Error).message)) return false;
    throw error;
  }
}

export class NatsLog implements FleetLog {
  readonly #connection: NatsConnection;
  readonly #inboxes: string;
  readonly #stream: JetStreamClient;

  /** @param inboxes as of connectFleet */
  constructor(connection: NatsConnection, inboxes: string) {
    this.#connection = connection;
    this.#inboxes = inboxes;
    this.#stream = jetstream(connection, { timeout: TIMEOUT_MS });
  }

  send(subject: string, text: string): void {
    // Closed: nothing is promised any more.
    if (!this.#connection.isClosed()) this.#connection.publish(subject, text);
  }

  async store(subject: string, text: string): Promise<number> {
    return (await this.#stream.publish(subject, text)).seq;
  }

  async watch(entry: (entry: WatchedEntry) => void, caughtUp: () => void, withinMs?: number): Promise<{ stop(): Promise<void> }> {
    const options = { connection: this.#connection, stream: STREAM, inboxes: this.#inboxes };
    const watch = new NatsWatch({ ...options, entry, caughtUp, withinMs });
    await watch.start();
    return watch;
  }

  async purgeClaims(host: string, upTo: number): Promise<void> {
    const manager = await jetstreamManager(this.#connection, { timeout: TIMEOUT_MS, checkAPI: false });
    await manager.streams.purge(STREAM, { filter: `h.${host}.r.>`, seq: upTo + 1 });
  }

  async next(pattern: string, after: number): Promise<LogEntry | null> {
    const wanted = JSON.stringify({ seq: after + 1, next_by_subj: pattern });
    const message = await this.#connection.request(`$JS.API.DIRECT.GET.${STREAM}`, wanted, { timeout: TIMEOUT_MS });
    const { headers } = message;
    if (headers === undefined || headers.code === 404) return null;
    if (headers.code >= 300) throw new RequestError(`${headers.code} ${headers.description}`);
    // The server's own headers come last.
    const place = Number(headers.values('Nats-Sequence').at(-1));
    const subject = headers.values('Nats-Subject').at(-1) ?? '';
    return { place, subject, text: textOf(message, 1) };
  }
}
