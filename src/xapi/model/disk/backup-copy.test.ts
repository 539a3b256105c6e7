// A backup and wrong bits in it: it is refused, or gives the state that was backed up.
import { mkdtempSync, rmSync } from 'node:fs';
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

it('a wrong bit anywhere is found, or changes nothing', () => {
  const { bytes } = backupOf(state, 'backup');
  const whole = rowsOf(stateOfBackup(bytes, 'backup').bytes);
  const random = new Random(12);
  let refused = 0;
  for (let round = 0; round < cases(300, 3000); round++) {
    const damaged = Buffer.from(bytes);
    const at = random.below(bytes.length);
    damaged[at] = damaged[at]! ^ (1 << random.below(8));
    let restored: Buffer;
    try {
      restored = stateOfBackup(damaged, 'backup').bytes;
    } catch (error) {
      expect(error, `bit flipped in byte ${at}`).toBeInstanceOf(InputError);
      refused++;
      continue;
    }
    expect(rowsOf(restored), `bit flipped in byte ${at}`).toEqual(whole);
  }
  // Most bytes are text of records.
  expect(refused).toBeGreaterThan(cases(300, 3000) / 4);
});
