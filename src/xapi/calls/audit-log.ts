// The audit log: a JSON line for every change and every attempt at one, written before the caller
// gets its answer. Passwords are never in it. Its size is bounded, and lines that cannot be written
// wait in memory until they can.
import { constants } from 'node:fs';
import { InputError } from '../../base/errors.js';
import { FILE_CALLS, type FileCalls } from '../../base/file-calls.js';
import { openOwnFile } from '../../base/own-file.js';
import { harmlessJson } from '../../base/safe-text.js';
import { type StorageError, storageErrorOf } from '../model/storage.js';
import { wireToJson } from '../wire/json-rpc.js';
import type { Wire } from '../wire/values.js';
import type { CallEnd } from './dispatch.js';
import { isRefusal, RefusalCounts, type RefusedCalls } from './refused-calls.js';

/** Longest text of one call's arguments in the log. */
const MAX_ARGS_CHARS = 4096;
/** The same of a refused call. */
const MAX_REFUSED_ARGS_CHARS = 100;
/**
 * The file is renamed to FILE.1 when it would exceed this, and FILE.1 to FILE.2 up to the number
 * below.
 */
export const AUDIT_LIMITS = { fileBytes: 16 * 2 ** 20, oldFiles: 4, pendingBytes: 2 ** 20 } as const;
const RETRY_MS = 1000;

export interface AuditOptions {
  /** null = no log is kept. */
  readonly file: string | null;
  readonly files?: FileCalls;
  readonly limits?: { readonly fileBytes: number; readonly oldFiles: number; readonly pendingBytes: number };
  readonly now?: () => number;
  /** The log cannot be written (with the reason), or can be written again (null). */
  readonly changed?: (fault: StorageError | null) => void;
  /** A line that has not reached the file. */
  readonly unwritten?: (line: string) => void;
  /** So many lines will never be in the file. Each of them was given to `unwritten`. */
  readonly lost?: (lines: number) => void;
}

export class AuditLog {
  readonly #options: AuditOptions;
  readonly #files: FileCalls;
  readonly #limits: NonNullable<AuditOptions['limits']>;
  readonly #refused: RefusalCounts;
  readonly #timer: NodeJS.Timeout;
  #fd: number | null = null;
  #bytes = 0;
  #pending: Uint8Array[] = [];
  /** Lines that found no room among those that wait, since the file last said so. */
  #dropped = 0;
  #lost = 0;
  #fault: StorageError | null = null;

  /** @throws InputError when the file cannot be opened */
  constructor(options: AuditOptions) {
    this.#options = options;
    this.#files = options.files ?? FILE_CALLS;
    this.#limits = options.limits ?? AUDIT_LIMITS;
    this.#refused = new RefusalCounts(options.now);
    this.#timer = setInterval(() => this.tick(), RETRY_MS).unref();
    if (options.file === null) return;
    try {
      this.#open(options.file);
      this.#assertOfThisLog(options.file);
    } catch (error) {
      clearInterval(this.#timer);
      if (error instanceof InputError) throw error;
      const { message } = storageErrorOf(error);
      throw new InputError(`the audit log cannot be written: ${message}`, { file: options.file }, 'choose another file, or make room');
    }
  }

  /** The reason why lines cannot be written now; null = they can. */
  get fault(): StorageError | null {
    return this.#fault;
  }

  /** Lines that will never be in the file. */
  get lost(): number {
    return this.#lost + this.#dropped;
  }

  write(end: CallEnd): void {
    if (this.#options.file === null) return;
    if (!isRefusal(end)) {
      this.#append(lineOf(end));
      return;
    }
    const due = this.#refused.add(end);
    if (due !== null) this.#append(lineOf(due.end, due));
  }

  /** Once a second: lines that wait, and counts whose minute is over. */
  tick(): void {
    if (this.#options.file === null) return;
    if (this.#fault !== null) this.#retry();
    for (const due of this.#refused.due()) this.#append(lineOf(due.end, due));
  }

  /** After another program has renamed the file, goes on in a new one with the old name. */
  reopen(): void {
    if (this.#options.file === null) return;
    this.#closeFile();
    this.#retry();
  }

  close(): void {
    clearInterval(this.#timer);
    if (this.#options.file === null) return;
    for (const due of this.#refused.due(true)) this.#append(lineOf(due.end, due));
    if (this.#fault !== null) this.#retry();
    if (this.#fault !== null) {
      const lines = this.#pending.length + this.#dropped;
      this.#dropped = 0;
      this.#lose(lines);
    }
    this.#closeFile();
  }

  #lose(lines: number): void {
    this.#lost += lines;
    this.#options.lost?.(lines);
  }

  #append(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    const waiting = this.#pending.length > 0;
    // Behind a line that was dropped none is kept: the file says at one place how many are missing.
    const fits = this.#dropped === 0 && this.#pendingBytes() + bytes.length <= this.#limits.pendingBytes;
    if (!waiting || fits) this.#pending.push(bytes);
    else this.#dropped++;
    if (waiting) this.#options.unwritten?.(line);
    else if (!this.#writePending()) this.#options.unwritten?.(line);
  }

  #pendingBytes(): number {
    return this.#pending.reduce((sum, { length }) => sum + length, 0);
  }

  #retry(): void {
    if (!this.#writePending()) return;
    if (this.#fault === null) return;
    this.#fault = null;
    this.#options.changed?.(null);
  }

  /**
   * Writes lines in order. The rest of a partly written line continues where it ended. @returns
   * false when the file refused
   */
  #writePending(): boolean {
    try {
      const { file } = this.#options;
      // A file that was renamed is written to until SIGHUP; one that was removed would keep
      // nothing.
      if (this.#fd !== null && this.#files.kind(this.#fd).links === 0) this.#closeFile();
      if (this.#fd === null) this.#open(file!);
      while (this.#pending.length > 0 || this.#dropped > 0) {
        if (this.#pending.length === 0) this.#sayDropped();
        const bytes = this.#pending[0]!;
        if (this.#bytes > 0 && this.#bytes + bytes.length > this.#limits.fileBytes) this.#rotate(file!);
        const written = this.#files.write(this.#fd!, bytes, null);
        this.#bytes += written;
        if (written < bytes.length) this.#pending[0] = bytes.subarray(written);
        else this.#pending.shift();
      }
      return true;
    } catch (error) {
      const known = this.#fault !== null;
      this.#fault = storageErrorOf(error);
      if (!known) this.#options.changed?.(this.#fault);
      return false;
    }
  }

  #sayDropped(): void {
    this.#pending.push(Buffer.from(`${JSON.stringify({ time: new Date().toISOString(), lost: this.#dropped })}\n`));
    this.#lose(this.#dropped);
    this.#dropped = 0;
  }

  #rotate(file: string): void {
    this.#closeFile();
    const { oldFiles } = this.#limits;
    for (let number = oldFiles - 1; number >= 0; number--) {
      try {
        this.#files.rename(number === 0 ? file : `${file}.${number}`, `${file}.${number + 1}`);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
    this.#open(file);
  }

  #open(file: string): void {
    this.#fd = openOwnFile(file, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, this.#files);
    this.#bytes = this.#files.size(this.#fd);
  }

  /** @throws InputError for a file that no log of ours can be; the next line would rename it */
  #assertOfThisLog(file: string): void {
    const most = 2 * this.#limits.fileBytes;
    if (this.#bytes <= most) return;
    this.#closeFile();
    throw new InputError(`the file has ${this.#bytes} bytes; expected at most ${most}`, { file }, 'move it away');
  }

  #closeFile(): void {
    const fd = this.#fd;
    this.#fd = null;
    if (fd !== null) this.#files.close(fd);
  }
}

function lineOf({ method, session, address, args, error, durationMs }: CallEnd, refused?: RefusedCalls): string {
  const line = JSON.stringify({
    time: new Date().toISOString(),
    user: session?.user ?? null,
    role: session?.role ?? null,
    address,
    method,
    args: argsText(args, refused === undefined ? MAX_ARGS_CHARS : MAX_REFUSED_ARGS_CHARS),
    result: error === null ? 'success' : [error.code, ...error.params],
    ...(refused === undefined ? {} : { count: refused.count }),
    ...(refused === undefined || refused.methods.length < 2 ? {} : { methods: refused.methods }),
    ms: Math.round(durationMs * 1000) / 1000,
  });
  return harmlessJson(line);
}

function argsText(args: readonly Wire[], mostChars: number): unknown {
  const text = wireToJson(args);
  return text.length > mostChars ? `${text.slice(0, mostChars)}...` : (JSON.parse(text) as unknown);
}
