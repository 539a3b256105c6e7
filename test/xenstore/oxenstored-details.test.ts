// Small things that Debian's oxenstored 4.17.7 does, asked of it and of ours.
import { afterAll, describe, expect, test } from 'vitest';
import { MESSAGE } from '../../src/xenstore/protocol/wire.js';
import { type Daemon, REAL, startOurs, startReal, WHY_NOT_REAL } from './daemons.js';
import { RawConnection } from './recorder.js';

const ends: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

type Ask = (type: number, payload: string) => Promise<{ answer: string; events: string[] }>;

async function dom0(start: () => Promise<Daemon>): Promise<Ask> {
  const daemon = await start();
  const connection = await RawConnection.open(daemon.socket);
  ends.push(async () => {
    connection.close();
    await daemon.stop();
  });
  let requestId = 1;
  return async (type, payload) => {
    connection.send(type, requestId, 0, payload);
    const messages = await connection.until(requestId++);
    const { payload: answer } = messages.at(-1)!;
    // Events may follow the reply.
    connection.send(MESSAGE.getDomainPath, requestId, 0, '0\0');
    messages.push(...(await connection.until(requestId++)));
    const events = messages.filter((one) => one.type === MESSAGE.watchEvent).map((one) => one.payload.split('\0')[0]!);
    return { answer, events };
  };
}

const DAEMONS: readonly (readonly [string, () => Promise<Daemon>])[] = [
  ['ours', () => startOurs('oxenstored')],
  ['the real one', () => startReal('oxenstored')],
];

describe.each(DAEMONS)('%s', (name, start) => {
  const it = test.skipIf(name !== 'ours' && !REAL);
  const why = name === 'ours' || REAL ? '' : ` (${WHY_NOT_REAL})`;

  it(`domain ids of 63 bits come back digit by digit${why}`, async () => {
    const ask = await dom0(start);
    await ask(MESSAGE.write, '/p\0v');
    for (const [given, printed] of [
      ['n4611686018427387903\0', 'n4611686018427387903\0'],
      ['n0\0r9007199254740993\0', 'n0\0r9007199254740993\0'],
      ['n0\0r0x7fffffffffffffff\0', 'n0\0r9223372036854775807\0'],
    ]) {
      expect((await ask(MESSAGE.setPermissions, `/p\0${given}`)).answer).toBe('OK\0');
      expect((await ask(MESSAGE.getPermissions, '/p\0')).answer).toBe(printed);
    }
    for (const [given, printed] of [
      ['4611686018427387903', '4611686018427387903'],
      ['9007199254740993', '9007199254740993'],
      ['99999999999999999999999', '200376420520689663'],
      ['9223372036854775807', '9223372036854775807'],
    ]) {
      expect((await ask(MESSAGE.getDomainPath, `${given}\0`)).answer).toBe(`/local/domain/${printed}\0`);
    }
  });

  it(`a node such as "@a/b" is announced at the root only while a node "@a" exists${why}`, async () => {
    const ask = await dom0(start);
    await ask(MESSAGE.watch, '/\0w\0');
    expect((await ask(MESSAGE.write, '@a/b\0v')).events).toEqual([]);
    expect((await ask(MESSAGE.write, '@c\0v')).events).toEqual(['/@c']);
    expect((await ask(MESSAGE.rm, '@a/b\0')).events).toEqual([]);
    expect((await ask(MESSAGE.write, '@a/b\0v')).events).toEqual([]);
    expect((await ask(MESSAGE.write, '@a\0v')).events).toEqual(['/@a']);
    expect((await ask(MESSAGE.write, '@a/b\0w')).events).toEqual(['/@a/b']);
    expect((await ask(MESSAGE.rm, '@a/b\0')).events).toEqual(['/@a/b']);
    expect((await ask(MESSAGE.write, '@z/b/c\0v')).events).toEqual([]);
  });
});
