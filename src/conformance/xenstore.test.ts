import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { InputError } from '../errors.js';
import type { JsonObject } from './player.js';
import { createXenstorePlayer } from './xenstore.js';

const linesOf = (personality: string): JsonObject[] =>
  gunzipSync(readFileSync(new URL(`../../fixtures/vectors/xenstore-${personality}.jsonl.gz`, import.meta.url)))
    .toString('utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as JsonObject);

for (const personality of ['xenstored', 'oxenstored'] as const) {
  test(`${personality}: every recorded conversation`, async () => {
    const player = createXenstorePlayer(personality);
    const lines = linesOf(personality);
    const differing: string[] = [];
    for (const line of lines) for (const difference of await player.check(line)) differing.push(`${line.id}: ${difference}`);
    expect(differing).toEqual([]);
    expect(lines).toHaveLength(894);
  });

  test(`${personality}: the recorded answers are not looked at`, () => {
    const player = createXenstorePlayer(personality);
    for (const line of linesOf(personality).slice(0, 100)) {
      const bare = (line.steps as readonly JsonObject[]).map(({ conn, type, tx, payload_b64, newtx, check }) => ({
        conn,
        type,
        tx,
        payload_b64,
        ...(newtx === undefined ? {} : { newtx }),
        check,
      }));
      expect(player.play({ ...line, steps: bare } as JsonObject)).toEqual(player.play(line));
    }
  });

  test(`${personality}: a wrong answer in a record is found`, () => {
    const player = createXenstorePlayer(personality);
    const line = linesOf(personality)[0]!;
    const [first, ...others] = line.steps as readonly JsonObject[];
    const wrong = { ...first, reply: { type: 16, payload_b64: Buffer.from('EROFS\0').toString('base64') } };
    expect(player.check({ ...line, steps: [wrong, ...others] } as JsonObject)).toHaveLength(1);
  });
}

test('a line that is no conversation is refused', () => {
  const player = createXenstorePlayer('xenstored');
  expect(() => player.play({ conns: 1, steps: [{ conn: 1, type: 2, tx: 0, payload_b64: '' }] })).toThrow(InputError);
  expect(() => player.play({ conns: 0, steps: [] })).toThrow(InputError);
});
