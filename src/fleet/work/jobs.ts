// Work for the fleet's workers, on two streams of JetStream: a queue that keeps a job until a
// worker has acknowledged it, and the results. A job is given out again when its worker dies, and
// may be started twice. Its result is stored once: the entry must be the first on its subject.
import {
  AckPolicy,
  JetStreamApiError,
  type JetStreamClient,
  type JsMsg,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { UnreachableError } from '../../base/errors.js';
import { OPEN_MS, tryFor } from '../store/retry.js';
import { isStreamMissing } from '../store/stream.js';
import type { Seal } from './seal.js';

const QUEUE = 'FLEETJOBS';
const RESULTS = 'FLEETDONE';
const WORKERS = 'workers';
const NS_A_MS = 1e6;
/** A worker that is silent for this long is dead, and its job is given to another one. */
const SILENT_MS = 5000;
const TIMEOUT_MS = 5000;
const KEPT_MS = 7 * 24 * 3600 * 1000;
const PAUSE_MS = 250;
/** A worker asks for a job once a second. */
const WORKER_MS = 5000;
const SUBMIT_MS = 60_000;
/** Room for the headers of a message. */
const HEADER_BYTES = 512;
const WRONG_LAST_SEQUENCE = 10_071;
const NO_MESSAGE = 10_037;

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** The entry on a result's subject. */
type Stored =
  | { readonly sequence: number; readonly forged: false; readonly value: unknown }
  | { readonly sequence: number; readonly forged: true };
type Valid = Extract<Stored, { forged: false }>;

const valid = (stored: Stored | null): stored is Valid => stored !== null && !stored.forged;

export class Jobs {
  readonly #connection: NatsConnection;
  readonly #client: JetStreamClient;
  readonly #seal: Seal;

  readonly #replicas: number;

  private constructor(connection: NatsConnection, replicas: number, seal: Seal) {
    this.#connection = connection;
    this.#replicas = replicas;
    this.#seal = seal;
    this.#client = jetstream(connection, { timeout: TIMEOUT_MS });
  }

  /** Makes the streams where they do not exist. @throws UnreachableError without a leader */
  static async open(connection: NatsConnection, replicas: number, seal: Seal): Promise<Jobs> {
    const jobs = new Jobs(connection, replicas, seal);
    await tryFor(OPEN_MS, PAUSE_MS * 2, (leftMs) => jobs.#makeStreams(Math.min(TIMEOUT_MS, leftMs)));
    return jobs;
  }

  async #makeStreams(timeout: number): Promise<void> {
    const manager = await jetstreamManager(this.#connection, { timeout, checkAPI: false });
    const common = { storage: StorageType.File, num_replicas: this.#replicas };
    await manager.streams.add({ ...common, name: QUEUE, subjects: ['job.>'], retention: RetentionPolicy.Workqueue });
    const resultLimits = { max_msgs_per_subject: 1, allow_direct: true, max_age: KEPT_MS * NS_A_MS };
    await manager.streams.add({ ...common, name: RESULTS, subjects: ['done.>'], ...resultLimits });
    const consumer = { durable_name: WORKERS, ack_policy: AckPolicy.Explicit, ack_wait: SILENT_MS * NS_A_MS, max_ack_pending: 10_000 };
    await manager.consumers.add(QUEUE, consumer);
  }

  /**
   * Until a server has it. The same id is the same job: submitted again it may be started again,
   * and has one result. The servers' own check of message ids must stay out of it: of a queue, a
   * server that was restarted no longer knows the ids of messages that are done. It then takes a
   * message that the others drop, and from there on the replicas count differently: an
   * acknowledgement removes other messages than it means (seen with nats-server 2.9.10).
   * @param id tokens with dots between
   */
  async submit(id: string, job: unknown): Promise<void> {
    const [subject, text] = [`job.${id}`, JSON.stringify(job)];
    await tryFor(SUBMIT_MS, PAUSE_MS, () => this.#client.publish(subject, text, { headers: this.#seal.of(subject, text) }));
  }

  /** Does one job after the other. @param run what it returns is the result, also for a failure */
  async work(run: (job: unknown, id: string) => Promise<unknown>, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      try {
        const consumer = await this.#client.consumers.get(QUEUE, WORKERS);
        const message = await consumer.next({ expires: 1000 });
        if (message !== null) await this.#do(message, run);
      } catch (error) {
        // Servers that lost their store: the queue is made again, for jobs to come.
        if (isGone(error)) await this.#makeStreams(TIMEOUT_MS).catch(() => {});
        // No server, or no leader: what was not acknowledged comes again.
        await pause(PAUSE_MS);
      }
    }
  }

  async #do(message: JsMsg, run: (job: unknown, id: string) => Promise<unknown>): Promise<void> {
    const id = message.subject.slice('job.'.length);
    const stored = await this.#stored(id);
    // A forged job is forgotten: a result in its name would be that of the real one.
    if (!valid(stored) && this.#seal.holds(message.subject, message.string(), message.headers)) {
      const living = setInterval(() => message.working(), SILENT_MS / 3);
      try {
        await this.#keep(id, await run(jobOf(message), id), stored?.sequence ?? 0);
      } finally {
        clearInterval(living);
      }
    }
    await this.#remove(message.seq);
    await message.ackAck({ timeout: TIMEOUT_MS });
  }

  /**
   * Each replica of a work queue removes an acknowledged message when it hears of the
   * acknowledgement itself. One that was restarted may miss it, and shows jobs that nobody is given
   * any more once it leads (seen with nats-server 2.9.10). A deletion is an entry of the stream,
   * which no replica misses.
   */
  async #remove(sequence: number): Promise<void> {
    const manager = await jetstreamManager(this.#connection, { timeout: TIMEOUT_MS, checkAPI: false });
    try {
      await manager.streams.deleteMessage(QUEUE, sequence, false);
    } catch (error) {
      // A job that was given out twice is removed by the first that ends it.
      if (!(error instanceof JetStreamApiError) || error.code !== NO_MESSAGE) throw error;
    }
  }

  /**
   * The first result stays.
   * @param over the number of a forged one that it takes the place of; 0 = none
   */
  async #keep(id: string, result: unknown, over: number): Promise<void> {
    const most = this.#connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
    let text = JSON.stringify(result);
    const bytes = Buffer.byteLength(text) + HEADER_BYTES;
    if (bytes > most) text = JSON.stringify({ error: `the result has ${bytes} bytes; a message of the servers has ${most} at most` });
    try {
      const subject = `done.${id}`;
      await this.#client.publish(subject, text, { expect: { lastSubjectSequence: over }, headers: this.#seal.of(subject, text) });
    } catch (error) {
      if ((error as { readonly code?: number }).code !== WRONG_LAST_SEQUENCE && !/wrong last sequence/i.test(String(error))) throw error;
    }
  }

  /** null = none yet. */
  async result(id: string): Promise<{ readonly value: unknown } | null> {
    const stored = await this.#stored(id);
    return valid(stored) ? { value: stored.value } : null;
  }

  async #stored(id: string): Promise<Stored | null> {
    const subject = `done.${id}`;
    const wanted = JSON.stringify({ last_by_subj: subject });
    const answer = await this.#connection.request(`$JS.API.DIRECT.GET.${RESULTS}`, wanted, { timeout: TIMEOUT_MS });
    if ((answer.headers?.code ?? 0) >= 300) return null;
    const sequence = Number(answer.headers?.get('Nats-Sequence') ?? 0);
    if (!this.#seal.holds(subject, answer.string(), answer.headers)) return { sequence, forged: true };
    try {
      return { sequence, forged: false, value: answer.json() };
    } catch {
      // It is a result all the same: without one, the job would be done again for ever.
      return { sequence, forged: false, value: { error: 'the stored result is no JSON; no worker wrote it' } };
    }
  }

  /** Those of the jobs that have no result yet. @throws UnreachableError without a leader */
  async without(ids: readonly string[]): Promise<string[]> {
    const open: string[] = [];
    for (const id of ids) if ((await tryFor(OPEN_MS, PAUSE_MS, () => this.result(id))) === null) open.push(id);
    return open;
  }

  /**
   * All results, by id.
   * @param come is called for each as it comes
   * @param idle is called once when there are jobs, and no worker has asked for one for a while
   * @throws UnreachableError when the servers have lost the jobs
   */
  async results(ids: readonly string[], come: (id: string, result: unknown) => void, idle: () => void = () => {}): Promise<void> {
    const open = new Set(ids);
    let lookAt = performance.now() + WORKER_MS;
    let said = false;
    const made = await this.#queueMade();
    while (open.size > 0) {
      if (performance.now() > lookAt) {
        lookAt = performance.now() + WORKER_MS;
        const none = await this.#noWorker(made);
        if (none && !said) idle();
        said ||= none;
      }
      for (const id of [...open]) {
        const result = await this.result(id).catch(() => null);
        if (result === null) continue;
        open.delete(id);
        come(id, result.value);
      }
      if (open.size > 0) await pause(PAUSE_MS);
    }
  }

  /** When the queue was made; null = not known, or this key may not look. */
  async #queueMade(): Promise<string | null> {
    try {
      const manager = await jetstreamManager(this.#connection, { timeout: TIMEOUT_MS, checkAPI: false });
      return (await manager.streams.info(QUEUE)).created;
    } catch (error) {
      return isGone(error) ? '' : null;
    }
  }

  /**
   * Nobody does a job or waits for one. False where this key may not look.
   * @param made when the queue was made that has the jobs
   */
  async #noWorker(made: string | null): Promise<boolean> {
    const now = await this.#queueMade();
    if (made !== null && now !== null && made !== now) {
      throw new UnreachableError('the servers of the fleet have lost the jobs', 'run the command again');
    }
    try {
      const manager = await jetstreamManager(this.#connection, { timeout: TIMEOUT_MS, checkAPI: false });
      const { num_waiting, num_ack_pending } = await manager.consumers.info(QUEUE, WORKERS);
      return num_waiting === 0 && num_ack_pending === 0;
    } catch {
      return false;
    }
  }
}

const isGone = (error: unknown): boolean => isStreamMissing(error) || (error instanceof Error && /consumer not found/.test(error.message));

/** null = not known: the fleet has had no jobs, or the key may not look. */
export async function jobCounts(connection: NatsConnection): Promise<{ readonly open: number; readonly done: number } | null> {
  try {
    const { streams } = await jetstreamManager(connection, { timeout: TIMEOUT_MS, checkAPI: false });
    const [open, done] = [await streams.info(QUEUE), await streams.info(RESULTS)];
    return { open: open.state.messages, done: done.state.messages };
  } catch {
    return null;
  }
}

/**
 * null = no JSON; what runs the jobs says so in the result. Nor is it a job what somebody had a
 * server answer to this subject: members may ask for texts that they have written.
 */
function jobOf(message: JsMsg): unknown {
  try {
    if (message.headers?.has('Nats-Stream')) return null;
    return message.json();
  } catch {
    return null;
  }
}
