// The audit log: every change and every attempt at one, a JSON line each, on disk before the caller gets its answer. Passwords are never in it.
import { closeSync, openSync, writeSync } from 'node:fs';
import { InputError } from '../../base/errors.js';
import { wireToJson } from '../wire/json-rpc.js';
import type { Wire } from '../wire/values.js';
import type { CallEnd } from './dispatch.js';

/** Longest text of one call's arguments in the log. */
const MAX_ARGS_CHARS = 4096;

export class AuditLog {
  readonly #fd: number | null;

  /** @param file null = no log is kept. @throws InputError when it cannot be written */
  constructor(file: string | null) {
    try {
      this.#fd = file === null ? null : openSync(file, 'a', 0o600);
    } catch (error) {
      throw new InputError(`the audit log cannot be written: ${(error as Error).message}`, { file: file! }, 'choose another file');
    }
  }

  write({ method, session, address, args, error, durationMs }: CallEnd): void {
    if (this.#fd === null) return;
    const line = {
      time: new Date().toISOString(),
      user: session?.user ?? null,
      role: session?.role ?? null,
      address,
      method,
      args: argsText(args),
      result: error === null ? 'success' : [error.code, ...error.params],
      ms: Math.round(durationMs * 1000) / 1000,
    };
    writeSync(this.#fd, `${JSON.stringify(line)}\n`);
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
  }
}

function argsText(args: readonly Wire[]): unknown {
  const text = wireToJson(args);
  return text.length > MAX_ARGS_CHARS ? `${text.slice(0, MAX_ARGS_CHARS)}...` : (JSON.parse(text) as unknown);
}
