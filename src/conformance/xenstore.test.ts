import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { oneIn } from '../../test/support/cases.js';
import { InputError } from '../base/errors.js';
import type { JsonObject } from './player.js';
import { createXenstorePlayer } from './xenstore.js';

const linesOf = (personality: string): JsonObject[] =>
  gunzipSync(readFileSync(new URL(`../../fixtures/vectors/xenstore-${personality}.jsonl.gz`, import.meta.url)))
    .toString('utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as JsonObject);

interface Step {
  readonly type: number;
  readonly check: string;
  readonly payload_b64: string;
  readonly reply?: { readonly type: number; readonly payload_b64: string; readonly tx?: number } | null;
  readonly events?: readonly { readonly conn: number; readonly payload_b64: string; readonly pre?: true }[];
  readonly closed?: true;
  readonly synctimeout?: true;
}

const stepsOf = (line: JsonObject): readonly Step[] => line.steps as unknown as readonly Step[];
const bytesOf = (of: { readonly payload_b64: string } | null | undefined): string =>
  Buffer.from(of?.payload_b64 ?? '', 'base64').toString('latin1');

function withoutAnswers(line: JsonObject): JsonObject {
  const steps = (line.steps as readonly JsonObject[]).map(({ conn, type, tx, payload_b64, newtx, check }) => ({
    conn,
    type,
    tx,
    payload_b64,
    ...(newtx === undefined ? {} : { newtx }),
    check,
  }));
  return { ...line, steps } as JsonObject;
}

/** Compares exactly by the `check` of each step, independently of the comparison of `--check`. */
function sameAnswers(recorded: JsonObject, printed: JsonObject): boolean {
  const ours = stepsOf(printed);
  return stepsOf(recorded).every((step, at) => {
    const own = ours[at]!;
    if (step.check === 'skip') return true;
    const closed = step.closed === true || step.synctimeout === true;
    if (closed !== (own.closed === true)) return false;
    const events = (of: Step): string[] => (of.events ?? []).map((event) => `${event.conn} ${event.pre === true} ${bytesOf(event)}`);
    const byConnection = (of: Step): string[][] =>
      [...Array(16).keys()].map((conn) => events(of).filter((one) => one.startsWith(`${conn} `)));
    if (JSON.stringify(byConnection(step)) !== JSON.stringify(byConnection(own))) return false;
    if (closed) return true;
    if (step.reply?.type !== own.reply?.type || step.reply?.tx !== own.reply?.tx) return false;
    const names = (of: Step): string => bytesOf(of.reply).split('\0').sort().join('\0');
    if (step.check === 'set') return names(step) === names(own);
    return (step.check === 'error' && step.reply?.type === 16) || bytesOf(step.reply) === bytesOf(own.reply);
  });
}

for (const personality of ['xenstored', 'oxenstored'] as const) {
  test(`${personality}: every recorded conversation`, async () => {
    const player = createXenstorePlayer(personality);
    const lines = linesOf(personality);
    const differing: string[] = [];
    for (const line of lines) for (const difference of await player.check(line)) differing.push(`${line.id}: ${difference}`);
    expect(differing).toEqual([]);
    expect(lines).toHaveLength(894);
  });

  test(`${personality}: the output, from the state at the start of the record, is the recorded one`, () => {
    const player = createXenstorePlayer(personality);
    for (const line of oneIn(5, linesOf(personality))) {
      const printed = player.play({ ...withoutAnswers(line), begin: player.beginOf(line) }) as JsonObject;
      expect({ id: line.id, same: sameAnswers(line, printed) }).toEqual({ id: line.id, same: true });
    }
  });

  test(`${personality}: a record from a fresh daemon is printed without that hint`, () => {
    const player = createXenstorePlayer(personality);
    const fresh = linesOf(personality).filter((line) => player.beginOf(line).length === 0);
    expect(fresh.length).toBeGreaterThan(linesOf(personality).length * 0.9);
    for (const line of oneIn(5, fresh)) {
      expect({ id: line.id, same: sameAnswers(line, player.play(withoutAnswers(line)) as JsonObject) }).toEqual({
        id: line.id,
        same: true,
      });
    }
  });

  test(`${personality}: the recorded answers are ignored`, () => {
    const player = createXenstorePlayer(personality);
    for (const line of oneIn(3, linesOf(personality).slice(0, 100))) {
      expect(player.play(withoutAnswers(line))).toEqual(player.play(line));
    }
  });

  test(`${personality}: a wrong answer in any record is found`, async () => {
    const player = createXenstorePlayer(personality);
    for (const line of oneIn(
      4,
      linesOf(personality).filter((_, at) => at % 9 === 0),
    )) {
      const steps = line.steps as readonly JsonObject[];
      const at = steps.findIndex(({ check, reply }) => check === 'exact' && reply !== null && reply !== undefined);
      if (at < 0) continue;
      const wrong = { ...steps[at], reply: { type: 16, payload_b64: Buffer.from('EROFS\0').toString('base64') } };
      const found = await player.check({ ...line, steps: steps.with(at, wrong as JsonObject) } as unknown as JsonObject);
      expect({ id: line.id, found: found.some((difference) => difference.startsWith(`steps[${at}]`)) }).toEqual({
        id: line.id,
        found: true,
      });
    }
  });

  test(`${personality}: one wrong fact about a domain that is left introduced is found`, async () => {
    const player = createXenstorePlayer(personality);
    // Two answers that contradict each other: no state of the daemon gives both.
    const ask = { conn: 0, type: 17, tx: 0, payload_b64: Buffer.from('42\0').toString('base64'), events: [], check: 'exact' };
    const answer = (text: string) => ({ ...ask, reply: { type: 17, payload_b64: Buffer.from(text).toString('base64') } });
    for (const answers of [
      ['T\0', 'F\0'],
      ['F\0', 'T\0'],
    ]) {
      const line = { id: 1, conns: 1, steps: answers.map(answer) } as unknown as JsonObject;
      expect(await player.check(line)).toHaveLength(1);
    }
  });
}

test('a line that is not a conversation is refused', () => {
  const player = createXenstorePlayer('xenstored');
  expect(() => player.play({ conns: 1, steps: [{ conn: 1, type: 2, tx: 0, payload_b64: '' }] })).toThrow(InputError);
  expect(() => player.play({ conns: 0, steps: [] })).toThrow(InputError);
});
