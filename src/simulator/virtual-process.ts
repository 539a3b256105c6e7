// Time, ids and password hashes of this process, from a seed: while a simulated world runs, the
// clocks stand still until a step moves them, and random values come from the seed. The product's
// code is unaware of it.
import crypto, { createHash } from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';
import { seededNumbers } from '../base/random.js';

/** 2026-01-01, when every world begins. */
const START_MS = 1_767_225_600_000;

interface Timer {
  readonly id: number;
  atMs: number;
  readonly everyMs: number | null;
  readonly fire: () => void;
}

/** Result of timer functions; the product calls unref() on it. */
interface Handle {
  readonly id: number;
  ref(): Handle;
  unref(): Handle;
  hasRef(): boolean;
  [Symbol.toPrimitive](): number;
}

export class VirtualProcess {
  #nowMs = 0;
  #wallSkewMs = 0;
  #nextId = 1;
  #timers: Timer[] = [];
  readonly #numbers: () => number;

  private constructor(seed: number) {
    this.#numbers = seededNumbers(seed);
  }

  /** Runs `work` with everything replaced, and puts everything back. One at a time. */
  static async run<T>(seed: number, work: (virtual: VirtualProcess) => Promise<T>): Promise<T> {
    const virtual = new VirtualProcess(seed);
    const restore = virtual.#install();
    try {
      return await work(virtual);
    } finally {
      restore();
    }
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Moves the wall clock alone, as an administrator or NTP does. */
  jumpWallClock(byMs: number): void {
    this.#wallSkewMs += byMs;
  }

  /** One turn of the event loop. */
  turn(): Promise<void> {
    return new Promise((done) => setImmediate(done));
  }

  /** Time passes; timers fire in their order, each followed by one turn of the event loop. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const next = this.#timers.reduce<Timer | null>((least, one) => (least === null || one.atMs < least.atMs ? one : least), null);
      if (next === null || next.atMs > untilMs) break;
      this.#nowMs = next.atMs;
      if (next.everyMs === null) this.#remove(next.id);
      else next.atMs += next.everyMs;
      next.fire();
      await this.turn();
    }
    this.#nowMs = untilMs;
  }

  /** Timers that wait. */
  get waiting(): number {
    return this.#timers.length;
  }

  /** A process that ended has none. */
  dropTimers(): void {
    this.#timers = [];
  }

  #remove(id: number): void {
    this.#timers = this.#timers.filter((one) => one.id !== id);
  }

  #add(fire: () => void, ms: number, everyMs: number | null): Handle {
    const id = this.#nextId++;
    this.#timers.push({ id, atMs: this.#nowMs + Math.max(ms, 1), everyMs, fire });
    const handle: Handle = { id, ref: () => handle, unref: () => handle, hasRef: () => false, [Symbol.toPrimitive]: () => id };
    return handle;
  }

  #uuid(): string {
    const hex = Array.from({ length: 4 }, () => this.#numbers().toString(16).padStart(8, '0')).join('');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
  }

  #install(): () => void {
    const undo = [
      replace(globalThis, 'setTimeout', (fire: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
        this.#add(() => fire(...args), ms, null),
      ),
      replace(globalThis, 'setInterval', (fire: () => void, ms = 1) => this.#add(fire, ms, Math.max(ms, 1))),
      ...['clearTimeout', 'clearInterval'].map((name) =>
        replace(globalThis, name, (handle?: Handle | null) => {
          if (handle !== undefined && handle !== null) this.#remove(Number(handle));
        }),
      ),
      replace(Date, 'now', () => START_MS + Math.floor(this.#nowMs) + this.#wallSkewMs),
      replace(performance, 'now', () => this.#nowMs),
      replace(timers, 'setTimeout', (ms: number, value: unknown) => new Promise((done) => this.#add(() => done(value), ms, null))),
      replace(crypto, 'randomUUID', () => this.#uuid()),
      replace(crypto, 'scrypt', (password: string, salt: Uint8Array, bytes: number, _: object, done: (e: null, key: Buffer) => void) => {
        const key = createHash('sha256').update(salt).update(password).digest().subarray(0, bytes);
        setImmediate(() => done(null, key));
      }),
    ];
    syncBuiltinESMExports();
    return () => {
      for (const one of undo) one();
      syncBuiltinESMExports();
    };
  }
}

function replace(owner: object, name: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(owner, name);
  Object.defineProperty(owner, name, { value, configurable: true, writable: true, enumerable: true });
  return () => {
    if (before === undefined) delete (owner as Record<string, unknown>)[name];
    else Object.defineProperty(owner, name, before);
  };
}
