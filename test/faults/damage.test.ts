// A state folder that was damaged while no daemon ran: every kind of damage is an error at start
// that names its place and the fix.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, describe, expect, it } from 'vitest';
import { guestRefs, testDaemon, vmRecord } from '../support/daemon.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'xennuma-damage-'));
  ends.push(() => rmSync(path, { recursive: true }));
  return path;
}

/** As kill -9 leaves it: a copy of the files while the daemon runs. */
async function killed(vms: number): Promise<string> {
  const state = folder();
  const daemon = await testDaemon({ state });
  for (let index = 0; index < vms; index++) await daemon.call('VM.create', vmRecord(`vm-${index}`));
  const copy = folder();
  for (const file of ['xapi.db', 'xapi.db-wal', 'commits']) copyFileSync(join(state, file), join(copy, file));
  await daemon.close();
  return copy;
}

async function count(state: string): Promise<number> {
  const daemon = await testDaemon({ state });
  try {
    return (await guestRefs(daemon.call)).length;
  } finally {
    await daemon.close();
  }
}

const LOST = /lost commits: it ends at commit \d+, and \d+ were acknowledged.*xapi\.db|lost commits/;

describe('a state folder', () => {
  it('as kill -9 leaves it has all acknowledged changes', async () => {
    expect(await count(await killed(30))).toBe(30);
  });

  it('whose write-ahead log was cut is noticed, wherever it was cut', async () => {
    const whole = await killed(30);
    const { size } = statSync(join(whole, 'xapi.db-wal'));
    for (const share of [0, 0.1, 0.5, 0.9, 0.999]) {
      const cut = folder();
      for (const file of ['xapi.db', 'xapi.db-wal', 'commits']) copyFileSync(join(whole, file), join(cut, file));
      truncateSync(join(cut, 'xapi.db-wal'), Math.floor(size * share));
      await expect(count(cut), `cut at ${share}`).rejects.toThrow(LOST);
    }
  });

  it('copied without its write-ahead log is noticed; removing the count accepts what is left', async () => {
    const state = await killed(5);
    rmSync(join(state, 'xapi.db-wal'));
    await expect(count(state)).rejects.toThrow(LOST);
    rmSync(join(state, 'commits'));
    expect(await count(state)).toBeLessThan(5);
  });

  it('with a byte flipped in the log loses no commit silently', async () => {
    const state = await killed(30);
    const file = join(state, 'xapi.db-wal');
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1]! ^= 0x10;
    writeFileSync(file, bytes);
    await expect(count(state)).rejects.toThrow(LOST);
  });

  it.each([
    ['no JSON', '{"uuid":', /record of VM OpaqueRef:\S+ is damaged: .*JSON/],
    ['no object', '[]', /is damaged: the record is not an object/],
    ['a field of another type', '{"uuid":"a","VCPUs_max":"two"}', /is damaged: field VCPUs_max is of another type/],
    ['no uuid', '{}', /is damaged: the record has no uuid/],
    ['an owner that is none', '{"uuid":"a","\\u0000c":{"maker":1,"shares":[]}}', /is damaged: whom it is charged to is of another type/],
    ['a charge below 0', '{"uuid":"a","\\u0000c":{"maker":null,"shares":[["user a",-9]]}}', /is damaged: whom it is charged to is/],
  ])('with a record that is %s says which one', async (_what, text, message) => {
    const state = await killed(2);
    const db = new Sqlite(join(state, 'xapi.db'));
    db.prepare("UPDATE objects SET record = ? WHERE class = 'VM'").run(text);
    db.close();
    await expect(count(state)).rejects.toThrow(message);
  });

  it('of an unknown class, of another format, that is no database, with a damaged page', async () => {
    const change = async (sql: string): Promise<string> => {
      const state = await killed(2);
      const db = new Sqlite(join(state, 'xapi.db'));
      db.exec(sql);
      db.close();
      return state;
    };
    await expect(count(await change("UPDATE objects SET class = 'nonsense'"))).rejects.toThrow(/damaged: the class is unknown/);
    await expect(count(await change('PRAGMA user_version = 7'))).rejects.toThrow(/of format 7/);
    const text = await killed(1);
    rmSync(join(text, 'xapi.db-wal'));
    writeFileSync(join(text, 'xapi.db'), 'this is a text\n'.repeat(1000));
    await expect(count(text)).rejects.toThrow(/damaged: file is not a database/);
    const page = await change('PRAGMA wal_checkpoint(TRUNCATE)');
    const bytes = readFileSync(join(page, 'xapi.db'));
    bytes.fill(0xff, 4096 + 8, 4096 + 2048);
    writeFileSync(join(page, 'xapi.db'), bytes);
    await expect(count(page)).rejects.toThrow(/damaged/);
  });
});
