// The files of a state folder, and what must hold of them before SQLite opens them: no half
// restored state, no parts of a state without its database, and no database of another program.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type Sqlite from 'better-sqlite3';
import { InputError } from '../../../base/errors.js';

/** Of the database; rises when an earlier version could not read it. */
export const FORMAT = 1;
export const DATABASE = 'xapi.db';
/** SQLite's own files beside it. */
const BESIDE = ['-wal', '-journal', '-shm'].map((end) => `${DATABASE}${end}`);
/**
 * Files of a state folder that belong together; `commits` is the number that the database must
 * have.
 */
export const STATE_FILES: readonly string[] = [DATABASE, ...BESIDE, 'commits'];
/**
 * The restored database, from before a file of the earlier state is moved until it has its place:
 * while it is there, the folder is not used.
 */
export const RESTORED = `${DATABASE}.new`;
/** Folders with earlier states begin with it. */
export const EARLIER = 'before-restore-';

/** @throws InputError in a folder that a restore has not finished with */
export function assertNotHalfRestored(folder: string): void {
  const file = join(folder, RESTORED);
  if (!existsSync(file)) return;
  const back = existsSync(join(folder, DATABASE)) ? '' : `the files of ${join(folder, EARLIER)}* back, and `;
  throw new InputError(
    'a restore into this folder runs, or was interrupted',
    { file },
    `run it again: xennuma serve restore FILE --into FOLDER; or ${back === '' ? '' : 'move '}${back}remove this file for the earlier state`,
  );
}

/**
 * A new state would hide an earlier one.
 * @throws InputError for parts of a state without a database
 */
export function assertNoRest(folder: string): void {
  if (existsSync(join(folder, DATABASE))) return;
  const rest = readdirSync(folder).find((name) => BESIDE.includes(name) || name.startsWith(EARLIER));
  if (rest === undefined) return;
  const mend = rest.startsWith(EARLIER) ? "move that folder's files back" : 'put its database back, or move it away to begin a new state';
  throw new InputError(`expected ${DATABASE} beside this part of an earlier state`, { file: join(folder, rest) }, mend);
}

/**
 * @returns whether the database is new and has no tables yet
 * @throws InputError for one of another program or version; `mustBeThere`: for an empty one too
 */
export function checkFormat(db: Sqlite.Database, format: number, file: string, mustBeThere: boolean): boolean {
  const version = db.pragma('user_version', { simple: true }) as number;
  const tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all() as string[];
  if (version === 0 && tables.length === 0) {
    if (mustBeThere) throw new ForeignStateError(file, 'an empty file');
    return true;
  }
  const known = ['objects', 'domains', 'settings'].every((name) => tables.includes(name));
  if (!known) throw new ForeignStateError(file, 'the database of another program');
  if (version !== format) {
    throw new InputError(`the state is of format ${version}`, { file }, `this xennuma knows format ${format} only`);
  }
  const commits = db.prepare("SELECT value FROM settings WHERE name = 'commits'").pluck().get();
  if (mustBeThere && !/^\d+$/.test(String(commits))) throw new ForeignStateError(file, 'one without a count of commits');
  return false;
}

/** The file is whole, and something else than a state of xennuma. */
export class ForeignStateError extends InputError {
  constructor(file: string, got: string) {
    super(`expected a state of xennuma, got ${got}`, { file }, 'name another folder or file');
  }
}

/** Its pages, its records or its count of commits are not what was written. */
export class DamagedStateError extends InputError {
  constructor(message: string, file: string, mend: string) {
    super(message, { file }, mend);
  }
}

/** Another process has it open. */
export class OwnedStateError extends InputError {
  constructor(file: string) {
    super('another xennuma owns this state folder', { file }, 'end it first, or choose another folder');
  }
}
