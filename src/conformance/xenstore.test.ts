import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
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

/** As `check` of each step says, and nothing else; written apart from the comparison of `--check`. */
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

  /**
   * `play` starts every conversation on a fresh daemon. The recorded ones went on from one conversation to the next, so some of their answers
   * tell of what an earlier one did to domains 0 and 42 or to the root; those alone may differ.
   */
  test(`${personality}: what is printed against what was recorded, conversation by conversation`, () => {
    const player = createXenstorePlayer(personality);
    const lines = linesOf(personality);
    const differing = lines.filter((line) => !sameAnswers(line, player.play(withoutAnswers(line)) as JsonObject));
    expect({ printed: lines.length - differing.length }).toEqual({ printed: personality === 'xenstored' ? 888 : 835 });
    const about = /^(42|0)\0|^\/\0/;
    for (const line of differing) {
      const steps = stepsOf(line);
      const nobodys = steps.some(({ reply }) => bytesOf(reply).includes('n9223372036854775807'));
      expect(nobodys || steps.some((step) => about.test(bytesOf(step)))).toBe(true);
    }
  });

  test(`${personality}: the recorded answers are not looked at`, () => {
    const player = createXenstorePlayer(personality);
    for (const line of linesOf(personality).slice(0, 100)) {
      expect(player.play(withoutAnswers(line))).toEqual(player.play(line));
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
