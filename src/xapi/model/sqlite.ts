// The state folder: one SQLite database with XAPI's objects and what the toolstack keeps of domains. Write-ahead log, synchronous=FULL: what
// is committed survives kill -9 and power loss. One process owns the folder.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { InputError } from '../../base/errors.js';
import type { MetadataStore } from '../../xenopsd/api/metadata.js';
import { forgetBuild, keepBuild } from '../../xenopsd/store/build-files.js';
import { decodeVm, encodeVm } from '../../xenopsd/store/metadata-format.js';
import { newStruct, type Wire, WireDate, WireFloat, type WireStruct } from '../wire/values.js';
import type { Keeper } from './database.js';

const FORMAT = 1;

export class StateFolder implements Keeper {
  readonly #db: Sqlite.Database;
  readonly #folder: string | null;
  readonly #put: Sqlite.Statement<[string, string, string]>;
  readonly #drop: Sqlite.Statement<[string]>;

  /**
   * @param folder null = in memory, for tests and trials
   * @throws InputError when the folder cannot be used, another process has it, or it is of another version
   */
  constructor(folder: string | null) {
    this.#folder = folder;
    try {
      if (folder !== null) mkdirSync(folder, { recursive: true, mode: 0o700 });
      this.#db = new Sqlite(folder === null ? ':memory:' : join(folder, 'xapi.db'), { timeout: 0 });
      // Exclusive: the lock is held until this process ends, however it ends.
      this.#db.pragma('locking_mode = EXCLUSIVE');
      this.#db.pragma('journal_mode = WAL');
      this.#db.pragma('synchronous = FULL');
      const version = this.#db.pragma('user_version', { simple: true }) as number;
      if (version !== 0 && version !== FORMAT) {
        throw new InputError(`the state is of format ${version}`, { file: folder ?? 'memory' }, `this xennuma knows format ${FORMAT} only`);
      }
      this.#db.exec(`BEGIN IMMEDIATE;
        CREATE TABLE IF NOT EXISTS objects (ref TEXT PRIMARY KEY, class TEXT NOT NULL, record TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS domains (name TEXT PRIMARY KEY, position INTEGER NOT NULL, metadata TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        PRAGMA user_version = ${FORMAT};
        COMMIT`);
    } catch (error) {
      if (error instanceof InputError) throw error;
      const { code = '', message } = error as { code?: string; message: string };
      if (!code.startsWith('SQLITE') && /bindings file|\.node\b/.test(message)) {
        throw new InputError('better-sqlite3 has no binary for this machine', {}, 'run npm rebuild better-sqlite3');
      }
      const busy = code.startsWith('SQLITE_BUSY');
      throw new InputError(
        busy ? 'another xennuma owns this state folder' : `the state folder cannot be used: ${message}`,
        { file: folder ?? 'memory' },
        busy ? 'end it first, or choose another folder' : 'choose a folder that this user may write',
      );
    }
    this.#put = this.#db.prepare('INSERT INTO objects VALUES (?, ?, ?) ON CONFLICT (ref) DO UPDATE SET record = excluded.record');
    this.#drop = this.#db.prepare('DELETE FROM objects WHERE ref = ?');
  }

  *load(): Iterable<{ ref: string; type: string; record: WireStruct }> {
    const rows = this.#db.prepare('SELECT ref, class, record FROM objects').all();
    for (const row of rows as { ref: string; class: string; record: string }[]) {
      yield { ref: row.ref, type: row.class, record: fromText(row.record) };
    }
  }

  commit(changes: Iterable<{ readonly ref: string; readonly type: string; readonly record: WireStruct | null }>): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      for (const { ref, type, record } of changes) {
        if (record === null) this.#drop.run(ref);
        else this.#put.run(ref, type, toText(record));
      }
      this.#db.exec('COMMIT');
    } catch (error) {
      this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  setting(name: string): string | null {
    const row = this.#db.prepare('SELECT value FROM settings WHERE name = ?').get(name) as { value: string } | undefined;
    return row?.value ?? null;
  }

  setSetting(name: string, value: string): void {
    this.#db.prepare('INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value').run(name, value);
  }

  /** What a toolstack keeps of its domains, for hosts whose domains outlive this process. */
  domains(): MetadataStore {
    const all = this.#db.prepare('SELECT name, metadata FROM domains ORDER BY position');
    const put = this.#db.prepare(`INSERT INTO domains VALUES (?, (SELECT coalesce(max(position), 0) + 1 FROM domains), ?)
      ON CONFLICT (name) DO UPDATE SET metadata = excluded.metadata`);
    const drop = this.#db.prepare('DELETE FROM domains WHERE name = ?');
    const folder = this.#folder;
    return {
      load: async () =>
        (all.all() as { name: string; metadata: string }[]).map(({ name, metadata }) => {
          try {
            return decodeVm(metadata);
          } catch (error) {
            throw new InputError(
              `expected what xennuma keeps of a VM, got ${error instanceof Error ? error.message : String(error)}`,
              { file: join(folder ?? 'memory', 'xapi.db'), path: `domains '${name}'` },
              'put the state folder back from a copy',
            );
          }
        }),
      save: async (vm, build) => {
        const { name } = vm.spec;
        // A file of its own: `explain` reads it while this process holds the database.
        if (build !== undefined && folder !== null) await keepBuild(folder, name, build);
        put.run(name, encodeVm(vm));
      },
      remove: async (name) => {
        drop.run(name);
        if (folder !== null) await forgetBuild(folder, name).catch(() => {});
      },
    };
  }

  close(): void {
    this.#db.close();
  }
}

/** Floats and dates keep their kind as one-member objects with a name that no field or key can have. */
const FLOAT = '\u0000f';
const DATE = '\u0000d';

function toText(record: WireStruct): string {
  return JSON.stringify(record, (_name, value: unknown) => {
    if (value instanceof WireFloat) return { [FLOAT]: value.value };
    if (value instanceof WireDate) return { [DATE]: value.text };
    return value;
  });
}

function fromText(text: string): WireStruct {
  return revive(JSON.parse(text)) as WireStruct;
}

function revive(value: unknown): Wire {
  if (typeof value !== 'object' || value === null) return value as Wire;
  if (Array.isArray(value)) return value.map(revive);
  const entries = Object.entries(value);
  const [first] = entries;
  if (first !== undefined && entries.length === 1) {
    if (first[0] === FLOAT) return new WireFloat(first[1] as number);
    if (first[0] === DATE) return new WireDate(first[1] as string);
  }
  const struct = newStruct();
  for (const [name, member] of entries) struct[name] = revive(member);
  return Object.freeze(struct);
}
