// A backup: the whole state as one database file, with a checksum. It is opened in memory, so that
// a look at it needs no room on a disk and leaves nothing there.
import { createHash } from 'node:crypto';
import Sqlite from 'better-sqlite3';
import { decodeVm } from '../../../xenopsd/store/metadata-format.js';
import { recordOf } from './record-text.js';
import { knownFault } from './sqlite-faults.js';
import { checkFormat, DamagedStateError, FORMAT } from './state-files.js';

/** The setting that only a backup has. SQLite itself does not notice a wrong bit in a text. */
const CHECKSUM = 'checksum';
/**
 * "xnbk" as SQLite's application_id, which is 0 in a state: it says that there is a checksum, whose
 * own name may be what is wrong.
 */
const BACKUP_ID = 0x786e626b;
const ANOTHER = 'restore another backup';
/**
 * Bytes 18 and 19 of the file: 2 = there is a write-ahead log beside it, for which there is no
 * place in memory; 1 = there is none (sqlite.org/fileformat2.html, 1.3.3).
 */
const [WRITE_VERSION, READ_VERSION, WITH_LOG, WITHOUT_LOG] = [18, 19, 2, 1];

export interface CheckedState {
  readonly bytes: Buffer;
  readonly objects: number;
}

/**
 * The backup of a state. @param file named in errors
 * @throws InputError when the state is damaged
 */
export function backupOf(state: Uint8Array, file: string): CheckedState {
  return inMemory(state, file, (db) => {
    const objects = check(db, file);
    db.prepare('INSERT OR REPLACE INTO settings VALUES (?, ?)').run(CHECKSUM, checksumOf(db));
    db.pragma(`application_id = ${BACKUP_ID}`);
    return { objects, bytes: db.serialize() };
  });
}

/**
 * The state of a backup: every page, every record, and the checksum. Backups of earlier versions
 * have none.
 * @throws InputError, DamagedStateError, ForeignStateError
 */
export function stateOfBackup(backup: Uint8Array, file: string): CheckedState {
  return inMemory(backup, file, (db) => {
    const objects = check(db, file);
    const expected = db.prepare('SELECT value FROM settings WHERE name = ?').pluck().get(CHECKSUM);
    const hasChecksum = expected !== undefined || db.pragma('application_id', { simple: true }) !== 0;
    if (hasChecksum && expected !== checksumOf(db)) throw new DamagedStateError('its checksum differs', file, ANOTHER);
    db.prepare('DELETE FROM settings WHERE name = ?').run(CHECKSUM);
    db.pragma('application_id = 0');
    return { objects, bytes: db.serialize() };
  });
}

function inMemory<T>(bytes: Uint8Array, file: string, work: (db: Sqlite.Database) => T): T {
  let db: Sqlite.Database | null = null;
  try {
    const copy = Buffer.from(bytes);
    for (const at of [WRITE_VERSION, READ_VERSION]) if (copy[at] === WITH_LOG) copy[at] = WITHOUT_LOG;
    db = new Sqlite(copy);
    checkFormat(db, FORMAT, file, true);
    return work(db);
  } catch (error) {
    const known = knownFault(error, file, ANOTHER);
    // There is no disk here that could fail.
    if (known === null && error instanceof Sqlite.SqliteError) throw new DamagedStateError(error.message, file, ANOTHER);
    throw known ?? error;
  } finally {
    db?.close();
  }
}

/** @returns the number of objects */
function check(db: Sqlite.Database, file: string): number {
  const fault = db.pragma('integrity_check(1)', { simple: true });
  if (fault !== 'ok') throw new DamagedStateError(String(fault), file, ANOTHER);
  let objects = 0;
  for (const row of db.prepare('SELECT ref, class, record FROM objects').iterate()) {
    const { ref, class: type, record } = row as { ref: string; class: string; record: string };
    readable(`the record of ${type} ${ref}`, file, () => recordOf(type, record));
    objects++;
  }
  for (const row of db.prepare('SELECT name, metadata FROM domains').iterate()) {
    const { name, metadata } = row as { name: string; metadata: string };
    readable(`the domain '${name}'`, file, () => decodeVm(metadata));
  }
  return objects;
}

function readable(what: string, file: string, read: () => unknown): void {
  try {
    read();
  } catch (error) {
    throw new DamagedStateError(`${what} is damaged: ${error instanceof Error ? error.message : String(error)}`, file, ANOTHER);
  }
}

/** Of all rows but its own, whatever pages they are on. */
function checksumOf(db: Sqlite.Database): string {
  const hash = createHash('sha256');
  const tables = [
    db.prepare('SELECT ref, class, record FROM objects ORDER BY ref'),
    db.prepare('SELECT name, position, metadata FROM domains ORDER BY name'),
    db.prepare(`SELECT name, value FROM settings WHERE name <> '${CHECKSUM}' ORDER BY name`),
  ];
  for (const rows of tables) for (const row of rows.raw().iterate()) hash.update(`${JSON.stringify(row)}\n`);
  return hash.digest('hex');
}
