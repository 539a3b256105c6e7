// One conformance run: lines in, answers or differences out.
import { InputError } from '../base/errors.js';
import { isObject } from './differences.js';
import { type NumberedLine, readLines } from './lines.js';
import type { ConformancePlayer, JsonObject, JsonValue } from './player.js';

export interface RunOutput {
  /** Resolves when more can be written. */
  out(text: string): Promise<void>;
  err(text: string): void;
}

/** Exit codes: all agreed, or all played; a case differed or failed; the input was malformed. */
export const EXIT = { ok: 0, differences: 1, badInput: 2 } as const;

/** A kind that surveys its lines before it plays them keeps them all, at most this much text. */
const WHOLE_MOST_CHARACTERS = 256 * 2 ** 20;

type Case = { readonly number: number; readonly line: JsonObject } | { readonly number: number; readonly error: InputError };

/**
 * Plays every line of `input` and writes it with our answers; with `check`, compares with the
 * recorded ones instead, writes a line a difference and, at the end, `N passed, M failed` (lines,
 * not steps). A case that fails does not end the run.
 * @returns the exit code
 */
export async function runConformance(
  player: ConformancePlayer,
  input: AsyncIterable<Uint8Array>,
  { check }: { readonly check: boolean },
  output: RunOutput,
): Promise<number> {
  const tally = { passed: 0, failed: 0, badInput: false };
  const fail = (number: number, error: unknown) => {
    tally.failed++;
    if (error instanceof InputError) tally.badInput = true;
    output.err(describe(error, number));
  };
  try {
    for await (const one of surveyed(player, cases(input))) {
      if ('error' in one) {
        fail(one.number, one.error);
        continue;
      }
      try {
        if (check) {
          const found = await player.check(one.line);
          for (const difference of found) await output.out(`${nameOf(one.line, one.number)}: ${difference}\n`);
          if (found.length === 0) tally.passed++;
          else tally.failed++;
        } else {
          await output.out(`${JSON.stringify(await player.play(one.line))}\n`);
          tally.passed++;
        }
      } catch (error) {
        fail(one.number, error);
        if (!check) await output.out(`${JSON.stringify({ ...one.line, failed: describe(error, one.number) })}\n`);
      }
    }
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    tally.badInput = true;
    output.err(error.toString());
  } finally {
    await player.close?.();
  }
  if (check) await output.out(`${tally.passed} passed, ${tally.failed} failed\n`);
  if (tally.passed + tally.failed === 0 && !tally.badInput) {
    output.err('no cases on standard input; give one JSON object a line, as conformance/README.md describes');
    return EXIT.badInput;
  }
  if (tally.badInput) return EXIT.badInput;
  return tally.failed === 0 ? EXIT.ok : EXIT.differences;
}

async function* cases(input: AsyncIterable<Uint8Array>): AsyncGenerator<Case> {
  for await (const line of readLines(input)) yield parse(line);
}

function parse(line: NumberedLine): Case {
  if ('error' in line) return line;
  const { number, text } = line;
  try {
    const value = JSON.parse(text) as JsonValue;
    if (isObject(value)) return { number, line: value };
    return { number, error: new InputError('expected a JSON object', { line: number }, 'put one case on each line') };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { number, error: new InputError(`not JSON: ${reason}`, { line: number }, 'give one JSON object a line') };
  }
}

/** The cases, after the player's survey if it has one. */
async function* surveyed(player: ConformancePlayer, all: AsyncIterable<Case>): AsyncGenerator<Case> {
  if (player.survey === undefined) {
    yield* all;
    return;
  }
  const checkedLines: ({ number: number; text: string } | Case)[] = [];
  let characters = 0;
  for await (const one of all) {
    if ('error' in one) {
      checkedLines.push(one);
      continue;
    }
    const text = JSON.stringify(one.line);
    characters += text.length;
    if (characters > WHOLE_MOST_CHARACTERS) {
      const message = `more than ${WHOLE_MOST_CHARACTERS} characters of cases`;
      throw new InputError(message, { line: one.number }, 'this kind reads all cases first: split them into several runs');
    }
    player.survey(one.line);
    checkedLines.push({ number: one.number, text });
  }
  for (const one of checkedLines) yield 'text' in one ? { number: one.number, line: JSON.parse(one.text) as JsonObject } : one;
}

function nameOf(line: JsonObject, number: number): string {
  return line.id === undefined ? `line ${number}` : `line ${number} (id ${JSON.stringify(line.id)})`;
}

function describe(error: unknown, number: number): string {
  if (error instanceof InputError) {
    const { line: _, ...place } = error.place;
    return `line ${number}: ${new InputError(error.message, place, error.mend)}`;
  }
  return `line ${number}: this project failed on it: ${error instanceof Error ? error.message : String(error)}`;
}
