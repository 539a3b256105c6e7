import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { cases } from '../../../test/support/cases.js';
import { numbersBelow } from '../../base/random.js';
import { fuzz, replayCorpus } from './fuzz.js';
import { makeMessage } from './messages.js';

for (const personality of ['xenstored', 'oxenstored'] as const) {
  const messages = cases(5000, 20_000);
  test(`${personality}: ${messages} hostile messages, all that must hold checked after each`, () => {
    expect(fuzz({ personality, messages, seed: 11 })).toBe(messages);
  });

  test(`${personality}: the kept messages, which found faults once or reach far`, () => {
    const corpus = readFileSync(new URL('../../../fixtures/xenstore-fuzz/corpus.txt', import.meta.url), 'utf8');
    expect(replayCorpus(personality, corpus)).toBeGreaterThan(500);
  });
}

test('the same seed makes the same messages', () => {
  const make = (): unknown => {
    const random = numbersBelow(3);
    return Array.from({ length: 100 }, () => makeMessage(random, [1, 2]));
  };
  expect(make()).toEqual(make());
});
