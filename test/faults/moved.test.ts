// Files of the state that are moved away, removed or replaced while a daemon has them open. What is
// written to them would not be found again: changes are refused, reads go on, and changes are
// accepted again once the files are back.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { AuditLog } from '../../src/xapi/calls/audit-log.js';
import { createEngine } from '../../src/xenstore/in-process.js';
import { type Bytes, MESSAGE } from '../../src/xenstore/protocol/wire.js';
import { JournalFile } from '../../src/xenstore/server/journal-file.js';
import type { Personality } from '../../src/xenstore/store/limits.js';
import { testDaemon, vmRecord } from '../support/daemon.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function freshFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'xennuma-moved-'));
  ends.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Takes a file or folder away. @returns what brings it back; null = nothing can */
type Way = (path: string) => (() => void) | null;

const WAYS: readonly (readonly [name: string, way: Way])[] = [
  [
    'moved',
    (path) => {
      renameSync(path, `${path}.elsewhere`);
      return () => renameSync(`${path}.elsewhere`, path);
    },
  ],
  [
    'removed',
    (path) => {
      rmSync(path, { recursive: true });
      return null;
    },
  ],
];

/** For files alone: an equal one, as an administrator brings it back from a copy. */
const REPLACED: readonly [name: string, way: Way] = [
  'replaced',
  (path) => {
    copyFileSync(path, `${path}.copy`);
    renameSync(path, `${path}.elsewhere`);
    renameSync(`${path}.copy`, path);
    return () => renameSync(`${path}.elsewhere`, path);
  },
];

describe.each(['', 'xapi.db', 'xapi.db-wal', 'commits'])('serve: file %j of the state folder', (name) => {
  it.each(name === '' ? WAYS : [...WAYS, REPLACED])('%s', async (_, way) => {
    const folder = join(freshFolder(), 'state');
    const log: string[] = [];
    const note = (_values: object, message: string) => log.push(message);
    const open = () => testDaemon({ state: folder, log: { info: note, warn: note, error: note } });
    const daemon = await open();
    const vm = (await daemon.call('VM.create', vmRecord('vm'))) as string;
    const back = way(join(folder, name));
    const gone = `${join(folder, name === '' ? 'xapi.db' : name)} was moved, removed or replaced; put it back`;
    await expect(daemon.call('VM.set_name_label', vm, 'refused')).rejects.toThrow(gone);
    expect(await daemon.call('VM.get_name_label', vm)).toBe('vm');
    expect(daemon.writable()?.message).toContain(gone);
    expect(log.filter((line) => line.startsWith('the daemon is read-only'))).toEqual([expect.stringContaining(gone)]);
    expect(daemon.database.probe()).toBe(false);
    if (back === null) {
      await daemon.close();
      return;
    }
    back();
    expect(daemon.database.probe()).toBe(true);
    await daemon.call('VM.set_name_label', vm, 'kept');
    await daemon.close();
    const next = await open();
    expect(await next.call('VM.get_name_label', vm)).toBe('kept');
    await next.close();
  });
});

describe('serve', () => {
  it('notices it without a change, and leaves the files of another daemon at that path alone', async () => {
    const folder = join(freshFolder(), 'state');
    const first = await testDaemon({ state: folder });
    first.rrds.start();
    ends.push(() => first.close());
    renameSync(folder, `${folder}.elsewhere`);
    await expect.poll(() => first.writable()?.errno, { timeout: 10_000 }).toBe('ESTALE');
    const second = await testDaemon({ state: folder });
    const vm = (await second.call('VM.create', vmRecord('second'))) as string;
    const before = readdirSync(folder).map((name) => [name, statSync(join(folder, name)).ino]);
    await first.close();
    expect(readdirSync(folder).map((name) => [name, statSync(join(folder, name)).ino])).toEqual(before);
    ends.pop();
    expect(second.writable()).toBe(null);
    await second.call('VM.set_name_label', vm, 'kept');
    await second.close();
    const again = await testDaemon({ state: folder });
    expect(await again.call('VM.get_name_label', vm)).toBe('kept');
    await again.close();
  });

  it('goes on in a new audit log when it is removed, and in the old one while it is renamed', async () => {
    const file = join(freshFolder(), 'audit.log');
    const audit = new AuditLog({ file });
    const write = (method: string) =>
      audit.write({ method, changes: true, session: null, address: '', args: [], error: null, durationMs: 1 });
    write('first');
    renameSync(file, `${file}.1`);
    write('second');
    expect(existsSync(file)).toBe(false);
    rmSync(`${file}.1`);
    write('third');
    expect(readFileSync(file, 'utf8')).toContain('third');
    rmSync(join(file, '..'), { recursive: true });
    write('fourth');
    expect(audit.fault).toMatchObject({ errno: 'ENOENT' });
    audit.close();
  });
});

class Store {
  readonly log: string[] = [];
  readonly journal: JournalFile;
  readonly #engine;
  readonly #client;
  #answer = '';

  constructor(personality: Personality, path: string) {
    this.journal = new JournalFile(path, { log: (line) => this.log.push(line) });
    this.#engine = createEngine({ personality, journal: this.journal });
    this.journal.load(this.#engine);
    this.#client = this.#engine.connect(0, {
      reply: (type, _request, _tx, payload) => {
        this.#answer = type === MESSAGE.error ? `!${payload.slice(0, -1)}` : payload;
      },
      event: () => {},
    });
  }

  /** One turn of the server. */
  ask(type: number, payload: string): string {
    const bytes = Buffer.from(payload, 'latin1') as Bytes;
    this.#engine.process(this.#client, { type, requestId: 1, txId: 0, bytes, start: 0, end: bytes.length });
    this.journal.sync();
    return this.#answer;
  }
}

describe.each(['xenstored', 'oxenstored'] as const)('%s: the state file', (personality) => {
  const states: readonly (readonly [string, string, Way])[] = [
    ...WAYS.map(([name, way]) => [`its folder is ${name}`, '..', way] as const),
    ...[...WAYS, REPLACED].map(([name, way]) => [`it is ${name}`, '.', way] as const),
  ];
  it.each(states)('%s', (_, at, way) => {
    const folder = join(freshFolder(), 'folder');
    mkdirSync(folder);
    const path = join(folder, 'state');
    const store = new Store(personality, path);
    expect(store.ask(MESSAGE.write, '/a\0kept')).toBe('OK\0');
    const back = way(join(path, at));
    const elsewhere = existsSync(path) ? readFileSync(path) : null;
    for (let tries = 0; tries < 3; tries++) expect(store.ask(MESSAGE.write, '/a\0refused')).toBe('!EIO');
    expect(store.ask(MESSAGE.read, '/a\0')).toBe('kept');
    expect(store.log).toEqual([expect.stringContaining(`${path}: it was moved, removed or replaced: put it back`)]);
    if (elsewhere !== null) expect(readFileSync(path)).toEqual(elsewhere);
    if (back !== null) {
      back();
      expect(store.ask(MESSAGE.write, '/a\0again')).toBe('OK\0');
    } else {
      // As a restart in place does, once there is a folder again.
      mkdirSync(folder, { recursive: true });
      store.journal.prepareRestart();
      expect(store.ask(MESSAGE.write, '/a\0again')).toBe('OK\0');
    }
    store.journal.close();
    const next = new Store(personality, path);
    expect(next.ask(MESSAGE.read, '/a\0')).toBe('again');
    next.journal.close();
  });

  it('that another daemon has by now is left alone', () => {
    const path = join(freshFolder(), 'state');
    const first = new Store(personality, path);
    first.ask(MESSAGE.write, '/a\0first');
    renameSync(path, `${path}.elsewhere`);
    const second = new Store(personality, path);
    second.ask(MESSAGE.write, '/a\0second');
    expect(() => first.journal.prepareRestart()).toThrow('was moved, removed or replaced');
    first.journal.close();
    expect(second.ask(MESSAGE.write, '/b\0more')).toBe('OK\0');
    second.journal.close();
    const next = new Store(personality, path);
    expect(next.ask(MESSAGE.read, '/a\0')).toBe('second');
    next.journal.close();
  });
});
