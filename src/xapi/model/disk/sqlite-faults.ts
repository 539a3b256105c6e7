// Faults of SQLite that mean the same wherever a state is opened.
import { InputError } from '../../../base/errors.js';
import { npmCommand } from '../../../base/own-package.js';
import { DamagedStateError } from './state-files.js';

/** @returns null for what the caller must explain itself */
export function knownFault(error: unknown, file: string, mend: string): InputError | null {
  if (error instanceof InputError) return error;
  const { code = '', message } = error as { code?: string; message: string };
  if (!code.startsWith('SQLITE') && /bindings file|\.node\b/.test(message)) {
    return new InputError(
      'better-sqlite3 has no binary for this machine',
      {},
      `run ${npmCommand('rebuild', 'better-sqlite3')}, or leave out --state to keep the state in memory`,
    );
  }
  // Tables are made once, with all columns: one that is missing has a wrong letter in its text.
  const isWrongSchema = code === 'SQLITE_ERROR' && /^no such (table|column)|syntax error|unrecognized token/.test(message);
  if (isWrongSchema || /^SQLITE_(CORRUPT|NOTADB)/.test(code)) return new DamagedStateError(`the state is damaged: ${message}`, file, mend);
  return null;
}
