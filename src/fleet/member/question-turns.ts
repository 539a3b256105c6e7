// Questions to a member wait in a line for each asker, and are answered in turns: however many one
// asker sends, the question of another is among the next ones, and the daemon's other work goes on
// in between. An asker is known by the inbox that its answers go to.
import { inboxUserOf } from '../store/connect.js';

export interface QuestionLimits {
  /** Questions of one asker that wait. */
  readonly waiting: number;
  /** Bytes of them; one question may exceed it. */
  readonly waitingBytes: number;
  /** Askers of a host with questions that wait. */
  readonly askers: number;
  /** Bytes of all questions to a host that wait. */
  readonly allBytes: number;
}

export const QUESTION_LIMITS: QuestionLimits = {
  waiting: 64,
  waitingBytes: 2 ** 20,
  askers: 256,
  allBytes: 32 * 2 ** 20,
};

/** Time for questions in one turn of the event loop; one answer may exceed it. */
const TURN_MS = 5;
/** Between two refusals that one asker is told. */
const SAY_MS = 1000;
/** Between two lines of the log. */
const LOG_MS = 60_000;

/** The time for questions of a process, which may be a member for many hosts. */
export class LoopShare {
  readonly #now: () => number;
  readonly #soon: (next: () => void) => void;
  /** In the order of service. */
  readonly #lines = new Set<() => Promise<boolean>>();
  #serving = false;

  /** @param soon calls back in the next turn of the event loop */
  constructor(now: () => number = () => performance.now(), soon: (next: () => void) => void = (next) => void setImmediate(next)) {
    this.#now = now;
    this.#soon = soon;
  }

  /** @param next answers one question; false = there are no more */
  add(next: () => Promise<boolean>): void {
    this.#lines.add(next);
    if (this.#serving) return;
    this.#serving = true;
    void this.#serve();
  }

  async #serve(): Promise<void> {
    let began = this.#now();
    for (;;) {
      const [next] = this.#lines;
      if (next === undefined) break;
      this.#lines.delete(next);
      if (await next()) this.#lines.add(next);
      if (this.#now() - began < TURN_MS) continue;
      await new Promise<void>((done) => this.#soon(done));
      began = this.#now();
    }
    this.#serving = false;
  }
}

const PROCESS = new LoopShare();

interface Line {
  readonly waiting: { readonly bytes: number; readonly answer: () => Promise<void> }[];
  bytes: number;
}

/** Refused questions of askers since the last line of the log. */
export type Refusals = Readonly<Record<string, number>>;

export class QuestionTurns {
  readonly #limits: QuestionLimits;
  readonly #now: () => number;
  readonly #share: LoopShare;
  readonly #lines = new Map<string, Line>();
  #bytes = 0;
  readonly #refused = new Map<string, number>();
  readonly #saidMs = new Map<string, number>();
  #loggedMs = Number.NEGATIVE_INFINITY;

  constructor({
    limits = QUESTION_LIMITS,
    now = () => performance.now(),
    share = PROCESS,
  }: { readonly limits?: QuestionLimits; readonly now?: () => number; readonly share?: LoopShare } = {}) {
    this.#limits = limits;
    this.#now = now;
    this.#share = share;
  }

  /** @returns why it is not answered; null = it will be, by `answer`, which must not reject */
  add(reply: string, bytes: number, answer: () => Promise<void>): string | null {
    const asker = inboxUserOf(reply);
    const reason = this.#whyFull(asker, bytes);
    if (reason !== null) {
      const { askers } = this.#limits;
      const counted = this.#refused.has(asker) || this.#refused.size < askers ? asker : 'others';
      this.#refused.set(counted, (this.#refused.get(counted) ?? 0) + 1);
      return reason;
    }
    let line = this.#lines.get(asker);
    if (line === undefined) {
      line = { waiting: [], bytes: 0 };
      this.#lines.set(asker, line);
    }
    line.waiting.push({ bytes, answer });
    line.bytes += bytes;
    this.#bytes += bytes;
    this.#share.add(this.#next);
    return null;
  }

  /** Whether a refused asker is told: once a second, for an answer costs as much as a question. */
  tells(reply: string): boolean {
    const asker = inboxUserOf(reply);
    const now = this.#now();
    if (now - (this.#saidMs.get(asker) ?? Number.NEGATIVE_INFINITY) < SAY_MS) return false;
    this.#saidMs.delete(asker);
    this.#saidMs.set(asker, now);
    if (this.#saidMs.size > this.#limits.askers) this.#saidMs.delete(this.#saidMs.keys().next().value!);
    return true;
  }

  /** For a line of the log, at most one a minute; null = nothing to say now. */
  refusals(): Refusals | null {
    const now = this.#now();
    if (this.#refused.size === 0 || now - this.#loggedMs < LOG_MS) return null;
    const counts = Object.fromEntries(this.#refused);
    this.#refused.clear();
    this.#loggedMs = now;
    return counts;
  }

  #whyFull(asker: string, bytes: number): string | null {
    const { waiting, waitingBytes, askers, allBytes } = this.#limits;
    const line = this.#lines.get(asker);
    if (line !== undefined && line.waiting.length >= waiting) return `${waiting} questions of ${asker} wait already; ask more slowly`;
    if (line !== undefined && line.bytes + bytes > waitingBytes)
      return `questions of ${asker} with ${line.bytes} bytes wait already; ask more slowly`;
    if (line === undefined && this.#lines.size >= askers) return `questions of ${askers} askers wait already; ask later`;
    return this.#bytes + bytes > allBytes ? `questions of ${this.#bytes} bytes wait already; ask later` : null;
  }

  /** The asker who was served goes to the end. */
  readonly #next = async (): Promise<boolean> => {
    const [first] = this.#lines;
    if (first === undefined) return false;
    const [asker, line] = first;
    this.#lines.delete(asker);
    const { bytes, answer } = line.waiting.shift()!;
    line.bytes -= bytes;
    this.#bytes -= bytes;
    if (line.waiting.length > 0) this.#lines.set(asker, line);
    await answer();
    return this.#lines.size > 0;
  };
}
