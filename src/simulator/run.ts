// One run through a world: the calls of its clients, their answers, and the daemon's lives.
import { createHash } from 'node:crypto';
import { asXapiError } from '../xapi/model/tasks.js';
import type { Wire } from '../xapi/wire/values.js';
import type { Outcome } from '../xenopsd/api/outcome.js';
import { Killed, type Plant } from './faults.js';
import { Model } from './model.js';
import type { VirtualProcess } from './virtual-process.js';
import { CLIENTS, World } from './world.js';

export type Answer =
  | { readonly kind: 'value'; readonly value: Wire }
  | { readonly kind: 'error'; readonly code: string; readonly text: string }
  /** The daemon died before it answered. */
  | { readonly kind: 'lost' };

type Client = keyof typeof CLIENTS;

/** Changes; of an Async form the audit log has a line when its task has ended. */
const AUDITED = /^(VM|host)\.(?!get_)/;
/** Turns of the event loop without a call through a door, after which nothing is under way. */
const QUIET_TURNS = 12;
/** After this much virtual time, a call without an answer will never get one. */
const FORGOTTEN_MS = 600_000;
const ADVANCE_MS = 500;
/** Turns of the event loop before time has to pass for what is waited for. */
const PATIENT_TURNS = 100;

export interface WorldOptions {
  readonly plant: Plant | null;
  /** Called with each step and its result. */
  readonly trace?: (text: string) => void;
}

/** The invariant that does not hold. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

export class Run {
  readonly world: World;
  readonly model = new Model();
  readonly pending = new Map<number, string>();
  eventToken = '';
  guestEnds = 0;
  readonly seed: number;
  readonly #sessions = new Map<Client, string>();
  readonly #trace: (text: string) => void;
  readonly #digest = createHash('sha256');
  #faults: string[] = [];
  #nextCall = 0;
  #raising: Promise<void> | null = null;

  private constructor(world: World, seed: number, trace: (text: string) => void = () => {}) {
    this.#trace = trace;
    this.world = world;
    this.seed = seed;
  }

  static async open(virtual: VirtualProcess, seed: number, options: WorldOptions): Promise<Run> {
    const run = new Run(await World.open(virtual, seed, options.plant), seed, options.trace);
    run.#trace(JSON.stringify(run.world.shape));
    return run;
  }

  /** A digest of all actions and answers so far. */
  digest(): string {
    return this.#digest.copy().digest('hex').slice(0, 16);
  }

  fault(sentence: string): void {
    this.#faults.push(sentence);
  }

  /** @throws InvariantError */
  assertSound(): void {
    if (this.#faults.length > 0) throw new InvariantError(this.#faults.join('; '));
  }

  /** Destroys all VMs: then the host is as it was before the first one. @throws InvariantError */
  async end(): Promise<void> {
    for (const { ref } of [...this.model.vms]) {
      await this.settled(this.call('admin', 'VM.hard_shutdown', [ref]));
      const answer = await this.settled(this.call('admin', 'VM.destroy', [ref]));
      if (answer.kind !== 'value') this.fault(`a halted VM cannot be destroyed: ${this.answerText('', answer)}`);
    }
    const left = this.world.host.xc.domainList().length - 1;
    if (left > 0) this.fault(`${left} domains are left when all VMs are destroyed`);
    if (this.world.freePagesNow() !== this.world.freePagesAtBoot) this.fault('pages are missing when all VMs are destroyed');
    this.assertSound();
  }

  /** Waits until nothing is in progress; timers fire meanwhile. */
  async quiet(): Promise<void> {
    const { virtual } = this.world;
    const sinceMs = virtual.nowMs;
    let calls = this.world.life.calls;
    for (let still = 0; still < QUIET_TURNS || this.pending.size > 0; ) {
      await virtual.turn();
      if (this.world.life.dead) await this.raise();
      still = this.world.life.calls === calls ? still + 1 : 0;
      calls = this.world.life.calls;
      if (still < QUIET_TURNS) continue;
      if (this.pending.size > 0) await virtual.advance(ADVANCE_MS);
      if (virtual.nowMs - sinceMs > FORGOTTEN_MS) {
        throw new InvariantError(`forgotten: ${[...this.pending.values()].join(', ')}`);
      }
    }
  }

  /**
   * An Async call answers at once, a guest that restarts answers nobody, and both may wait for a
   * builder that hangs.
   */
  async buildsEnded(): Promise<void> {
    const { virtual } = this.world;
    const sinceMs = virtual.nowMs;
    while (this.world.isUp && this.world.isBuilding && virtual.nowMs - sinceMs < FORGOTTEN_MS) {
      await virtual.advance(ADVANCE_MS);
      await this.quiet();
    }
  }

  /** Waits only for `work`; time passes if it does not end by itself. @throws InvariantError */
  async settled<T>(work: Promise<T>): Promise<T> {
    const { virtual } = this.world;
    const sinceMs = virtual.nowMs;
    let ended = false;
    const end = (): void => {
      ended = true;
    };
    work.then(end, end);
    for (let turns = 0; !ended; turns++) {
      await virtual.turn();
      if (turns > PATIENT_TURNS) await virtual.advance(ADVANCE_MS);
      if (virtual.nowMs - sinceMs > FORGOTTEN_MS) throw new InvariantError('what was begun does not end');
    }
    return work;
  }

  /** A clean end, or one in the middle of everything, and a new life. */
  async restart(clean: boolean): Promise<void> {
    if (clean && this.world.isUp) {
      const closing = this.world.stop().catch((error: unknown) => {
        if (!this.world.life.dead) this.fault(`close: ${String(error)}`);
      });
      await this.settled(Promise.race([closing, this.world.life.ended]));
    }
    await this.world.kill();
    await this.raise();
  }

  async call(client: Client, method: string, params: readonly Wire[]): Promise<Answer> {
    const session = this.#sessions.get(client);
    if (session === undefined) {
      const answer = await this.login(client);
      if (answer.kind !== 'value') return answer;
    }
    const answer = await this.raw(method, [this.#sessions.get(client) ?? '', ...params], CLIENTS[client].address);
    if (answer.kind === 'error' && answer.code.startsWith('SESSION_INVALID')) this.#sessions.delete(client);
    if (answer.kind === 'value' && AUDITED.test(method))
      this.model.acknowledged.set(method, (this.model.acknowledged.get(method) ?? 0) + 1);
    return answer;
  }

  async login(client: Client): Promise<Answer> {
    const { name, password, address } = CLIENTS[client];
    const answer = await this.raw('session.login_with_password', [name, password, '1.0', 'simulator'], address);
    if (answer.kind === 'value') this.#sessions.set(client, String(answer.value));
    return answer;
  }

  logout(client: Client): Promise<Answer> {
    const session = this.#sessions.get(client);
    this.#sessions.delete(client);
    return this.raw('session.logout', [session ?? ''], CLIENTS[client].address);
  }

  async raw(method: string, params: readonly Wire[], address: string): Promise<Answer> {
    if (!this.world.isUp) return { kind: 'lost' };
    const { life, daemon } = this.world;
    const answer = await this.#unless(
      life.ended,
      daemon.dispatcher.call({ method, params }, address, new AbortController().signal).then(
        (value): Answer => ({ kind: 'value', value }),
        (error: unknown): Answer => {
          const { code, message } = asXapiError(error);
          return { kind: 'error', code, text: message };
        },
      ),
    );
    if (answer === null || life.dead) return { kind: 'lost' };
    return answer;
  }

  /** @returns null when the daemon died before */
  async outcome(work: Promise<Outcome>): Promise<Outcome | null> {
    const { life } = this.world;
    const outcome = await this.#unless(life.ended, work).catch((error: unknown) => {
      if (life.dead) return null;
      throw error;
    });
    return life.dead ? null : outcome;
  }

  answerText(name: string, answer: Answer): string {
    if (answer.kind === 'error') return `${name} ${answer.text}`;
    return answer.kind === 'lost' ? `${name} lost` : `${name} ${JSON.stringify(answer.value)}`;
  }

  note(index: number, text: string): void {
    this.#digest.update(`${index} ${text}\n`);
    this.#trace(`${index} ${text}`);
  }

  follow(index: number, result: Promise<string | null>): void {
    const id = this.#nextCall++;
    this.pending.set(id, `step ${index}`);
    this.#trace(`${index} begins`);
    result.then(
      (text) => {
        this.pending.delete(id);
        if (text !== null) this.note(index, text);
      },
      (error: unknown) => {
        this.pending.delete(id);
        if (!isKilled(error)) this.fault(`step ${index}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      },
    );
  }

  async #unless<T>(end: Promise<void>, work: Promise<T>): Promise<T | null> {
    return Promise.race([work, end.then(() => null)]);
  }

  /** Starts the daemon again when it is dead. Sessions end with it. */
  raise(): Promise<void> {
    if (this.world.isUp) return Promise.resolve();
    this.#raising ??= this.#raise().finally(() => {
      this.#raising = null;
    });
    return this.#raising;
  }

  async #raise(): Promise<void> {
    await this.world.kill();
    this.#sessions.clear();
    // Built again where the host ended with the process, which may not succeed.
    if (!this.world.shape.outlives) for (const { power } of this.model.vms) if (!power.values.includes('Halted')) power.may('Halted');
    this.#trace('the daemon starts');
    await this.world.start();
  }
}

export function isKilled(error: unknown): boolean {
  if (error instanceof Killed) return true;
  if (!(error instanceof Error)) return false;
  return error.message.includes('simulated process was killed') || isKilled(error.cause);
}
