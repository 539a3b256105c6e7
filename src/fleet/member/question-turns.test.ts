import { describe, expect, it } from 'vitest';
import { LoopShare, QuestionTurns } from './question-turns.js';

const LIMITS = { waiting: 3, waitingBytes: 100, askers: 2, allBytes: 150 };

/** Nothing is answered before `turn`, and then one question a call. */
function held(limits = LIMITS) {
  let nowMs = 0;
  const soon: (() => void)[] = [];
  const share = new LoopShare(
    () => nowMs,
    (next) => void soon.push(next),
  );
  const turns = new QuestionTurns({ limits, now: () => nowMs, share });
  const answered: string[] = [];
  // The first one takes the rest of the turn, so that all after it wait.
  const ask = (user: string, what: string, bytes = 1) =>
    turns.add(`_INBOX_${user}.${what}`, bytes, async () => {
      answered.push(what);
      nowMs += 10;
    });
  const settled = async () => {
    for (let at = 0; at < 10; at++) await Promise.resolve();
  };
  const turn = async () => {
    await settled();
    for (const next of soon.splice(0)) next();
    await settled();
  };
  return { turns, ask, turn, answered, later: (ms: number) => (nowMs += ms) };
}

describe('questions of several askers', () => {
  it('are answered in turns, one in each turn of the event loop when each takes long', async () => {
    const { ask, turn, answered } = held();
    ask('a', 'a1');
    for (const what of ['a2', 'a3', 'a4']) expect(ask('a', what)).toBeNull();
    expect(ask('b', 'b1')).toBeNull();
    const rounds: string[][] = [];
    for (let at = 0; at < 5; at++) {
      await turn();
      rounds.push([...answered]);
    }
    expect(rounds).toEqual([
      ['a1', 'a2'],
      ['a1', 'a2', 'b1'],
      ['a1', 'a2', 'b1', 'a3'],
      ['a1', 'a2', 'b1', 'a3', 'a4'],
      ['a1', 'a2', 'b1', 'a3', 'a4'],
    ]);
  });

  it('have room for so many of one asker, and one more when one was answered', async () => {
    const { ask, turn } = held();
    for (const what of ['1', '2', '3', '4']) expect(ask('a', what)).toBeNull();
    expect(ask('a', '5')).toBe('3 questions of a wait already; ask more slowly');
    expect(ask('b', '1')).toBeNull();
    await turn();
    expect(ask('a', '5')).toBeNull();
    expect(ask('a', '6')).not.toBeNull();
  });

  it('have room for so many bytes of one asker, and of all', () => {
    const { ask } = held();
    ask('a', '0');
    expect(ask('a', 'long', 101)).toBeNull();
    expect(ask('a', '1', 1)).toBe('questions of a with 101 bytes wait already; ask more slowly');
    expect(ask('b', '1', 50)).toBe('questions of 101 bytes wait already; ask later');
    expect(ask('b', '1', 49)).toBeNull();
  });

  it('have room for so many askers', async () => {
    const { ask, turn } = held();
    ask('a', '0');
    for (const user of ['a', 'b']) expect(ask(user, '1')).toBeNull();
    expect(ask('c', '1')).toBe('questions of 2 askers wait already; ask later');
    await turn();
    expect(ask('c', '1')).toBeNull();
  });
});

it('an asker is told of a refusal once a second, and the log has a line a minute', () => {
  const { turns, ask, later } = held();
  for (let at = 0; at < 10; at++) ask('a', String(at));
  expect(turns.refusals()).toEqual({ a: 6 });
  ask('a', 'x');
  expect(turns.refusals()).toBeNull();
  later(59_000);
  expect(turns.refusals()).toBeNull();
  later(1000);
  expect(turns.refusals()).toEqual({ a: 1 });
  expect(['_INBOX_a.1', '_INBOX_a.2', '_INBOX_b.1'].map((reply) => turns.tells(reply))).toEqual([true, false, true]);
  later(1000);
  expect(turns.tells('_INBOX_a.3')).toBe(true);
});

it('names of askers that are refused are remembered up to a limit', () => {
  const { turns, ask } = held();
  ask('a', '0');
  for (const user of ['a', 'b', 'c', 'd', 'e', 'f']) for (let at = 0; at < 5; at++) ask(user, String(at));
  expect(turns.refusals()).toEqual({ a: 2, b: 2, others: 20 });
});
