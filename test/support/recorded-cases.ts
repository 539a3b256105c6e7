// Replays all recorded cases of a kind. A second replay without the recorded answers must give the
// same result.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { KINDS } from '../../src/conformance/kinds.js';
import type { ConformancePlayer, JsonObject } from '../../src/conformance/player.js';
import { oneIn } from './cases.js';

const folder = new URL('../../fixtures/vectors/', import.meta.url);
const fileNames = existsSync(folder) ? readdirSync(folder).sort() : [];
export function casesOf(file: string): JsonObject[] {
  const text = gunzipSync(readFileSync(new URL(file, folder))).toString('utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JsonObject);
}

export function playerOf(kind: string): Promise<ConformancePlayer> {
  return KINDS[kind]!.create({ on: 'embedded', personality: undefined });
}

function withoutAnswers(line: JsonObject, answers: readonly string[]): JsonObject {
  return JSON.parse(JSON.stringify(line, (key, value) => (answers.includes(key) ? undefined : value))) as JsonObject;
}

/**
 * Defines the tests of a kind.
 * @param answers fields of a case that hold what the real system answered
 * @param independent a case does not need those before it, so `npm test` plays a part of them
 */
export function replayRecords({
  kind,
  files,
  answers,
  independent = false,
}: {
  kind: string;
  files: RegExp;
  answers: readonly string[];
  independent?: boolean;
}): void {
  describe(kind, () => {
    const found = fileNames.filter((name) => files.test(name));
    test('has records', () => expect(found.length).toBeGreaterThan(0));
    test.each(found)('%s: every case as recorded', { timeout: 120_000 }, async (file) => {
      const player = await playerOf(kind);
      const lines = casesOf(file);
      for (const line of lines) player.survey?.(line);
      const faults: string[] = [];
      for (const line of independent ? oneIn(4, lines) : lines)
        faults.push(...(await player.check(line)).map((fault) => `id ${line.id}: ${fault}`));
      expect(faults).toEqual([]);
    });
    test.each(found)('%s: the recorded answers are ignored', { timeout: 120_000 }, async (file) => {
      const [given, stripped] = await Promise.all([playerOf(kind), playerOf(kind)]);
      const lines = casesOf(file);
      for (const line of lines) {
        given.survey?.(line);
        stripped.survey?.(withoutAnswers(line, answers));
      }
      for (const line of oneIn(4, lines.slice(0, 100))) {
        const played = (await stripped.play(withoutAnswers(line, answers))) as Record<string, unknown>;
        expect(played).toEqual(await given.play(line));
      }
    });
  });
}
