// `serve backup` and `serve restore`, killed at any rename, given files that are no backups, and
// run side by side: the earlier state or the restored one, never an empty one.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AUDIT_LIMITS, AuditLog } from '../../src/xapi/calls/audit-log.js';
import { StateFolder } from '../../src/xapi/model/disk/sqlite.js';
import { guestRefs, testDaemon, vmRecord } from '../support/daemon.js';
import { root } from '../xennuma.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'xennuma-restore-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Ends the process, as a power failure would, at the nth rename. */
const KILLER = `data:text/javascript,import fs from 'node:fs'; import { syncBuiltinESMExports } from 'node:module';
let left = Number(process.env.KILL_AT); const rename = fs.renameSync;
fs.renameSync = (...words) => { if (--left === 0) process.kill(process.pid, 'SIGKILL'); return rename(...words); };
syncBuiltinESMExports();`.replaceAll('\n', ' ');

async function run(words: readonly string[], killAt = 0): Promise<{ code: number | null; signal: string | null; err: string }> {
  const kill = killAt === 0 ? [] : ['--import', KILLER];
  const child = spawn(process.execPath, [...kill, 'dist/xennuma.js', 'serve', ...words], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, KILL_AT: String(killAt) },
  });
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => {
    err += String(chunk);
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { code, signal, err };
}

/** A state with one VM. */
async function stateOf(name: string): Promise<string> {
  const state = join(folder, name);
  const daemon = await testDaemon({ state });
  await daemon.call('VM.create', vmRecord(name));
  await daemon.close();
  return state;
}

/** Names of the VMs that a daemon finds in a folder. */
async function names(state: string): Promise<unknown[]> {
  const daemon = await testDaemon({ state });
  try {
    const refs = await guestRefs(daemon.call);
    return await Promise.all(refs.map((ref) => daemon.call('VM.get_name_label', ref)));
  } finally {
    await daemon.close();
  }
}

describe('serve restore', { timeout: 120_000 }, () => {
  it('twice at once: one of them is done, and the earlier state is kept whole', async () => {
    const [state, backup] = [await stateOf('earlier'), join(folder, 'backup.db')];
    expect(await run(['backup', backup, '--from', await stateOf('restored')])).toMatchObject({ code: 0 });
    for (let round = 0; round < 3; round++) {
      const ended = await Promise.all([1, 2, 3].map(() => run(['restore', backup, '--into', state])));
      for (const { code, err } of ended)
        if (code !== 0) expect(err).toContain('another restore into this folder runs; wait until it has ended');
      expect(ended.map(({ code }) => code)).toContain(0);
      expect(await names(state)).toEqual(['restored']);
    }
    const kept = readdirSync(state)
      .filter((name) => name.startsWith('before-restore-'))
      .sort();
    expect(await names(join(state, kept[0]!))).toEqual(['earlier']);
    for (const name of kept) expect(existsSync(join(state, name, 'xapi.db')), name).toBe(true);
  });

  it('what a killed process had not finished writing goes with the next restore', async () => {
    const [state, backup] = [await stateOf('earlier'), join(folder, 'backup.db')];
    expect(await run(['backup', backup, '--from', state])).toMatchObject({ code: 0 });
    const { pid } = spawnSync('true');
    const [left, live] = [join(state, `xapi.db.new.${pid}.new`), join(state, `xapi.db.new.${process.pid}.new`)];
    for (const file of [left, live]) {
      writeFileSync(file, 'x');
      utimesSync(file, 1, 1);
    }
    expect(await run(['restore', backup, '--into', state])).toMatchObject({ code: 0 });
    expect([existsSync(left), existsSync(live)]).toEqual([false, true]);
  });

  it('killed at any rename leaves the earlier state, the restored one, or an error that says how to mend it', async () => {
    const backup = join(folder, 'backup.db');
    expect(await run(['backup', backup, '--from', await stateOf('restored')])).toMatchObject({ code: 0 });
    const seen = new Set<string>();
    let renames = 0;
    for (let nth = 1; ; nth++) {
      const state = await stateOf(`earlier-${nth}`);
      const ended = await run(['restore', backup, '--into', state], nth);
      if (ended.signal === null) break;
      renames = nth;
      const found = await names(state).then(String, (error: unknown) => {
        expect(String(error)).toMatch(/a restore into this folder runs, or was interrupted.*run it again/);
        return 'refused';
      });
      expect(['restored', `earlier-${nth}`, 'refused']).toContain(found);
      seen.add(found.replace(/-\d+/, ''));
      expect(await run(['restore', backup, '--into', state])).toMatchObject({ code: 0 });
      expect(await names(state)).toEqual(['restored']);
      // All files of the earlier state are in one folder.
      const earlier = readdirSync(state).filter((name) => name.startsWith('before-restore-'));
      expect(earlier.length).toBe(1);
      expect(await names(join(state, earlier[0]!))).toEqual([`earlier-${nth}`]);
    }
    expect(renames).toBeGreaterThan(2);
    expect(seen).toContain('refused');
  });

  it.each(['an empty file', 'a database of another program', 'one with the same number', 'a state without a count'])(
    'refuses %s',
    async (kind) => {
      const file = join(folder, 'file');
      writeFileSync(file, '');
      if (kind !== 'an empty file') {
        const db = new Sqlite(file);
        db.exec('CREATE TABLE cookies (name TEXT); PRAGMA user_version = 0');
        if (kind === 'one with the same number') db.exec('PRAGMA user_version = 1');
        if (kind === 'a state without a count')
          db.exec(`DROP TABLE cookies; CREATE TABLE objects (ref TEXT, class TEXT, record TEXT); CREATE TABLE domains (name TEXT);
            CREATE TABLE settings (name TEXT, value TEXT); PRAGMA user_version = 1`);
        db.close();
      }
      const state = await stateOf('earlier');
      const ended = await run(['restore', file, '--into', state]);
      expect(ended).toMatchObject({
        code: 2,
        err: expect.stringContaining(`${file}: this is no backup: expected a state of xennuma, got `),
      });
      expect(await names(state)).toEqual(['earlier']);
      expect(readdirSync(folder).sort()).toEqual(['earlier', 'file']);
    },
  );

  it('says what else keeps it from opening a backup, and calls only a damaged one damaged', async () => {
    const [state, backup] = [await stateOf('earlier'), join(folder, 'backup')];
    expect(await run(['backup', backup, '--from', state])).toMatchObject({ code: 0 });
    const db = new Sqlite(backup);
    db.pragma('user_version = 99');
    db.close();
    const later = await run(['restore', backup, '--into', state]);
    expect([later.code, later.err]).toEqual([
      2,
      expect.stringMatching(/the backup cannot be checked: the state is of format 99; this xennuma knows/),
    ]);
    writeFileSync(backup, 'x'.repeat(8192));
    const damaged = await run(['restore', backup, '--into', state]);
    expect([damaged.code, damaged.err]).toEqual([2, expect.stringMatching(/the backup is damaged: .*; restore another backup/)]);
    expect(await names(state)).toEqual(['earlier']);
  });
});

describe('serve backup', { timeout: 120_000 }, () => {
  it('leaves a file named .new alone, and two to one name at once leave a whole one', async () => {
    const state = join(folder, 'state');
    const daemon = await testDaemon({ state });
    await daemon.close();
    const backup = join(folder, 'backup');
    writeFileSync(`${backup}.new`, 'precious');
    expect(await run(['backup', backup, '--from', state])).toMatchObject({ code: 0 });
    expect(readFileSync(`${backup}.new`, 'utf8')).toBe('precious');
    const both = join(folder, 'both');
    for (const { code, err } of await Promise.all([1, 2].map(() => run(['backup', both, '--from', state]))))
      expect([code, err]).toEqual(code === 0 ? [0, expect.any(String)] : [2, expect.stringMatching(/already exists|another xennuma owns/)]);
    for (const file of [backup, both]) expect(await run(['restore', file, '--into', `${file}-state`])).toMatchObject({ code: 0 });
  });
});

describe('a state folder', () => {
  it.each(['xapi.db-wal', 'xapi.db-journal', 'xapi.db-shm', 'audit.log'])(
    'new but for a %s of 20 GB is refused by its name',
    async (name) => {
      const state = join(folder, 'state');
      mkdirSync(state, { mode: 0o700 });
      writeFileSync(join(state, name), '', { mode: 0o600 });
      truncateSync(join(state, name), 20e9);
      const open = () => testDaemon({ state, audit: join(state, 'audit.log') });
      await expect(open()).rejects.toMatchObject({ name: 'InputError', place: { file: join(state, name) } });
      // Nothing of a new state was made.
      expect(readdirSync(state)).toEqual(name === 'audit.log' ? expect.arrayContaining([name]) : [name]);
    },
  );

  it('with an earlier state moved aside, and no database, is refused', async () => {
    const state = await stateOf('earlier');
    mkdirSync(join(state, 'before-restore-x'), { mode: 0o700 });
    for (const name of ['xapi.db', 'commits']) renameSync(join(state, name), join(state, 'before-restore-x', name));
    expect(() => new StateFolder(state)).toThrow('expected xapi.db beside');
    expect(existsSync(join(state, 'xapi.db'))).toBe(false);
  });

  it('whose xapi.db is of another program is refused, and left as it was', () => {
    const file = join(folder, 'xapi.db');
    const db = new Sqlite(file);
    db.exec('CREATE TABLE cookies (name TEXT)');
    db.close();
    const before = readFileSync(file);
    expect(() => new StateFolder(folder)).toThrow('expected a state of xennuma');
    expect(readFileSync(file)).toEqual(before);
  });
});

it('an audit log goes on where it is as large as it may be', () => {
  const file = join(folder, 'audit.log');
  writeFileSync(file, '', { mode: 0o600 });
  truncateSync(file, AUDIT_LIMITS.fileBytes);
  new AuditLog({ file }).close();
  expect(existsSync(file)).toBe(true);
});
