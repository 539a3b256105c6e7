// A conformance run: its input, its output and its exit code.
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { InputError } from '../base/errors.js';
import { readLines } from './lines.js';
import type { ConformancePlayer, JsonObject } from './player.js';
import { runConformance } from './run.js';

/** Doubles `n`; knows no negative numbers, and breaks on 13. */
const doubling: ConformancePlayer = {
  play(line) {
    const n = Number(line.n);
    if (n < 0) throw new InputError('expected a number of 0 or more', { path: 'n' });
    if (n === 13) throw new Error('unlucky');
    return { ...line, answer: 2 * n };
  },
  check(line) {
    const { answer } = this.play(line) as JsonObject;
    return answer === line.answer ? [] : [`answer: recorded ${line.answer}, here ${answer}`];
  },
};

async function* chunks(text: string | Uint8Array, size = 7): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function run(text: string | Uint8Array, check = false, player = doubling) {
  const printed = { out: '', err: [] as string[] };
  const code = await runConformance(
    player,
    chunks(text),
    { check },
    {
      out: async (more) => {
        printed.out += more;
      },
      err: (line) => printed.err.push(line),
    },
  );
  return { code, ...printed };
}

describe('playing', () => {
  test('prints each line with our answer in the place of the recorded one', async () => {
    const { code, out } = await run('{"id":1,"n":2,"answer":99}\n\n{"n":3}');
    expect(out).toBe('{"id":1,"n":2,"answer":4}\n{"n":3,"answer":6}\n');
    expect(code).toBe(0);
  });
  test('reads gzip, several members too', async () => {
    const { out } = await run(Buffer.concat([gzipSync('{"n":1}\n'), gzipSync('{"n":2}\n')]));
    expect(out).toBe('{"n":1,"answer":2}\n{"n":2,"answer":4}\n');
  });
  test('a case that fails does not end the run', async () => {
    const { code, out, err } = await run('{"n":13}\n{"n":1}\n');
    expect(out.split('\n').map((line) => line.includes('"answer"'))).toEqual([false, true, false]);
    expect(err).toEqual(['line 1: this project failed on it: unlucky']);
    expect(code).toBe(1);
  });
  test('bad input is named by its line, the rest is played', async () => {
    const { code, out, err } = await run('{"n":-1}\nnot json\n[]\n{"n":1}\n');
    expect(err.map((line) => line.slice(0, 7))).toEqual(['line 1:', 'line 2:', 'line 3:']);
    expect(out).toContain('{"n":1,"answer":2}\n');
    expect(code).toBe(2);
  });
});

describe('--check', () => {
  test('counts cases and names differences', async () => {
    const { code, out } = await run('{"id":"a","n":2,"answer":4}\n{"id":"b","n":2,"answer":5}\n', true);
    expect(out).toBe('line 2 (id "b"): answer: recorded 5, here 4\n1 passed, 1 failed\n');
    expect(code).toBe(1);
  });
  test('all agree', async () => {
    expect(await run('{"n":2,"answer":4}\n', true)).toEqual({ code: 0, out: '1 passed, 0 failed\n', err: [] });
  });
  test('a run without cases is no success', async () => {
    const { code, out, err } = await run('\n \n', true);
    expect(out).toBe('0 passed, 0 failed\n');
    expect(err.join()).toContain('no cases');
    expect(code).not.toBe(0);
  });
  test('a truncated gzip file is no success', async () => {
    const whole = gzipSync(`${'{"n":2,"answer":4}\n'.repeat(10)}`);
    const { code, err } = await run(whole.subarray(0, whole.length - 9), true);
    expect(err.join()).toContain('gzip');
    expect(code).toBe(2);
  });
});

test('a player with a survey reads every line before the first is played, and plays them in order', async () => {
  const seen: string[] = [];
  const surveying: ConformancePlayer = {
    survey: (line) => void seen.push(`survey ${line.n}`),
    play: (line) => {
      seen.push(`play ${line.n}`);
      return line;
    },
    check: () => [],
    close: () => void seen.push('close'),
  };
  await run('{"n":1}\nbad\n{"n":2}\n', false, surveying);
  expect(seen).toEqual(['survey 1', 'survey 2', 'play 1', 'play 2', 'close']);
});

test('a line up to the limit is read, a longer one is skipped', async () => {
  const lines = [];
  for await (const line of readLines(chunks(`${'a'.repeat(20)}\n${'b'.repeat(21)}\nc`), 20)) lines.push(line);
  expect(lines.map((line) => ('error' in line ? line.error.message : line.text))).toEqual([
    'a'.repeat(20),
    'the line is longer than 20 bytes',
    'c',
  ]);
  expect(lines.map(({ number }) => number)).toEqual([1, 2, 3]);
});
