// Answers on their way out. A large one is written out only when its reader has read those before,
// when there is room for it among what its user has not read, and in its user's turn: a client that
// requests many costs the others neither memory nor time.
import type { ServerResponse } from 'node:http';
import type { Ledger, Principal } from '../calls/ledger.js';
import type { Turns } from '../calls/turns.js';
import { bodyOf } from './body.js';

/** From this size on an answer waits for room and for a turn before it is written out. */
export const LARGE_BYTES = 64 * 1024;
/** How long an answer waits for room among its user's bytes. */
const ROOM_MS = 60_000;

export interface Written {
  readonly body: string | Buffer;
  /** Ends the charge, once the body is read. */
  readonly release: () => void;
}

type Release = () => void;

interface Waiter {
  readonly bytes: number;
  readonly response: ServerResponse;
  readonly deadlineMs: number;
  /** null = there was no room in time, or the reader is gone. */
  readonly settle: (release: Release | null) => void;
}

/** Answers of one user that wait for room; the first one asks the ledger, for all of them. */
interface Line {
  readonly principal: Principal;
  readonly waiting: Waiter[];
}

export class Answers {
  readonly #ledger: Ledger;
  readonly #turns: Turns;
  readonly #lines = new Map<string, Line>();
  #written = 0;

  constructor(ledger: Ledger, turns: Turns) {
    this.#ledger = ledger;
    this.#turns = turns;
  }

  /** Large answers that were written out, also those that then had to wait for more room. */
  get written(): number {
    return this.#written;
  }

  /**
   * Writes out an answer when there is room for it.
   * @param leastBytes what it takes, at least; a better estimate saves work
   * @returns null when the reader is gone, or when there was no room for a minute
   */
  write(
    response: ServerResponse,
    principal: Principal,
    leastBytes: number,
    encode: () => string | Buffer,
  ): Written | Promise<Written | null> {
    if (leastBytes >= LARGE_BYTES) return this.#writeInTurn(response, principal, leastBytes, encode);
    const body = bodyOf(encode());
    const release = this.#take(principal, body.length);
    return release === null ? this.#writeInTurn(response, principal, body.length, encode) : { body, release };
  }

  async #writeInTurn(
    response: ServerResponse,
    principal: Principal,
    leastBytes: number,
    encode: () => string | Buffer,
  ): Promise<Written | null> {
    let bytes = leastBytes;
    for (;;) {
      const release = await this.#room(response, principal, bytes);
      if (release === null) return null;
      try {
        const body = await this.#turns.run(principal, () => this.#encoded(response, encode));
        if (body === null) {
          release();
          return null;
        }
        const more = this.#capped(body.length) - this.#capped(bytes);
        const rest = more <= 0 ? nothing : this.#ledger.take('bytes', principal, more);
        if (rest !== null) return { body, release: both(release, rest) };
        // It is longer than it was known to be, and waits for the room that it takes.
        bytes = body.length;
        release();
      } catch (error) {
        release();
        throw error;
      }
    }
  }

  /**
   * The same for a page that writes itself.
   * @param leastBytes what it took the last time; 0 = it is small
   * @returns what ends its charge
   */
  async page(response: ServerResponse, principal: Principal, leastBytes: number, write: () => unknown): Promise<Release | null> {
    const release = leastBytes === 0 ? nothing : await this.#room(response, principal, leastBytes);
    if (release === null) return null;
    try {
      await this.#turns.run(principal, () => (response.destroyed ? null : write()));
    } catch (error) {
      release();
      throw error;
    }
    return release;
  }

  #encoded(response: ServerResponse, encode: () => string | Buffer): string | Buffer | null {
    if (response.destroyed) return null;
    this.#written++;
    return bodyOf(encode());
  }

  /** An answer that is longer than what one may have takes all of it. */
  #capped(bytes: number): number {
    return Math.min(bytes, this.#ledger.most('bytes'));
  }

  #take(principal: Principal, bytes: number): Release | null {
    return this.#ledger.take('bytes', principal, this.#capped(bytes));
  }

  /** Room for as many bytes, in the order in which the user's answers ask for it. */
  #room(response: ServerResponse, principal: Principal, bytes: number): Promise<Release | null> | Release | null {
    const known = this.#lines.get(principal.name);
    if (known === undefined) {
      const release = this.#take(principal, bytes);
      if (release !== null) return release;
    }
    return new Promise((settle) => {
      const line = known ?? { principal, waiting: [] };
      const waiter: Waiter = { bytes, response, deadlineMs: performance.now() + ROOM_MS, settle };
      line.waiting.push(waiter);
      // Whoever is gone gives back what its call holds at once, wherever it is in the line.
      response.once('close', () => {
        const at = line.waiting.indexOf(waiter);
        if (at > 0) line.waiting.splice(at, 1);
        if (at > 0) settle(null);
      });
      if (known !== undefined) return;
      this.#lines.set(principal.name, line);
      void this.#serve(line);
    });
  }

  async #serve(line: Line): Promise<void> {
    for (let first = line.waiting[0]; first !== undefined; first = line.waiting[0]) {
      const { bytes, response, deadlineMs, settle } = first;
      const over = response.destroyed || performance.now() > deadlineMs;
      const release = over ? null : this.#take(line.principal, bytes);
      if (!over && release === null) {
        await this.#ledger.released('bytes', ROOM_LOOK_MS);
        continue;
      }
      line.waiting.shift();
      settle(release);
    }
    this.#lines.delete(line.principal.name);
  }
}

/** A reader that is gone is noticed after so long, where nothing else is. */
const ROOM_LOOK_MS = 1000;

function nothing(): void {}

function both(one: Release, other: Release): Release {
  return other === nothing
    ? one
    : () => {
        one();
        other();
      };
}
