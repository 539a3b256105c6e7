// What is remembered of logins across restarts: addresses that logged in lately keep their part in
// the reserve, and who guesses passwords does not begin anew. A small file in the state folder.
import { join } from 'node:path';
import * as z from 'zod';
import type { FileCalls } from '../../base/file-calls.js';
import { readOwnFile } from '../../base/own-file.js';
import { replaceFile } from '../../base/replace-file.js';

export const LOGINS_FILE = 'logins.json';
/** Of each kind, the latest ones. */
export const MOST_STORED = 1000;
/** Changes of so long are written together; a daemon that is killed forgets at most these. */
const WRITE_MS = 1000;
const MOST_BYTES = 2 ** 20;

const text = z.string().max(512);
const ms = z.int().min(0);
const known = z.strictObject({ address: text, user: text, rank: z.enum(['stranger', 'known', 'admin', 'root']), agoMs: ms });
const guesses = z.strictObject({ name: text, count: z.int().min(1), agoMs: ms, waitMs: ms });
const file = z.strictObject({
  version: z.literal(1),
  writtenMs: ms,
  known: z.array(known).max(MOST_STORED),
  guesses: z.array(guesses).max(MOST_STORED),
});

export type StoredAddress = z.output<typeof known>;
export type StoredGuesses = z.output<typeof guesses>;

export interface Logins {
  readonly known: readonly StoredAddress[];
  readonly guesses: readonly StoredGuesses[];
}

export interface LoginMemoryOptions {
  readonly folder: string;
  readonly files: FileCalls;
  readonly warn: (values: object, message: string) => void;
  /** Whether the folder is still the one that the daemon owns. */
  readonly inPlace: () => boolean;
  readonly nowMs?: () => number;
}

export class LoginMemory {
  readonly #options: LoginMemoryOptions;
  readonly #nowMs: () => number;
  #current: (() => Logins) | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: LoginMemoryOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? Date.now;
  }

  /**
   * Times are given as what has passed until now. A clock that was set back counts as no time.
   * @returns null when nothing is there, or nothing of use
   */
  load(): Logins | null {
    const { folder, warn } = this.#options;
    try {
      const bytes = readOwnFile(join(folder, LOGINS_FILE), MOST_BYTES);
      if (bytes === null) return null;
      const stored = file.parse(JSON.parse(bytes.toString('utf8')));
      const passedMs = Math.max(0, this.#nowMs() - stored.writtenMs);
      return {
        known: stored.known.map((one) => ({ ...one, agoMs: one.agoMs + passedMs })),
        guesses: stored.guesses.map((one) => ({ ...one, agoMs: one.agoMs + passedMs, waitMs: Math.max(0, one.waitMs - passedMs) })),
      };
    } catch (error) {
      warn({ error: textOf(error) }, `${LOGINS_FILE} cannot be read: known addresses and wrong passwords are forgotten`);
      return null;
    }
  }

  /** @param current what is to be stored; asked for at each write */
  follow(current: () => Logins): void {
    this.#current = current;
  }

  changed(): void {
    this.#timer ??= setTimeout(() => this.#write(), WRITE_MS).unref();
  }

  close(): void {
    if (this.#timer !== null) this.#write();
  }

  #write(): void {
    const { folder, files, warn, inPlace } = this.#options;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#current === null || !inPlace()) return;
    const { known: addresses, guesses: wrong } = this.#current();
    const stored = { version: 1, writtenMs: this.#nowMs(), known: addresses.slice(-MOST_STORED), guesses: wrong.slice(-MOST_STORED) };
    try {
      replaceFile(join(folder, LOGINS_FILE), Buffer.from(JSON.stringify(stored)), files);
    } catch (error) {
      warn({ error: textOf(error) }, 'known addresses and wrong passwords could not be written: a restart would forget them');
    }
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
