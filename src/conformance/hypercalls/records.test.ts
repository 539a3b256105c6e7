import { expect, test } from 'vitest';
import { casesOf, playerOf, replayRecords } from '../../../test/support/recorded-cases.js';

replayRecords({ kind: 'hypercalls', files: /^hypercalls-.*\.jsonl\.gz$/, answers: ['result'], independent: true });

test('scenarios pass in any order', async () => {
  const player = await playerOf('hypercalls');
  const lines = casesOf('hypercalls-x.jsonl.gz').reverse();
  for (const line of lines) player.survey?.(line);
  const faults = await Promise.all(lines.map((line) => player.check(line)));
  expect(faults.flat()).toEqual([]);
});
