import { expect, test } from 'vitest';
import { MESSAGE } from '../xenstore/protocol/wire.js';
import { type RecordedStep, startingState } from './xenstore-state.js';

const introduction = (payload: string, answer: string): RecordedStep => ({
  type: MESSAGE.introduce,
  payload,
  inTransaction: false,
  reply: { type: answer === 'OK\0' ? MESSAGE.introduce : MESSAGE.error, payload: answer },
});

test('a second introduction with another frame says nothing about domain 0: oxenstored refuses it (process.ml do_introduce)', () => {
  // As Debian's oxenstored 4.17 answers.
  const steps = [introduction('5\x000x10\x00-1\0', 'OK\0'), introduction('5\x001\x001\0', 'EINVAL\0')];
  expect(startingState('oxenstored', steps).rootReleased).toBe(false);
  expect(startingState('oxenstored', [introduction('5\x001\x001\0', 'EINVAL\0')]).rootReleased).toBe(true);
});
