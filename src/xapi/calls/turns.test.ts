import { describe, expect, it } from 'vitest';
import type { Principal } from './ledger.js';
import { TURN_MS, Turns } from './turns.js';

/** A clock that work advances, and an event loop whose turns are counted. */
function fakeLoop() {
  let nowMs = 0;
  const later: (() => void)[] = [];
  const turns = new Turns(
    () => nowMs,
    (next) => later.push(next),
  );
  const order: string[] = [];
  const client = (name: string, rank: Principal['rank'] = 'known') => ({
    takes: (ms: number, label = name): unknown =>
      turns.run({ name, rank }, () => {
        nowMs += ms;
        order.push(label);
      }),
  });
  const turn = (): boolean => {
    for (const next of later.splice(0)) next();
    return later.length > 0;
  };
  return { turns, order, client, turn };
}

describe('turns of clients', () => {
  it('runs work at once while there is time, and makes nothing wait for ever', () => {
    const { order, client, turn, turns } = fakeLoop();
    const one = client('one');
    for (let index = 0; index < 10; index++) one.takes(TURN_MS / 10);
    expect(order).toHaveLength(10);
    one.takes(1);
    expect([order.length, turns.waiting]).toEqual([10, 1]);
    turn();
    expect([order.length, turns.waiting]).toEqual([11, 0]);
    while (turn());
    one.takes(1);
    expect(order).toHaveLength(12);
  });

  it('runs at most one long work in a turn', () => {
    const { order, client, turn } = fakeLoop();
    for (let index = 0; index < 5; index++) client('greedy').takes(100);
    expect(order).toHaveLength(1);
    for (let done = 2; done <= 5; done++) {
      turn();
      expect(order).toHaveLength(done);
    }
  });

  it('serves another client next, however much one has requested before, and its own work in order', () => {
    const { order, client, turn } = fakeLoop();
    for (let index = 0; index < 300; index++) client('greedy').takes(50, `greedy ${index}`);
    turn();
    client('other').takes(1);
    turn();
    expect(order).toEqual(['greedy 0', 'greedy 1', 'other', 'greedy 2']);
    while (turn());
    expect(order.filter((one) => one !== 'other')).toEqual(Array.from({ length: 300 }, (_, index) => `greedy ${index}`));
  });

  it('gives two clients of one rank the same time, and the superuser four times as much', () => {
    const { order, client, turn } = fakeLoop();
    for (let index = 0; index < 300; index++) for (const name of ['a', 'b']) client(name).takes(30);
    for (let index = 0; index < 300; index++) client('root', 'root').takes(30);
    for (let count = 0; count < 120; count++) turn();
    const times = (name: string) => order.filter((one) => one === name).length;
    expect(Math.abs(times('a') - times('b'))).toBeLessThanOrEqual(1);
    expect(Math.abs(times('root') - 4 * times('a'))).toBeLessThanOrEqual(5);
  });

  it('gives no time for the time in which a client wanted none', () => {
    const { order, client, turn } = fakeLoop();
    for (let index = 0; index < 100; index++) client('busy').takes(30);
    for (let count = 0; count < 50; count++) turn();
    for (let index = 0; index < 20; index++) client('rested').takes(30);
    const before = order.length;
    for (let count = 0; count < 10; count++) turn();
    const since = order.slice(before);
    expect(Math.abs(since.filter((one) => one === 'busy').length - since.filter((one) => one === 'rested').length)).toBeLessThanOrEqual(2);
  });

  it('passes errors of the work on, now and later', async () => {
    const { turns, client, turn } = fakeLoop();
    const fail = (): never => {
      throw new Error('refused');
    };
    expect(() => turns.run({ name: 'one', rank: 'known' }, fail)).toThrow('refused');
    client('one').takes(TURN_MS);
    const waiting = turns.run({ name: 'one', rank: 'known' }, fail);
    turn();
    await expect(waiting).rejects.toThrow('refused');
  });
});
