// The XenStore journal on a medium that fails: every call of its file system fails, once and
// several times in a row, in every way. Afterwards acknowledged changes are there, refused ones are
// not, and the store goes on.
import fs, { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { FILE_CALLS, type FileCalls } from '../../src/base/file-calls.js';
import { createEngine } from '../../src/xenstore/in-process.js';
import { type Bytes, MESSAGE } from '../../src/xenstore/protocol/wire.js';
import { JournalFile } from '../../src/xenstore/server/journal-file.js';
import type { Engine } from '../../src/xenstore/store/engine.js';
import { JournalFailure } from '../../src/xenstore/store/journaled.js';
import { type Personality, QUOTA } from '../../src/xenstore/store/limits.js';
import { cases } from '../support/cases.js';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});
const stateFile = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'xennuma-journal-'));
  folders.push(folder);
  return join(folder, 'state');
};

type Fault = 'ENOSPC' | 'EIO' | 'EMFILE' | 'short write';

/** A sound medium; nothing here stops the machine, so nothing waits for the disk. */
const QUICK: FileCalls = { ...FILE_CALLS, sync: () => {}, dataSync: () => {} };

/** The file calls, of which `times` fail from number `at` on (1 is the first). */
function faulty(fault: Fault, at: number, times: number): FileCalls & { calls: number; healed: boolean } {
  const state = { calls: 0, healed: false };
  const fails = (): boolean => {
    state.calls++;
    return !state.healed && state.calls >= at && state.calls < at + times;
  };
  const failure = (): Error => Object.assign(new Error(fault), { code: fault === 'short write' ? 'ENOSPC' : fault });
  const wrap =
    <A extends unknown[], R>(call: (...args: A) => R) =>
    (...args: A): R => {
      if (fails()) throw failure();
      return call(...args);
    };
  return Object.assign(state, {
    open: wrap(FILE_CALLS.open),
    // A close that fails has released the descriptor all the same (close(2)).
    close: (fd: number) => {
      FILE_CALLS.close(fd);
      if (fails()) throw failure();
    },
    sync: wrap(QUICK.sync),
    dataSync: wrap(QUICK.dataSync),
    truncate: wrap(FILE_CALLS.truncate),
    size: FILE_CALLS.size,
    kind: FILE_CALLS.kind,
    named: FILE_CALLS.named,
    rename: wrap(FILE_CALLS.rename),
    unlink: wrap(FILE_CALLS.unlink),
    write: (fd: number, bytes: Uint8Array, position: number | null) => {
      if (!fails()) return FILE_CALLS.write(fd, bytes, position);
      // Half of the bytes arrive, then there is no room.
      if (fault === 'short write') FILE_CALLS.write(fd, bytes.subarray(0, Math.max(1, bytes.length >> 1)), position);
      throw failure();
    },
  });
}

class Store {
  readonly journal: JournalFile;
  readonly engine: Engine;
  readonly log: string[] = [];
  readonly events: string[] = [];
  readonly #client;
  #answer = '';

  constructor(personality: Personality, path: string, ops: FileCalls = FILE_CALLS) {
    this.journal = new JournalFile(path, { files: ops, reserveBytes: 64, log: (line) => this.log.push(line), nowMs: () => 0 });
    this.engine = createEngine({ personality, journal: this.journal });
    this.journal.load(this.engine);
    this.#client = this.engine.connect(0, {
      reply: (type, _request, _tx, payload) => {
        this.#answer = type === MESSAGE.error ? `!${payload.slice(0, -1)}` : payload;
      },
      event: (at) => this.events.push(at),
    });
  }

  ask(type: number, payload: string, txId = 0): string {
    const bytes = Buffer.from(payload, 'latin1') as Bytes;
    this.engine.process(this.#client, { type, requestId: 1, txId, bytes, start: 0, end: bytes.length });
    return this.#answer;
  }

  /** The end of a turn of the server. @returns whether replies may go out */
  endTurn(): boolean {
    try {
      this.journal.sync();
      return true;
    } catch (error) {
      if (error instanceof JournalFailure) return false;
      throw error;
    }
  }

  /** What a client reads of the whole store: each path with its value and its sorted children. */
  contents(path = '/'): string[] {
    const names = this.ask(MESSAGE.directory, `${path}\0`).split('\0').filter(Boolean).sort();
    const own = `${path} ${this.ask(MESSAGE.read, `${path}\0`)} ${names.join()}`;
    return [own, ...names.flatMap((name) => this.contents(path === '/' ? `/${name}` : `${path}/${name}`))];
  }

  tree(): Map<string, string> {
    return new Map(
      [...this.engine.nodes()].map(({ path, value, permissions }) => [
        path,
        `${value} ${permissions.map(({ access, domid }) => access + domid).join(' ')}`,
      ]),
    );
  }
}

/**
 * Requests of every kind that changes the store: [type, payload]; transactions are written between
 * braces.
 */
const SCRIPT: readonly (readonly [type: number, payload: string])[] = [
  [MESSAGE.write, '/a/b/c\x001'],
  [MESSAGE.write, '/a/b/c\x002'],
  [MESSAGE.mkdir, '/a/d\0'],
  [MESSAGE.introduce, '3\x001\x001\0'],
  [MESSAGE.write, '/local/domain/3/x\0of-3'],
  [MESSAGE.setPermissions, '/local/domain/3\0n3\0r4\0'],
  [MESSAGE.setPermissions, '/local/domain/3/x\0n3\0'],
  [MESSAGE.rm, '/a/b\0'],
  [MESSAGE.transactionStart, '\0'],
  [MESSAGE.write, '/tx/one\x001'],
  [MESSAGE.write, '/tx/two\x002'],
  [MESSAGE.rm, '/a/d\0'],
  [MESSAGE.transactionEnd, 'T\0'],
  [MESSAGE.setPermissions, '@releaseDomain\0n0\0r3\0'],
  [MESSAGE.write, '/a/e\x00kept'],
  [MESSAGE.release, '3\0'],
  [MESSAGE.write, '/last\x00x'],
];

/**
 * Runs the script; each step that was acknowledged must change the tree as it does without faults,
 * each refused one must not.
 */
function run(store: Store, sound: Store): { refused: number; doubtful: number } {
  let [tx, soundTx, refused, doubtful] = [0, 0, 0, 0];
  store.ask(MESSAGE.watch, '/\0w\0');
  for (const [type, payload] of SCRIPT) {
    const before = store.tree();
    store.events.length = 0;
    if (type === MESSAGE.transactionStart) {
      [tx, soundTx] = [Number.parseInt(store.ask(type, payload), 10), Number.parseInt(sound.ask(type, payload), 10)];
      continue;
    }
    const answer = store.ask(type, payload, tx);
    const unknown = !store.endTurn();
    if (unknown) doubtful++;
    if (/^!(ENOSPC|EIO)$/.test(answer)) {
      refused++;
      expect([...store.tree()].sort()).toEqual([...before].sort());
      expect(store.events).toEqual([]);
      if (type === MESSAGE.transactionEnd) sound.ask(type, 'F\0', soundTx);
    } else {
      // Also when it fails because of an earlier refusal: oxenstored's RELEASE of an unknown domain
      // removes its nodes all the same.
      expect(sound.ask(type, payload, soundTx)).toBe(answer);
    }
    if (type === MESSAGE.transactionEnd) [tx, soundTx] = [0, 0];
    store.engine.checkInvariants();
    if (tx !== 0) continue;
    expect([...store.tree()].sort()).toEqual([...sound.tree()].sort());
    expect(store.contents()).toEqual(sound.contents());
  }
  return { refused, doubtful };
}

for (const personality of ['xenstored', 'oxenstored'] as const) {
  for (const fault of ['ENOSPC', 'EIO', 'EMFILE', 'short write'] as const) {
    test.each([1, 2, 5, 20])(`${personality}: calls in a row fail with ${fault}: %d of them, from any one on`, (times) => {
      let refused = 0;
      const step = times < 5 ? 1 : cases(5, 1);
      for (let at = 1; ; at += step) {
        const path = stateFile();
        // Its opening is the one call that may refuse the start.
        const ops = faulty(fault, at + 1, times);
        const [store, sound] = [new Store(personality, path, ops), new Store(personality, stateFile(), QUICK)];
        refused += run(store, sound).refused;
        // The faults may fall on these too; each takes at least one of them.
        let tries = 0;
        while (store.ask(MESSAGE.write, '/after\0all') !== 'OK\0' || !store.endTurn()) expect(++tries).toBeLessThanOrEqual(times);
        const last = store.tree();
        store.journal.close();
        const again = new Store(personality, path, QUICK);
        expect([...again.tree()].sort()).toEqual([...last].sort());
        again.journal.close();
        sound.journal.close();
        if (ops.calls < at + 1) break;
      }
      expect(refused).toBeGreaterThan(step === 1 ? 5 : 0);
    });
  }

  test(`${personality}: on a full disk it starts, reads go on, changes are refused, and it recovers by itself`, () => {
    const path = stateFile();
    const first = new Store(personality, path);
    first.ask(MESSAGE.write, '/a\x001');
    first.endTurn();
    first.journal.close();
    const ops = faulty('ENOSPC', 2, Number.POSITIVE_INFINITY);
    // Opening the file that is there needs no room.
    const store = new Store(personality, path, ops);
    expect(store.ask(MESSAGE.read, '/a\0')).toBe('1');
    for (let tries = 0; tries < 3; tries++) {
      expect(store.ask(MESSAGE.write, '/a\x002')).toBe('!ENOSPC');
      expect(store.ask(MESSAGE.release, '0\0')).toMatch(/^!/);
      expect(store.ask(MESSAGE.read, '/a\0')).toBe('1');
      store.endTurn();
    }
    expect(store.log.filter((line) => line.includes('the disk is full'))).toHaveLength(1);
    ops.healed = true;
    expect(store.ask(MESSAGE.write, '/a\x003')).toBe('OK\0');
    expect(store.endTurn()).toBe(true);
    expect(store.log.at(-1)).toContain('accepted again');
    store.journal.close();
    expect(new Store(personality, path).ask(MESSAGE.read, '/a\0')).toBe('3');
  });

  test(`${personality}: a compaction without a descriptor is put off, and nothing is lost`, () => {
    const path = stateFile();
    const ops = faulty('EMFILE', 1_000_000, 1);
    const store = new Store(personality, path, ops);
    for (let at = 0; at < 1200; at++) {
      if (at === 600)
        Object.assign(ops, {
          open: () => {
            throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' });
          },
        });
      expect(store.ask(MESSAGE.write, `/same\0${at}${'v'.repeat(1900)}`)).toBe('OK\0');
      expect(store.endTurn()).toBe(true);
    }
    expect(store.log.join('\n')).toContain('put off: EMFILE');
    store.journal.close();
    expect(new Store(personality, path).ask(MESSAGE.read, '/same\0').startsWith('1199v')).toBe(true);
  });

  test(`${personality}: a bit flip in the last entry is logged, an unfinished one is cut off, one before the last is refused`, () => {
    const path = stateFile();
    const store = new Store(personality, path);
    store.ask(MESSAGE.write, '/a\x001');
    store.endTurn();
    store.ask(MESSAGE.write, '/b\x002');
    store.endTurn();
    store.journal.close();
    const whole = fs.readFileSync(path);
    const before = whole.lastIndexOf('XSJ1');
    const flipped = Buffer.from(whole);
    flipped[whole.length - 2]! ^= 1;
    fs.writeFileSync(path, flipped);
    const damaged = new Store(personality, path);
    expect(damaged.log.join('\n')).toMatch(new RegExp(`the last entry, ${whole.length - before} bytes at byte ${before}, is damaged`));
    expect(damaged.ask(MESSAGE.read, '/a\0')).toBe('1');
    damaged.journal.close();
    fs.writeFileSync(path, whole.subarray(0, whole.length - 3));
    const torn = new Store(personality, path);
    expect(torn.log.join('\n')).toContain('unfinished entry were cut off');
    torn.journal.close();
    const early = Buffer.from(whole);
    early[before - 2]! ^= 1;
    fs.writeFileSync(path, early);
    expect(() => new Store(personality, path)).toThrow(/damaged at byte/);
  });

  test(`${personality}: a restored store gives a new domain no rights of an earlier one (XSA-322)`, () => {
    const path = stateFile();
    const store = new Store(personality, path);
    for (const [type, payload] of [
      [MESSAGE.introduce, '5\x001\x001\0'],
      [MESSAGE.write, '/secret\0s'],
      [MESSAGE.setPermissions, '/secret\0n0\0r5\0'],
      [MESSAGE.release, '5\0'],
      [MESSAGE.introduce, '5\x001\x001\0'],
    ] as const)
      store.ask(type, payload);
    store.endTurn();
    store.journal.close();
    for (let round = 0; round < 2; round++) {
      const again = new Store(personality, path);
      let answer = '';
      const guest = again.engine.connect(5, { reply: (_type, _request, _tx, payload) => (answer = payload), event: () => {} });
      const bytes = Buffer.from('/secret\0') as Bytes;
      again.engine.process(guest, { type: MESSAGE.read, requestId: 1, txId: 0, bytes, start: 0, end: bytes.length });
      expect(answer).toBe('EACCES\0');
      again.journal.close();
    }
  });

  test(`${personality}: the nodes of a guest count against its quota after a restart too, and another guest's do not`, () => {
    const path = stateFile();
    const store = new Store(personality, path);
    for (const domid of [5, 6]) {
      for (const [type, payload] of [
        [MESSAGE.introduce, `${domid}\x001\x001\0`],
        [MESSAGE.write, `/of${domid}\0`],
        [MESSAGE.setPermissions, `/of${domid}\0n${domid}\0`],
      ] as const)
        store.ask(type, payload);
    }
    store.endTurn();
    const guest = (engine: Engine, domid: number) => {
      let answer = '';
      const client = engine.connect(domid, { reply: (_type, _request, _tx, payload) => (answer = payload), event: () => {} });
      return (name: string): string => {
        const bytes = Buffer.from(`/of${domid}/${name}\0v`) as Bytes;
        engine.process(client, { type: MESSAGE.write, requestId: 1, txId: 0, bytes, start: 0, end: bytes.length });
        return answer;
      };
    };
    const write = guest(store.engine, 5);
    let made = 0;
    while (write(`n${made}`) === 'OK\0') made++;
    expect(write('more')).toBe(personality === 'xenstored' ? 'ENOSPC\0' : 'EQUOTA\0');
    expect(made).toBeLessThanOrEqual(QUOTA[personality].nodes);
    store.endTurn();
    store.journal.close();
    for (let round = 0; round < 2; round++) {
      const again = new Store(personality, path);
      for (const domid of [5, 6]) again.ask(MESSAGE.introduce, `${domid}\x001\x001\0`);
      expect(guest(again.engine, 5)('more')).toBe(personality === 'xenstored' ? 'ENOSPC\0' : 'EQUOTA\0');
      expect(guest(again.engine, 6)(`n${round}`)).toBe('OK\0');
      again.endTurn();
      again.journal.close();
    }
  });
}
