// A member of the fleet: the daemon of one host, as the owner of that host in the log. It creates
// no consumers: it reads its own entries one after the other, and a message on its subjects only
// tells it to read again. Without NATS it waits, and its host keeps working.
import { AuthorizationError, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { LineBudget } from '../../base/limits/line-budget.js';
import { type Admission, Owner } from '../protocol/owner.js';
import type { HostFigures } from '../protocol/owner-options.js';
import { INBOXES, inboxesOf } from '../store/connect.js';
import { NatsLog } from '../store/nats-log.js';
import { textOf } from '../store/nats-log-text.js';
import { isNobody } from '../store/retry.js';
import { encodeAnswer } from './answer-text.js';
import { QuestionTurns } from './question-turns.js';
import {
  ASK_ALL,
  askSubject,
  decodeQuestion,
  decodeStart,
  digestOf,
  drainSubject,
  eventSubject,
  isDrain,
  LEASE_MS,
  LEASES,
  MARGIN_MS,
  processOfLease,
  type Question,
  type StartAnswer,
  type StartRequest,
  startSubject,
  whyNotClaimed,
} from './requests.js';
import { WaitingStarts } from './waiting-starts.js';

/** The daemon behind a member. */
export interface FleetHost {
  /** A token. */
  readonly name: string;
  figures(): HostFigures;
  /** @throws with the reason why the VM did not start */
  start(request: StartRequest): Promise<void>;
  /** Before the memory of a claim that was not used is there for others. */
  freed?(id: string): void;
  /** An answer in JSON; null = nothing to say, for questions to all hosts. */
  answer(question: Question): Promise<unknown>;
}

export interface MemberLog {
  info(values: object, message: string): void;
  warn(values: object, message: string): void;
}

export interface MemberOptions {
  readonly connection: NatsConnection;
  readonly host: FleetHost;
  /** A token that no other process has had. */
  readonly name: string;
  /** The name that its connection has. */
  readonly inboxes: string;
  readonly log: MemberLog;
  /** Lease of a placer; LEASE_MS by default. */
  readonly leaseMs?: number;
  readonly marginMs?: number;
  /** Makes the log where it is gone; absent = this member's key may not. */
  readonly makeLog?: () => Promise<unknown>;
}

const TICK_MS = 1000;
/** Without a hint: one that was lost. */
const TICKS_A_READING = 5;
/** Replicas of the log that lag may lack an entry for a while. */
const CHECKS_UNTIL_LOST = 2;
/** A timer that is later than this slept, and so did whatever came in meanwhile. */
const LATE_MS = 3 * TICK_MS;
/** A hint may come before its entry can be read. */
const READ_AGAIN_MS = [2, 5, 10, 25, 50, 100, 200];
const ADMIT_TRIES = 40;
const ADMIT_PAUSE_MS = 50;
/** Of one kind. */
const WARNINGS_A_MINUTE = 60;

export class Member {
  readonly owner: Owner;
  readonly #options: MemberOptions;
  readonly #log: NatsLog;
  readonly #timer: NodeJS.Timeout;
  #tickedMs = performance.now();
  #reading: Promise<void> | null = null;
  #wanted = false;
  /** Ends the pause before the next reading. */
  #wake = () => {};
  #connected = true;
  /** The host could not be looked at, and the log says so. */
  #blind = false;
  #ticks = 0;
  /** How often in a row the log lacked an entry that it never forgets. */
  #lacking = 0;
  /** The log is not there, and the daemon's log says so. */
  #logless = false;
  #checking = false;
  readonly #questions = new QuestionTurns();
  /** Apart from the others: only the administrator's key may ask there. */
  readonly #drains = new QuestionTurns();
  readonly #waiting = new WaitingStarts();
  readonly #lines = new LineBudget(WARNINGS_A_MINUTE);
  /** Claims freed since the last tick: one line of the log for all of them. */
  #freed: string[] = [];
  #stopped = false;

  constructor(options: MemberOptions) {
    this.#options = options;
    const { connection, host, name, inboxes, leaseMs = LEASE_MS, marginMs = MARGIN_MS } = options;
    this.#log = new NatsLog(connection, inboxesOf(inboxes));
    this.owner = new Owner({
      ...{ host: host.name, name, leaseMs, marginMs },
      figures: () => host.figures(),
      send: (subject, text) => this.#log.send(subject, text),
      freed: (id) => {
        host.freed?.(id);
        this.#freed.push(id);
      },
      replaced: (by) => options.log.warn(by, 'another daemon has taken this host in the fleet'),
    });
    this.#subscribe(`h.${host.name}.>`, () => this.#hint());
    this.#subscribe(LEASES, ({ subject }) => this.owner.heard(processOfLease(subject), performance.now()));
    this.#subscribe(startSubject(host.name), (message) => void this.#started(message));
    const ask = (message: Msg) => this.#asked(message, false);
    this.#subscribe(askSubject(host.name), ask);
    this.#subscribe(ASK_ALL, ask);
    this.#subscribe(drainSubject(host.name), (message) => this.#asked(message, true));
    void this.#followConnection();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#hint();
  }

  /** The host has changed. */
  changed(): void {
    this.#look(() => this.owner.publish());
  }

  event(values: object): void {
    this.#log.send(eventSubject(this.#options.host.name), JSON.stringify(values));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#sayFreed();
    this.#wake();
    await this.#reading?.catch(() => {});
    await this.#options.connection.close();
  }

  #subscribe(subject: string, take: (message: Msg) => void): void {
    this.#options.connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) take(message);
        else this.#options.log.warn({ subject, error: error.message }, 'the fleet refuses a subscription');
      },
    });
  }

  /** Leases cannot be heard while there is no connection. */
  async #followConnection(): Promise<void> {
    const { connection, log } = this.#options;
    let refused = false;
    for await (const status of connection.status()) {
      const { type } = status;
      if (type === 'error' && status.error instanceof AuthorizationError) {
        if (!refused) log.warn({ error: status.error.message }, 'the servers of the fleet refuse the key of this member; it tries again');
        refused = true;
      }
      if (type === 'disconnect' && this.#connected) {
        this.#connected = false;
        log.warn({}, 'the fleet cannot be reached; the host keeps running');
      }
      if (type === 'reconnect') {
        refused = false;
        this.#connected = true;
        this.#ticks = 0;
        log.info({}, 'the fleet is there again');
        this.owner.restartLeases(performance.now());
        this.#hint();
      }
    }
  }

  #tick(): void {
    this.#sayFreed();
    this.#sayRefused();
    const nowMs = performance.now();
    if (nowMs - this.#tickedMs > LATE_MS) this.owner.restartLeases(nowMs);
    this.#tickedMs = nowMs;
    // Messages sent without a connection would pile up.
    if (!this.#connected) return;
    const now = this.#ticks++ % TICKS_A_READING === 0;
    if (!this.owner.isOwner || now) this.#hint();
    if (now && !this.#checking) void this.#check();
    this.#look(() => this.owner.tick(nowMs));
  }

  /** Whether the log is still the one that was read: servers may have lost their store. */
  async #check(): Promise<void> {
    const { owner } = this;
    if (owner.isReading) return;
    this.#checking = true;
    try {
      const { newest } = owner;
      const place = newest === null ? null : await this.#log.placeOf(newest.subject);
      this.#logless = false;
      if (newest !== null && place === newest.place) this.#lacking = 0;
      else if (newest?.place === owner.newest?.place && ++this.#lacking >= CHECKS_UNTIL_LOST) this.#startAgain();
    } catch (error) {
      if (isNobody(error)) await this.#missing();
    } finally {
      this.#checking = false;
    }
  }

  #startAgain(): void {
    this.#lacking = 0;
    this.#options.log.warn({}, "the fleet's log has lost entries, or was made anew; the host joins again");
    this.owner.restart();
    this.#hint();
  }

  /** Servers without the stream, without JetStream, or without a leader: the stream decides. */
  async #missing(): Promise<void> {
    const { log, makeLog } = this.#options;
    if (!this.#logless)
      log.warn(
        {},
        "the fleet's log does not answer; the host keeps running. If it is gone, xennuma fleet show makes it with the administrator's key",
      );
    this.#logless = true;
    await makeLog?.().catch(() => {});
  }

  #sayFreed(): void {
    if (this.#freed.length === 0) return;
    const [first] = this.#freed;
    const values = { claim: first, claims: this.#freed.length };
    this.#freed = [];
    this.#options.log.info(values, 'claims were freed: their placer is gone, or their start was refused');
  }

  #sayRefused(): void {
    for (const [message, times] of this.#lines.due()) this.#options.log.warn({ times }, `${message}; not every time has a line`);
    const refusals = this.#questions.refusals();
    if (refusals !== null) this.#options.log.warn({ refused: refusals }, 'questions of the fleet were refused: too many at once');
  }

  /** Of what others send, who could fill the log. */
  #warn(values: object, message: string): void {
    const left = this.#lines.take(message);
    if (left !== null) this.#options.log.warn(left === 0 ? values : { ...values, linesLeftOut: left }, message);
  }

  /** For what looks at the host, which may fail; the next look finds it as it is then. */
  #look(work: () => void): void {
    try {
      work();
      this.#blind = false;
    } catch (error) {
      if (!this.#blind) this.#options.log.warn({ error: wordsOf(error) }, 'the host cannot be read for the fleet');
      this.#blind = true;
    }
  }

  #hint(): void {
    this.#wanted = true;
    this.#wake();
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
      if (this.#wanted && !this.#stopped) this.#hint();
    });
  }

  /** All there is now, and what comes shortly after. */
  async #read(): Promise<void> {
    this.#wanted = false;
    const pattern = `h.${this.#options.host.name}.>`;
    try {
      for (let quiet = 0; quiet < READ_AGAIN_MS.length && !this.#stopped; ) {
        const entry = await this.#log.next(pattern, this.owner.last);
        if (entry !== null) {
          this.owner.read(entry, performance.now());
          quiet = 0;
          continue;
        }
        if (this.owner.isReading) this.#look(() => this.owner.take());
        await this.#pause(READ_AGAIN_MS[quiet++]!);
        if (this.#wanted) quiet = 0;
        this.#wanted = false;
      }
    } catch {
      // No server, or no leader: the next tick reads on.
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(done, ms);
      this.#wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }

  async #started(message: Msg): Promise<void> {
    const request = decodeStart(message.string());
    if (request === null) return;
    const answer = await this.#start(request).catch((error: unknown) => ({ started: false, reason: wordsOf(error) }));
    if (!answer.started) this.#warn({ claim: request.id, vm: request.vm.name, reason: answer.reason }, 'a start of the fleet was refused');
    this.#respond(message, answer);
  }

  async #start(request: StartRequest): Promise<StartAnswer> {
    const { owner } = this;
    const digest = digestOf(request.vm, request.parts);
    let admitted = owner.admit(request.id, digest);
    if (admitted === 'later') {
      const reason = this.#waiting.begin(request.id);
      if (reason !== null) return { started: false, reason };
      admitted = await this.#admitLater(request.id, digest).finally(() => this.#waiting.end(request.id));
    }
    if (admitted === 'started') return { started: true };
    if (admitted !== 'start') {
      // A forged start must not cost the placer its promise.
      if (!admitted.refused.includes('another start')) owner.refuse(request.id);
      return { started: false, reason: admitted.refused };
    }
    const reason = await this.#startClaimed(request);
    this.#look(() => owner.ended(request.id, reason === null));
    return reason === null ? { started: true } : { started: false, reason };
  }

  /** Reads on, for the claim may have been written just before the start. */
  async #admitLater(id: string, digest: string): Promise<Exclude<Admission, 'later'>> {
    for (let tries = 1; tries < ADMIT_TRIES; tries++) {
      this.#hint();
      await pause(ADMIT_PAUSE_MS);
      const admitted = this.owner.admit(id, digest);
      if (admitted !== 'later') return admitted;
    }
    return { refused: 'the claim is not in the log' };
  }

  /** @returns why the VM did not start; null = it did */
  async #startClaimed(request: StartRequest): Promise<string | null> {
    const why = whyNotClaimed(request, this.owner.partsOf(request.id));
    if (why !== null) return why;
    try {
      await this.#options.host.start(request);
      return null;
    } catch (error) {
      return wordsOf(error);
    }
  }

  #asked(message: Msg, mayDrain: boolean): void {
    const { reply, data } = message;
    // Not what a consumer delivers there: its reply is no inbox.
    if (!reply?.startsWith(INBOXES)) return;
    const turns = mayDrain ? this.#drains : this.#questions;
    const reason = turns.add(reply, data.length, () => this.#answerQuestion(message, mayDrain));
    if (reason !== null && turns.tells(reply)) this.#respond(message, { host: this.#options.host.name, error: reason });
  }

  async #answerQuestion(message: Msg, mayDrain: boolean): Promise<void> {
    // Nor what somebody had a server answer to this subject.
    const question = decodeQuestion(textOf(message, 0));
    if (question === null || isDrain(question) !== mayDrain) return;
    const answer = await this.#options.host.answer(question).catch((error: unknown) => ({ error: String(error) }));
    if (answer !== null) this.#respond(message, { host: this.#options.host.name, ...(answer as object) });
    if (mayDrain) this.changed();
  }

  /** A connection that is gone, or refuses the answer, must not end the daemon. */
  #respond(message: Msg, answer: object): void {
    const { connection } = this.#options;
    try {
      message.respond(encodeAnswer(answer, connection.info?.max_payload));
    } catch (error) {
      this.#warn({ subject: message.subject, error: wordsOf(error) }, 'an answer to the fleet was not sent');
    }
  }
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
