// The C daemon's limit on guests' changes, by a clock of the test. The figures are those measured
// on the real one (docs/xenstore.md).
import { expect, test } from 'vitest';
import { type Bytes, MESSAGE } from '../../protocol/wire.js';
import { XenstoredEngine } from './engine.js';

function host(): { may: () => boolean; ask: (domid: 0 | 1, type: number, payload: string) => void; pass: (ms: number) => void } {
  let now = 0;
  const engine = new XenstoredEngine({ nowMs: () => now });
  const out = { reply: () => {}, event: () => {} };
  const clients = [engine.connect(0, out), engine.connect(1, out)] as const;
  const ask = (domid: 0 | 1, type: number, payload: string): void => {
    const bytes = Buffer.from(payload, 'latin1') as Bytes;
    engine.process(clients[domid], { type, requestId: 1, txId: 0, bytes, start: 0, end: bytes.length });
  };
  ask(0, MESSAGE.introduce, '1\x001\x001\0');
  ask(0, MESSAGE.write, '/local/domain/1/data\0x');
  ask(0, MESSAGE.setPermissions, '/local/domain/1\0n1\0');
  ask(0, MESSAGE.setPermissions, '/local/domain/1/data\0n1\0');
  return {
    may: () => engine.listens(clients[1], 0),
    ask,
    pass: (ms) => {
      now += ms;
    },
  };
}

function howMany({ may, ask }: ReturnType<typeof host>, type: number, payload: (at: number) => string): number {
  let count = 0;
  while (may() && count < 5000) ask(1, type, payload(count++));
  return count;
}

test('without a transaction that is open a guest writes as fast as it can', () => {
  expect(howMany(host(), MESSAGE.write, () => 'data\0x')).toBe(5000);
});

test('with one, 1,010 changes at once, then 200 a second; reading costs nothing', () => {
  const one = host();
  one.ask(0, MESSAGE.transactionStart, '\0');
  expect(howMany(one, MESSAGE.read, () => 'data\0')).toBe(5000);
  // The one that takes it below nothing is answered as well.
  expect(howMany(one, MESSAGE.write, () => 'data\0x')).toBe(1011);
  let inFiveSeconds = 0;
  for (let step = 0; step < 500; step++) {
    one.pass(10);
    inFiveSeconds += howMany(one, MESSAGE.write, () => 'data\0x');
  }
  expect(Math.abs(inFiveSeconds - 1000)).toBeLessThanOrEqual(2);
  let directories = 0;
  for (let step = 0; step < 300; step++) {
    one.pass(10);
    directories += howMany(one, MESSAGE.mkdir, (at) => `n${step}-${at}\0`);
  }
  expect(Math.abs(directories - 300)).toBeLessThanOrEqual(2);
  one.ask(0, MESSAGE.resetWatches, '\0');
  one.pass(1000);
  expect(howMany(one, MESSAGE.write, () => 'data\0x')).toBe(5000);
});
