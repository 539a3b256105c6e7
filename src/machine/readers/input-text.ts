// A user's text for a reader: its name, its bounds, and its lines.
import { InputError } from '../../base/errors.js';

/** A text, and its name in errors. */
export interface InputText {
  readonly file: string;
  readonly text: string;
}

/** Limits on input, in characters; the real files of the largest machines are far below. */
export const INPUT_LIMITS = {
  /** Listings and lstopo XML. */
  textChars: 64 * 1024 * 1024,
  /** Lines of any input. */
  lines: 1_000_000,
  /** Commas, colons and line ends of YAML and JSON: about 12 for each of the most VMs allowed. */
  marks: 400_000,
  /** YAML, JSON and xl configs are kept whole as a tree, so their bound is lower. */
  structuredChars: 8 * 1024 * 1024,
  /** One guest config of xl. */
  xlConfigChars: 1024 * 1024,
  /** Nesting of YAML, JSON and XML. */
  depth: 256,
  /** Aliases of YAML that may be resolved; more is an alias bomb. */
  aliases: 100,
} as const;

/** @throws InputError when the text is longer than `limit` characters or is empty */
export function guardSize(input: InputText, limit: number = INPUT_LIMITS.textChars): void {
  if (input.text.length > limit) {
    const mib = (chars: number) => `${(chars / 1024 / 1024).toFixed(1)} MiB`;
    throw new InputError(
      `expected at most ${mib(limit)} of text, got ${mib(input.text.length)}`,
      { file: input.file },
      'check that this is the right file, or cut it down to the part that describes the machine',
    );
  }
  let lines = 1;
  for (let at = input.text.indexOf('\n'); at >= 0; at = input.text.indexOf('\n', at + 1)) lines++;
  if (lines > INPUT_LIMITS.lines) {
    throw new InputError(
      `expected at most ${INPUT_LIMITS.lines} lines, got ${lines}`,
      { file: input.file },
      'check that this is the right file',
    );
  }
  if (input.text.trim() === '') {
    throw new InputError('expected a description, got an empty file', { file: input.file }, 'check the command that wrote the file');
  }
}

export interface Line {
  readonly text: string;
  /** 1-based. */
  readonly number: number;
}

/**
 * Lines of a listing, trimmed, with runs of blanks reduced to one space, so that no pattern of a
 * reader backtracks over long blanks.
 */
export function linesOf(text: string): Line[] {
  return text.split(/\r\n|\n|\r/).map((line, index) => ({ text: line.replace(/[\s\uFEFF]+/g, ' ').trim(), number: index + 1 }));
}
