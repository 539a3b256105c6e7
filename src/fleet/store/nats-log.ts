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
import { type JetStreamClient, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { type Msg, type NatsConnection, RequestError } from '@nats-io/transport-node';
import type { FleetLog, LogEntry, LogReader } from '../protocol/log.js';
import { textOf } from './nats-log-text.js';
import { NatsWatch } from './nats-watch.js';
import { STREAM, TIMEOUT_MS } from './stream.js';

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

  async watch(reader: LogReader, withinMs?: number): Promise<{ stop(): Promise<void> }> {
    const watch = new NatsWatch({ connection: this.#connection, stream: STREAM, inboxes: this.#inboxes, reader, withinMs });
    await watch.start();
    return watch;
  }

  async purgeClaims(host: string, upTo: number): Promise<void> {
    const manager = await jetstreamManager(this.#connection, { timeout: TIMEOUT_MS, checkAPI: false });
    await manager.streams.purge(STREAM, { filter: `h.${host}.r.>`, seq: upTo + 1 });
  }

  async next(pattern: string, after: number): Promise<LogEntry | null> {
    const message = await this.#get({ seq: after + 1, next_by_subj: pattern });
    if (message === null) return null;
    const subject = message.headers?.values('Nats-Subject').at(-1) ?? '';
    return { place: placeOfMessage(message), subject, text: textOf(message, 1) };
  }

  async placeOf(subject: string): Promise<number | null> {
    const message = await this.#get({ last_by_subj: subject });
    return message === null ? null : placeOfMessage(message);
  }

  /** Without a consumer, from any replica. */
  async #get(wanted: object): Promise<Msg | null> {
    const message = await this.#connection.request(`$JS.API.DIRECT.GET.${STREAM}`, JSON.stringify(wanted), { timeout: TIMEOUT_MS });
    const { headers } = message;
    if (headers === undefined || headers.code === 404) return null;
    if (headers.code >= 300) throw new RequestError(`${headers.code} ${headers.description}`);
    return message;
  }
}

/** The server's own headers come last. */
const placeOfMessage = ({ headers }: Msg): number => Number(headers?.values('Nats-Sequence').at(-1));
