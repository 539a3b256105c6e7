// The state folder: one SQLite database with XAPI's objects and the toolstack's metadata of
// domains. Write-ahead log, synchronous=FULL: a commit survives kill -9 and power failures. One
// process owns the folder.

import { randomUUID } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { InputError } from '../../../base/errors.js';
import { FILE_CALLS, type FileCalls, type FileIdentity } from '../../../base/file-calls.js';
import { assertInPlace, checkOwnFile, makeOwnFolder, writeFault } from '../../../base/own-file.js';
import type { MetadataStore } from '../../../xenopsd/api/metadata.js';
import { forgetBuild, keepBuild } from '../../../xenopsd/store/build-files.js';
import { decodeVm, encodeVm } from '../../../xenopsd/store/metadata-format.js';
import { type LoadedObject, type StateStore, type StoredChange, storageErrorOf } from '../storage.js';
import { CommitCount } from './commit-count.js';
import { type RecordOfText, recordOf, recordText } from './record-text.js';
import { knownFault } from './sqlite-faults.js';
import { assertNoRest, assertNotHalfRestored, checkFormat, DATABASE, DamagedStateError, FORMAT, OwnedStateError } from './state-files.js';
import { trialWrite } from './trial-write.js';

const RESTORE = 'restore a backup: xennuma serve restore FILE --into FOLDER';
/**
 * Room for the commit of a small change: this much must fit before a daemon goes on after a full
 * disk.
 */
const PROBE_BYTES = 65_536;

export interface StateFolderOptions {
  readonly files?: FileCalls;
  /**
   * Called when the count of commits next to the database could not be written. Losses are then
   * noticed later.
   */
  readonly countFailed?: (error: unknown) => void;
  /** Opened by the restore itself, which looks whether a daemon uses the earlier state. */
  readonly restoring?: boolean;
}

export class StateFolder implements StateStore {
  readonly #db: Sqlite.Database;
  readonly #folder: string;
  readonly #file: string;
  readonly #files: FileCalls;
  /** Prepared at the start, which tells of columns that are missing. */
  readonly #objects: Sqlite.Statement<[]>;
  readonly #domains: Sqlite.Statement<[]>;
  readonly #put: Sqlite.Statement<[string, string, string]>;
  readonly #drop: Sqlite.Statement<[string]>;
  readonly #setting: Sqlite.Statement<[string, string]>;
  readonly #count: CommitCount | null;
  readonly #countFailed: (error: unknown) => void;
  /** The files that SQLite and the count have open, by path. */
  readonly #places: readonly (readonly [path: string, identity: FileIdentity])[];
  #commits: number;

  /**
   * @throws InputError for a folder that cannot be used, is owned by another process, is damaged,
   *   has lost commits, or is of another version
   */
  constructor(folder: string, options: StateFolderOptions = {}) {
    const { files = FILE_CALLS, countFailed = () => {} } = options;
    this.#folder = folder;
    this.#file = join(folder, DATABASE);
    this.#files = files;
    this.#countFailed = countFailed;
    this.#db = this.#open(folder, options);
    try {
      this.#check();
      this.#objects = this.#db.prepare('SELECT ref, class, record FROM objects');
      this.#domains = this.#db.prepare('SELECT name, metadata FROM domains ORDER BY position');
      this.#put = this.#db.prepare('INSERT INTO objects VALUES (?, ?, ?) ON CONFLICT (ref) DO UPDATE SET record = excluded.record');
      this.#drop = this.#db.prepare('DELETE FROM objects WHERE ref = ?');
      this.#setting = this.#db.prepare('INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value');
      this.#commits = this.#checkCommits(join(folder, 'commits'));
      this.#count = this.#openCount(join(folder, 'commits'), files);
      this.#places = placesOf([this.#file, `${this.#file}-wal`, ...(this.#count === null ? [] : [join(folder, 'commits')])]);
    } catch (error) {
      this.#db.close();
      throw this.#asInputError(error);
    }
  }

  *load(): Iterable<LoadedObject> {
    for (const row of this.#objects.iterate()) {
      const { ref, class: type, record } = row as { ref: string; class: string; record: string };
      yield { ref, type, ...this.#recordOf(type, ref, record) };
    }
  }

  commit(changes: Iterable<StoredChange>): void {
    this.#transaction(() => {
      for (const { ref, type, record, charge } of changes) {
        if (record === null) this.#drop.run(ref);
        else this.#put.run(ref, type, recordText(record, charge));
      }
      this.#setting.run('commits', String(this.#commits + 1));
    });
    this.#commits++;
    try {
      this.#count?.write(this.#commits);
    } catch (error) {
      this.#countFailed(error);
    }
  }

  probe(): void {
    this.#transaction(() => this.#setting.run('probe', 'x'.repeat(PROBE_BYTES)));
    this.#transaction(() => this.#setting.run('probe', ''));
  }

  assertInPlace(): void {
    for (const [path, identity] of this.#places) assertInPlace(path, identity);
  }

  domains(): MetadataStore {
    const put = this.#db.prepare(`INSERT INTO domains VALUES (?, (SELECT coalesce(max(position), 0) + 1 FROM domains), ?)
      ON CONFLICT (name) DO UPDATE SET metadata = excluded.metadata`);
    const drop = this.#db.prepare('DELETE FROM domains WHERE name = ?');
    const [folder, file] = [this.#folder, this.#file];
    return {
      load: async () =>
        (this.#domains.all() as { name: string; metadata: string }[]).map(({ name, metadata }) => {
          try {
            return decodeVm(metadata);
          } catch (error) {
            throw new InputError(
              `expected xennuma's metadata of a VM, got ${error instanceof Error ? error.message : String(error)}`,
              { file, path: `domains '${name}'` },
              RESTORE,
            );
          }
        }),
      save: async (vm, build) => {
        const { name } = vm.spec;
        // A file of its own: `explain` reads it while this process holds the database.
        if (build !== undefined) {
          this.assertInPlace();
          await keepBuild(folder, name, build);
        }
        this.#transaction(() => put.run(name, encodeVm(vm)));
      },
      remove: async (name) => {
        this.#transaction(() => drop.run(name));
        await forgetBuild(folder, name).catch(() => {});
      },
    };
  }

  backup(): Buffer {
    return this.#db.serialize();
  }

  close(): void {
    this.#db.close();
    try {
      this.#count?.close();
    } catch (error) {
      this.#countFailed(error);
    }
  }

  #open(folder: string, { restoring = false }: StateFolderOptions): Sqlite.Database {
    let db: Sqlite.Database | null = null;
    try {
      makeOwnFolder(folder);
      // SQLite looks at all of these, and would wait for a pipe.
      for (const end of ['', '-wal', '-journal', '-shm']) checkOwnFile(`${this.#file}${end}`);
      if (!restoring) assertNotHalfRestored(folder);
      assertNoRest(folder);
      db = new Sqlite(this.#file, { timeout: 0 });
      // Exclusive: the lock is held until this process ends, however it ends.
      db.pragma('locking_mode = EXCLUSIVE');
      const isNew = checkFormat(db, FORMAT, this.#file, false);
      db.pragma('journal_mode = WAL');
      db.pragma('synchronous = FULL');
      // An existing state is not written to, so that the daemon also starts on a full disk.
      if (isNew) db.exec(SCHEMA);
      else db.exec('BEGIN EXCLUSIVE; COMMIT');
      // Once more, with the lock: a restore looks for the lock after it has made its file.
      if (!restoring) assertNotHalfRestored(folder);
      return db;
    } catch (error) {
      db?.close();
      throw this.#asInputError(error);
    }
  }

  #check(): void {
    const faults = this.#db.pragma('integrity_check(1)') as { integrity_check: string }[];
    if (faults[0]?.integrity_check !== 'ok') {
      throw new DamagedStateError(`the state is damaged: ${faults[0]?.integrity_check ?? 'no answer'}`, this.#file, RESTORE);
    }
  }

  /** @returns the database's own count */
  #checkCommits(file: string): number {
    const row = this.#db.prepare("SELECT value FROM settings WHERE name = 'commits'").get() as { value: string } | undefined;
    const here = Number(row?.value ?? 0);
    const acknowledged = CommitCount.read(file);
    if (here >= acknowledged) return here;
    throw new DamagedStateError(
      `the state has lost commits: it ends at commit ${here}, and ${acknowledged} were acknowledged`,
      this.#file,
      `${RESTORE}; or remove ${file} to go on with the remaining state`,
    );
  }

  #openCount(file: string, files: FileCalls): CommitCount | null {
    try {
      const count = new CommitCount(file, files);
      count.write(this.#commits);
      return count;
    } catch (error) {
      this.#countFailed(error);
      return null;
    }
  }

  #transaction(work: () => void): void {
    let committing = false;
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      work();
      // As late as can be: after the commit, a refusal could come true.
      this.assertInPlace();
      committing = true;
      this.#db.exec('COMMIT');
    } catch (error) {
      // On a full disk SQLite has rolled back by itself, and another ROLLBACK would hide why.
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
      if (committing) this.#overwrite();
      throw storageErrorOf(this.#reasonOf(error));
    }
  }

  /** SQLite's I/O error is many things. */
  #reasonOf(error: unknown): unknown {
    if (!/^SQLITE_IOERR/.test(String((error as { code?: unknown }).code))) return error;
    const { size = 0 } = statSync(`${this.#file}-wal`, { throwIfNoEntry: false }) ?? {};
    return trialWrite(`${this.#file}.trial`, size, this.#files) ?? error;
  }

  /**
   * Where fsync fails, the whole of the refused transaction stands in the write-ahead log, and the
   * next process would take it for a committed one. SQLite writes its next transaction over it,
   * and it does not matter whether that one is kept. A value that is already there would not be
   * written.
   */
  #overwrite(): void {
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      this.#setting.run('probe', randomUUID());
      this.#db.exec('COMMIT');
    } catch {
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
    }
  }

  #recordOf(type: string, ref: string, text: string): RecordOfText {
    try {
      return recordOf(type, text);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new DamagedStateError(`the record of ${type} ${ref} is damaged: ${reason}`, this.#file, RESTORE);
    }
  }

  #asInputError(error: unknown): InputError {
    const known = knownFault(error, this.#file, RESTORE);
    if (known !== null) return known;
    const { code = '', message } = error as { code?: string; message: string };
    const at = { file: this.#file };
    if (code.startsWith('SQLITE_BUSY')) return new OwnedStateError(this.#file);
    if (/^SQLITE_(FULL|IOERR)|^ENOSPC$/.test(code)) {
      return new InputError(
        `the state folder cannot be used: ${storageErrorOf(this.#reasonOf(error)).message}`,
        at,
        'make room on the disk',
      );
    }
    const mend = existsSync(this.#file) ? 'give the file to this user' : 'choose a folder that this user may write';
    // SQLite's own words leave out why it cannot open a file.
    const reason = code === 'SQLITE_CANTOPEN' ? (writeFault(this.#folder) ?? message) : storageErrorOf(error).message;
    return new InputError(`the state folder cannot be used: ${reason}`, at, mend);
  }
}

function placesOf(paths: readonly string[]): [string, FileIdentity][] {
  return paths.flatMap((path): [string, FileIdentity][] => {
    const identity = FILE_CALLS.named(path);
    return identity === null ? [] : [[path, identity]];
  });
}

const SCHEMA = `BEGIN IMMEDIATE;
  CREATE TABLE IF NOT EXISTS objects (ref TEXT PRIMARY KEY, class TEXT NOT NULL, record TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS domains (name TEXT PRIMARY KEY, position INTEGER NOT NULL, metadata TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  INSERT INTO settings VALUES ('commits', '0');
  PRAGMA user_version = ${FORMAT};
  COMMIT`;
