// Small things that Debian's oxenstored 4.17.7 does, each as measured on it.
import { expect, test } from 'vitest';
import { createXenstore } from '../../src/xenstore/in-process.js';
import { type Bytes, MESSAGE } from '../../src/xenstore/protocol/wire.js';

function dom0() {
  const store = createXenstore({ personality: 'oxenstored' });
  let [answer, events] = ['', [] as string[]];
  const client = store.engine.connect(0, {
    reply: (_type, _request, _tx, payload) => {
      answer = payload;
    },
    event: (path) => events.push(path),
  });
  return (type: number, payload: string): { answer: string; events: string[] } => {
    events = [];
    const bytes = Buffer.from(payload, 'latin1') as Bytes;
    store.engine.process(client, { type, requestId: 1, txId: 0, bytes, start: 0, end: bytes.length });
    return { answer, events };
  };
}

test('domain ids of 63 bits come back digit by digit', () => {
  const ask = dom0();
  ask(MESSAGE.write, '/p\0v');
  for (const [given, printed] of [
    ['n4611686018427387903\0', 'n4611686018427387903\0'],
    ['n0\0r9007199254740993\0', 'n0\0r9007199254740993\0'],
    ['n0\0r0x7fffffffffffffff\0', 'n0\0r9223372036854775807\0'],
  ]) {
    expect(ask(MESSAGE.setPermissions, `/p\0${given}`).answer).toBe('OK\0');
    expect(ask(MESSAGE.getPermissions, '/p\0').answer).toBe(printed);
  }
  for (const [given, printed] of [
    ['4611686018427387903', '4611686018427387903'],
    ['9007199254740993', '9007199254740993'],
    ['99999999999999999999999', '200376420520689663'],
    ['9223372036854775807', '9223372036854775807'],
  ]) {
    expect(ask(MESSAGE.getDomainPath, `${given}\0`).answer).toBe(`/local/domain/${printed}\0`);
  }
});

test('a node such as "@a/b" is announced at the root only while a node "@a" exists', () => {
  const ask = dom0();
  ask(MESSAGE.watch, '/\0w\0');
  expect(ask(MESSAGE.write, '@a/b\0v').events).toEqual([]);
  expect(ask(MESSAGE.write, '@c\0v').events).toEqual(['/@c']);
  expect(ask(MESSAGE.rm, '@a/b\0').events).toEqual([]);
  expect(ask(MESSAGE.write, '@a/b\0v').events).toEqual([]);
  expect(ask(MESSAGE.write, '@a\0v').events).toEqual(['/@a']);
  expect(ask(MESSAGE.write, '@a/b\0w').events).toEqual(['/@a/b']);
  expect(ask(MESSAGE.rm, '@a/b\0').events).toEqual(['/@a/b']);
  expect(ask(MESSAGE.write, '@z/b/c\0v').events).toEqual([]);
});
