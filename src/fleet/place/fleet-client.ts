// A process that sees the whole fleet, and may place on it: the picture from the log, questions to
// the members, claims with a lease.
import { randomBytes } from 'node:crypto';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { UnreachableError } from '../../base/errors.js';
import {
  ASK_ALL,
  LEASE_MS,
  LEASES,
  leaseSubject,
  processOfLease,
  type Question,
  type StartAnswer,
  type StartRequest,
  startSubject,
} from '../member/requests.js';
import { encodeDeletion } from '../protocol/entries.js';
import type { LogReader } from '../protocol/log.js';
import type { Picture } from '../protocol/picture.js';
import { Placer } from '../protocol/placer.js';
import { claimSubject } from '../protocol/subjects.js';
import type { FleetAccess } from '../store/access.js';
import { connectFleet, inboxesOf } from '../store/connect.js';
import { NatsLog } from '../store/nats-log.js';
import { isFull, isNobody, OPEN_MS } from '../store/retry.js';
import { ensureStream, MAKE_AGAIN_MS } from '../store/stream.js';
import { ANSWER_MS, askHost, textsOf } from './ask-host.js';
import { Shards } from './shards.js';

export interface ClientOptions {
  readonly access: FleetAccess;
  /** Name of the placer, as in its key's permissions. */
  readonly name: string;
  readonly replicas: number;
  /** LEASE_MS by default; members must expect it. */
  readonly leaseMs?: number;
  /** Each claim has an entry of its own; for comparisons. */
  readonly alone?: true;
  /** How long servers without a leader are waited for; OPEN_MS by default. */
  readonly openMs?: number;
}

const AGAIN_MS = 2000;
const START_MS = 120_000;
const WHOLE_MS = 30_000;
/** A leader that has just been found may be gone again. */
const MIN_WATCH_MS = 2000;
/** After the last answer of a question to all. */
const QUIET_MS = 400;
/** Deletions of a host before they are purged. */
const TIDY_DELETIONS = 100;

export class FleetClient {
  readonly placer: Placer;
  readonly connection: NatsConnection;
  readonly shards: Shards;
  /** A host's map or claims have changed. */
  changed: (host: string) => void = () => {};
  readonly #lease: NodeJS.Timeout;
  #watch: { stop(): Promise<void> } | null = null;

  private constructor(connection: NatsConnection, { name, leaseMs = LEASE_MS, alone }: ClientOptions) {
    this.connection = connection;
    const log = new NatsLog(connection, inboxesOf(name));
    this.placer = new Placer({
      name,
      process: randomBytes(6).toString('hex'),
      send: (subject, text) => log.send(subject, text),
      events: { changed: (host) => this.changed(host) },
      // What the messages of one moment lead to shares entries.
      ...(alone ? {} : { gather: (flush) => setImmediate(flush) }),
    });
    this.shards = new Shards(this.placer.process);
    connection.subscribe(LEASES, {
      callback: (error, { subject }) => {
        if (error === null) this.shards.heard(processOfLease(subject), performance.now());
      },
    });
    const renew = () => {
      log.send(leaseSubject(this.placer.process), '');
      this.shards.expire(performance.now());
      this.placer.repeatDeletions();
    };
    renew();
    this.#lease = setInterval(renew, leaseMs / 3);
  }

  /** @throws UnreachableError when there is no server, or the log cannot be read */
  static async open(options: ClientOptions): Promise<FleetClient> {
    const connection = await connectFleet(options.access, options.name);
    const client = new FleetClient(connection, options);
    try {
      const endMs = performance.now() + (options.openMs ?? OPEN_MS);
      await ensureStream(connection, options.replicas, options.openMs);
      await client.#read(new NatsLog(connection, inboxesOf(options.name)), options.replicas, endMs - performance.now());
      return client;
    } catch (error) {
      await client.close();
      if (error instanceof UnreachableError) throw error;
      throw new UnreachableError(
        `the fleet's log cannot be read: ${error instanceof Error ? error.message : String(error)}`,
        'check that the servers run with JetStream, and the permissions of the key',
      );
    }
  }

  get picture(): Picture {
    return this.placer.picture;
  }

  async #read(log: NatsLog, replicas: number, withinMs: number): Promise<void> {
    let whole = () => {};
    const read = new Promise<'whole'>((done) => {
      whole = () => done('whole');
    });
    const reader: LogReader = {
      entry: (entry) => {
        this.placer.read(entry);
        if (this.picture.whole) whole();
      },
      caughtUp: () => {
        this.placer.caughtUp();
        whole();
      },
      restarted: () => this.placer.restart(),
      // The servers were started without their store. A placer's key may not make the log.
      missing: () => void ensureStream(this.connection, replicas, MAKE_AGAIN_MS).catch(() => {}),
    };
    this.#watch = await log.watch(reader, Math.max(MIN_WATCH_MS, withinMs));
    let late: NodeJS.Timeout | undefined;
    const tooLate = new Promise<'late'>((done) => {
      late = setTimeout(() => done('late'), WHOLE_MS);
    });
    const end = await Promise.race([read, tooLate]);
    clearTimeout(late);
    if (end === 'late') throw new UnreachableError("the fleet's log did not come in time", 'try again');
  }

  /**
   * @returns null when the host does not answer
   * @throws UnreachableError when the key may not ask that
   */
  ask(host: string, question: Question, withinMs?: number): Promise<unknown> {
    return askHost(this.connection, host, question, withinMs);
  }

  /**
   * Answers of these hosts. A message to all is answered by whoever gets it, in any name: a host
   * that answers twice is asked once more, by itself. So is one that is late beside the others, but
   * for the question for a VM, which only hosts that have it answer.
   */
  async askAll(question: Question, hosts: readonly string[]): Promise<Map<string, unknown>> {
    const answers = new Map<string, unknown>();
    if (hosts.length === 0) return answers;
    const [late, twice] = [new Set(hosts), new Set<string>()];
    const options = { strategy: 'stall', maxWait: ANSWER_MS, stall: QUIET_MS, maxMessages: hosts.length } as const;
    try {
      for await (const message of await this.connection.requestMany(ASK_ALL, JSON.stringify(question), options)) {
        const answer = objectOf(message);
        const { host } = answer;
        if (typeof host !== 'string') continue;
        if (late.delete(host)) answers.set(host, answer);
        else if (answers.delete(host)) twice.add(host);
      }
    } catch (error) {
      // All members are away.
      if (!isNobody(error)) throw error;
    }
    await Promise.all(
      [...twice, ...(question.ask === 'vm' ? [] : late)].map(async (host) => {
        const answer = await this.ask(host, question, AGAIN_MS);
        if (answer !== null) answers.set(host, answer);
      }),
    );
    return answers;
  }

  /** Hosts of the picture that do not answer now. */
  async away(): Promise<Set<string>> {
    const hosts = [...this.picture.hosts.keys()];
    const answers = await this.askAll({ ask: 'ping' }, hosts);
    return new Set(hosts.filter((host) => !answers.has(host)));
  }

  /** An answer that the VM was started is final; otherwise the log says what became of it. */
  async start(host: string, request: StartRequest): Promise<StartAnswer> {
    const answer = await this.connection.request(startSubject(host), JSON.stringify(request), { timeout: START_MS });
    return textsOf(answer) as StartAnswer;
  }

  /**
   * Why the servers have not stored a claim, by the deletion that it needs anyway.
   * @returns null where they take the deletion, or do not answer
   */
  async whyNotStored(host: string, claim: string): Promise<string | null> {
    try {
      await new NatsLog(this.connection, '').store(claimSubject(host, claim), encodeDeletion(null));
      return null;
    } catch (error) {
      return isFull(error) ? error.message : null;
    }
  }

  /** Purges what is settled. Needs the administrator's key; done by whoever has it. */
  async tidy(): Promise<void> {
    const log = new NatsLog(this.connection, '');
    const full = [...this.picture.hosts.values()].filter(({ map, deletions }) => map !== null && deletions >= TIDY_DELETIONS);
    for (const { name, map } of full) await log.purgeClaims(name, map!.settled);
  }

  async close(): Promise<void> {
    clearInterval(this.#lease);
    await this.#watch?.stop();
    await this.connection.close();
  }
}

/** {} = none: one member's answer must not hide those of the others. */
function objectOf(message: Msg): { readonly host?: unknown } {
  try {
    const value = textsOf(message);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
