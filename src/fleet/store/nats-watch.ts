// Reads a whole stream in order, through a consumer without acknowledgements that is made anew,
// from the next place, whenever an entry or a heartbeat is missing. The consumers of the client's
// library do the same, but wait for a minute after a server has died.
import { AckPolicy, DeliverPolicy, jetstreamManager } from '@nats-io/jetstream';
import { createInbox, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import type { LogReader } from '../protocol/log.js';
import { textOf } from './nats-log-text.js';
import { tryFor } from './retry.js';
import { isStreamMissing, type StreamState, stateOf } from './stream.js';

const HEARTBEAT_MS = 1000;
const SILENCE_MS = 3000;
const PAUSE_MS = 250;
const CREATE_TIMEOUT_MS = 3000;
/** Without a leader, consumers are refused: for a few seconds after the end of a server. */
const START_MS = 15_000;
const NS_A_MS = 1e6;

export interface WatchOptions {
  readonly connection: NatsConnection;
  readonly stream: string;
  /** Prefix of the subjects that this user may subscribe to. */
  readonly inboxes: string;
  readonly reader: LogReader;
  /** How long servers without a leader are waited for at the start. */
  readonly withinMs?: number | undefined;
}

export class NatsWatch {
  readonly #connection: NatsConnection;
  readonly #stream: string;
  readonly #inboxes: string;
  readonly #reader: LogReader;
  readonly #withinMs: number;
  #subscription: Subscription | null = null;
  /** When the stream was made; empty = not known yet. */
  #created = '';
  /** Place of the last entry, and the number of the last delivery of the present consumer. */
  #last = 0;
  #deliveries = 0;
  #heardMs = 0;
  #making = false;
  #stopped = false;
  #timer: NodeJS.Timeout | null = null;

  constructor({ connection, stream, inboxes, reader, withinMs = START_MS }: WatchOptions) {
    this.#withinMs = withinMs;
    this.#connection = connection;
    this.#stream = stream;
    this.#inboxes = inboxes;
    this.#reader = reader;
  }

  /** Rejects when the stream cannot be read, or has had no leader for a while. */
  async start(): Promise<void> {
    await this.#makeFirst();
    this.#timer = setInterval(() => {
      if (performance.now() - this.#heardMs > SILENCE_MS) this.#again();
    }, HEARTBEAT_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#subscription?.unsubscribe();
  }

  #makeFirst(): Promise<void> {
    return tryFor(this.#withinMs, PAUSE_MS, async () => {
      try {
        return await this.#make();
      } catch (error) {
        this.#subscription?.unsubscribe();
        throw error;
      }
    });
  }

  #again(): void {
    if (this.#making || this.#stopped || this.#connection.isClosed()) return;
    this.#subscription?.unsubscribe();
    this.#make().catch((error: unknown) => {
      if (isStreamMissing(error)) this.#reader.missing?.();
      // No server, or no leader yet. The timer tries again.
      this.#heardMs = performance.now() - SILENCE_MS + PAUSE_MS;
    });
  }

  async #make(): Promise<void> {
    this.#making = true;
    try {
      const manager = await jetstreamManager(this.#connection, { timeout: CREATE_TIMEOUT_MS, checkAPI: false });
      this.#compare(stateOf(await manager.streams.info(this.#stream)));
      const first = this.#last === 0;
      const subject = createInbox(this.#inboxes);
      const subscription = this.#connection.subscribe(subject, {
        callback: (error, message) => {
          if (error === null && subscription === this.#subscription) this.#message(message);
        },
      });
      this.#subscription = subscription;
      this.#deliveries = 0;
      const { num_pending } = await manager.consumers.add(this.#stream, {
        deliver_subject: subject,
        ...(first ? { deliver_policy: DeliverPolicy.All } : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: this.#last + 1 }),
        ack_policy: AckPolicy.None,
        max_deliver: 1,
        idle_heartbeat: HEARTBEAT_MS * NS_A_MS,
        flow_control: true,
        inactive_threshold: 30_000 * NS_A_MS,
        mem_storage: true,
        num_replicas: 1,
      });
      this.#heardMs = performance.now();
      if (first && num_pending === 0) this.#reader.caughtUp();
    } finally {
      this.#making = false;
    }
  }

  /**
   * Servers that lost their store make the stream anew, and one that lost power may have lost its
   * last entries. Their places are given again, to others.
   */
  #compare({ created, last }: StreamState): void {
    const other = this.#created !== '' && this.#created !== created;
    this.#created = created;
    if (!other && last >= this.#last) return;
    this.#last = 0;
    this.#reader.restarted();
  }

  #message(message: Msg): void {
    this.#heardMs = performance.now();
    if (message.headers?.code === 100) {
      this.#status(message);
      return;
    }
    const delivery = deliveryOf(message.reply);
    if (delivery === null) return;
    if (delivery.number !== this.#deliveries + 1) {
      this.#again();
      return;
    }
    this.#deliveries++;
    this.#last = delivery.place;
    this.#reader.entry({ place: delivery.place, subject: message.subject, text: textOf(message, 0), pending: delivery.pending });
  }

  #status(message: Msg): void {
    if (message.reply !== undefined && message.reply !== '') {
      message.respond();
      return;
    }
    const stalled = message.headers?.get('Nats-Consumer-Stalled') ?? '';
    if (stalled !== '') this.#connection.publish(stalled);
    const delivered = Number(message.headers?.get('Nats-Last-Consumer') ?? 0);
    if (delivered > this.#deliveries) this.#again();
  }
}

interface Delivery {
  readonly place: number;
  readonly number: number;
  readonly pending: number;
}

/**
 * From $JS.ACK.STREAM.CONSUMER.DELIVERED.PLACE.NUMBER.TIME.PENDING, which newer servers write with
 * domain and account before the stream and a token at the end (ADR-15 of NATS).
 */
function deliveryOf(reply: string | undefined): Delivery | null {
  const tokens = reply?.split('.') ?? [];
  const first = tokens.length >= 11 ? 7 : 5;
  const [place, number, , pending] = tokens.slice(first).map(Number);
  if (tokens[1] !== 'ACK' || place === undefined || number === undefined || pending === undefined) return null;
  return { place, number, pending };
}
