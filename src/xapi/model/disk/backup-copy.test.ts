// A backup and wrong bits in it: it is refused, or gives the state that was backed up.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { cases } from '../../../../test/support/cases.js';
import { testDaemon, vmRecord } from '../../../../test/support/daemon.js';
import { vm } from '../../../../test/support/toolstack.js';
import { InputError } from '../../../base/errors.js';
import { Random } from '../../../base/random.js';
import { backupOf, stateOfBackup } from './backup-copy.js';
import { StateFolder } from './sqlite.js';
import { DamagedStateError } from './state-files.js';

let folder: string;
let state: Buffer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'backup-copy-'));
  const daemon = await testDaemon({ state: folder });
  for (const name of ['one', 'two']) await daemon.call('VM.create', vmRecord(name));
  await daemon.close();
  const opened = new StateFolder(folder);
  await opened
    .domains()
    .save({ spec: vm('a', 2, 64), uuid: '01234567-89ab-4def-8123-456789abcdef', phase: 'running', domid: 3, pending: [] });
  state = opened.backup();
  opened.close();
});
afterEach(() => rmSync(folder, { recursive: true }));

/** All rows of a state without a write-ahead log. */
function rowsOf(bytes: Buffer): unknown[] {
  const db = new Sqlite(bytes);
  const rows = ['objects', 'domains', 'settings'].map((table) => db.prepare(`SELECT * FROM ${table} ORDER BY 1`).all());
  db.close();
  return rows;
}

it('gives the state back, without its checksum', () => {
  const backup = backupOf(state, 'backup');
  const [restored, plain] = [stateOfBackup(backup.bytes, 'backup'), stateOfBackup(state, 'a backup of an earlier version')];
  expect(rowsOf(restored.bytes)).toEqual(rowsOf(plain.bytes));
  expect(rowsOf(backup.bytes)).not.toEqual(rowsOf(restored.bytes));
  expect(restored.objects).toBe((rowsOf(plain.bytes)[0] as unknown[]).length);
  // A backup of a restored state has a checksum of its own.
  expect(rowsOf(stateOfBackup(backupOf(restored.bytes, 'again').bytes, 'again').bytes)).toEqual(rowsOf(restored.bytes));
});

/** @returns whether the wrong bit was found; otherwise it must have changed nothing */
function isRefused(bytes: Buffer, at: number, bit: number): boolean {
  const damaged = Buffer.from(bytes);
  damaged[at] = damaged[at]! ^ (1 << bit);
  let restored: Buffer;
  try {
    restored = stateOfBackup(damaged, 'backup').bytes;
  } catch (error) {
    expect(error, `bit flipped in byte ${at}`).toBeInstanceOf(InputError);
    return true;
  }
  expect(rowsOf(restored), `bit flipped in byte ${at}`).toEqual(rowsOf(stateOfBackup(bytes, 'backup').bytes));
  return false;
}

it('a wrong bit anywhere is found, or changes nothing', () => {
  const { bytes } = backupOf(state, 'backup');
  const random = new Random(12);
  let refused = 0;
  for (let round = 0; round < cases(300, 3000); round++) if (isRefused(bytes, random.below(bytes.length), random.below(8))) refused++;
  // Most bytes are text of records.
  expect(refused).toBeGreaterThan(cases(300, 3000) / 4);
});

it('so is one in the text of a table, where names of columns are', () => {
  const { bytes } = backupOf(state, 'backup');
  const tables = [...bytes.toString('latin1').matchAll(/CREATE TABLE [^)]*\)/g)];
  expect(tables.length).toBeGreaterThan(2);
  const wrong = tables
    .flatMap(({ index, 0: text }) => Array.from(text, (_, at) => index + at))
    .filter((at) => isRefused(bytes, at, at % 3));
  expect(wrong).not.toHaveLength(0);
});

it('a state in whose tables a column has another name is damaged', () => {
  const file = join(folder, 'xapi.db');
  writeFileSync(file, Buffer.from(state.toString('latin1').replaceAll('metadata', 'metadatb'), 'latin1'));
  expect(() => new StateFolder(folder)).toThrow(DamagedStateError);
});
