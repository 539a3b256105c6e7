// The faults and their times: one switch, which all doors of a daemon's life consult before each
// call.
import type { Random } from '../base/random.js';

/** Faults that a test plants, each in the simulator's own wrapping of a part. */
export const PLANTS = ['lost-save', 'leaked-domain', 'wrong-union'] as const;
export type Plant = (typeof PLANTS)[number];

const DISK_ERRNOS = ['ENOSPC', 'EIO', 'EMFILE'] as const;

/** One in this many chances of a planted fault. */
const PLANT_ONE_IN = 60;

/** The process was killed: the rest of its code has no effect. */
export class Killed extends Error {
  override readonly name = 'Killed';

  constructor() {
    super('the simulated process was killed');
  }
}

/** The doors that fail, and how often. Shared by the lives of one world. */
export class Faults {
  /** Calls of each door that fail, in 1,000; 0 = all succeed. */
  perMille = 0;
  /** Faults so far, of every kind. */
  count = 0;
  /** Storage refuses everything until it is healed, as a full disk does. */
  diskErrno: string | null = null;
  readonly plant: Plant | null;
  readonly #random: Random;

  constructor(random: Random, plant: Plant | null) {
    this.#random = random;
    this.plant = plant;
  }

  get active(): boolean {
    return this.perMille > 0 || this.diskErrno !== null;
  }

  heal(): void {
    this.perMille = 0;
    this.diskErrno = null;
  }

  /** @returns one of the ways to fail; null = the call succeeds */
  next<T>(ways: readonly T[]): T | null {
    if (this.perMille === 0 || ways.length === 0 || this.#random.below(1000) >= this.perMille) return null;
    this.count++;
    return this.#random.pick(ways);
  }

  /** Like `next`, for doors whose failures are so costly that they would hide everything else. */
  seldom<T>(ways: readonly T[]): T | null {
    return this.perMille > 0 && this.#random.chance(10) ? this.next(ways) : null;
  }

  /** Storage's error for a write; null = it succeeds. */
  write(): string | null {
    if (this.diskErrno === null) return this.next(DISK_ERRNOS);
    this.count++;
    return this.diskErrno;
  }

  below(bound: number): number {
    return this.#random.below(bound);
  }

  /** Whether the planted fault happens now. */
  strikes(plant: Plant): boolean {
    return this.plant === plant && this.#random.below(PLANT_ONE_IN) === 0;
  }
}

/** One process, from its start to its end; a child of another one dies with it. */
export class Life {
  /** Calls through doors until it is killed; null = it is not to be. */
  callsLeft: number | null = null;
  /** Calls through doors so far; a quiet daemon makes none. */
  calls = 0;
  readonly ended: Promise<void>;
  readonly #parent: Life | null;
  #turnsLeft: number | null = null;
  #dead = false;
  #end!: () => void;

  constructor(parent: Life | null = null) {
    this.#parent = parent;
    this.ended = new Promise((end) => {
      this.#end = end;
    });
  }

  get dead(): boolean {
    return this.#dead || this.#parent?.dead === true;
  }

  kill(): void {
    this.#dead = true;
    this.#end();
  }

  /**
   * Killed after this many turns of the event loop, at any await: also between the last call of a
   * door and the answer to the client.
   */
  killInTurns(turns: number): void {
    this.#turnsLeft = turns;
    this.#nextTurn();
  }

  #nextTurn(): void {
    if (this.#turnsLeft === null) return;
    if (this.#turnsLeft-- <= 0) this.kill();
    else setImmediate(() => this.#nextTurn());
  }

  /** It is not to be killed any more. */
  spare(): void {
    this.callsLeft = null;
    this.#turnsLeft = null;
  }

  /** Before each call of a door. @returns whether the process lives on */
  enters(): boolean {
    this.#count();
    return !this.dead;
  }

  /** @throws Killed */
  enter(): void {
    if (!this.enters()) throw new Killed();
  }

  #count(): void {
    this.calls++;
    if (this.#parent !== null) this.#parent.#count();
    if (!this.#dead && this.callsLeft !== null && --this.callsLeft < 0) this.kill();
  }

  /** As `enter`, where the caller waits: a dead process waits for ever. */
  async enterAsync(): Promise<void> {
    if (!this.enters()) await new Promise<never>(() => {});
  }
}
