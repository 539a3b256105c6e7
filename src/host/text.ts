// Text that a user hands to a reader of host/: its name, its bounds, and the small parsers that all readers share.
// Box of the chart: none; this is the input side of the host model.
import { InputError } from '../errors.js';

/** A text and the name under which errors speak of it. */
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
  /** YAML, JSON and xl configs are kept whole as a tree, so they are bounded lower. */
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
      'check that this is the right file, or cut it to the part that describes the machine',
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

/** Lines of a listing, trimmed, with runs of blanks made one space: so no pattern of a reader backtracks over long blanks. */
export function linesOf(text: string): Line[] {
  return text.split(/\r\n|\n|\r/).map((line, index) => ({ text: line.replace(/[\s\uFEFF]+/g, ' ').trim(), number: index + 1 }));
}

/** "3", "007": digits only, at most `max`; undefined otherwise. */
export function parseCount(text: string, max: number = Number.MAX_SAFE_INTEGER): number | undefined {
  if (!/^\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return value <= max ? value : undefined;
}

const UNIT_BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/** How a size is written, for error messages. */
export const SIZE_FORM = 'a size such as 64GiB, 512MiB or a number of bytes';

/** "64GiB", "1.5 TiB", "512MiB", 1048576 in bytes; undefined when it is none of these, is negative or is not a whole number of bytes. */
export function parseSizeBytes(value: string | number): number | undefined {
  const match = /^(\d{1,16}(?:\.\d{1,6})?)\s*(B|KiB|MiB|GiB|TiB)?$/.exec(typeof value === 'number' ? String(value) : value.trim());
  if (match === null) return undefined;
  const bytes = Number(match[1]) * UNIT_BYTES[match[2] ?? 'B']!;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Bytes for people: "64 GiB", "1.5 GiB", "640 MiB". */
export function formatBytes(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const size = bytes / UNIT_BYTES[unit]!;
    if (size >= 1) return `${Number(size.toFixed(size < 10 ? 2 : 1))} ${unit}`;
  }
  return `${bytes} B`;
}

/** "0-3,8" as ascending numbers below `limit`; undefined when the text is no such list. "" is the empty list. */
export function parseRanges(text: string, limit: number): number[] | undefined {
  const found = new Set<number>();
  const trimmed = text.trim();
  if (trimmed === '') return [];
  // Overlapping ranges are cheap to write and dear to expand.
  let budget = 4 * limit;
  for (const item of trimmed.split(/\s*,\s*|\s+/)) {
    const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(item);
    if (match === null) return undefined;
    const from = Number(match[1]);
    const to = Number(match[2] ?? match[1]);
    budget -= to - from + 1;
    if (from > to || to >= limit || budget < 0) return undefined;
    for (let member = from; member <= to; member++) found.add(member);
  }
  return [...found].sort((a, b) => a - b);
}

/**
 * A name as it may be shown: control characters, line ends, bidirectional marks and lone surrogates become '?', so that a VM's name can
 * neither move a terminal's cursor nor break XML.
 */
export function harmless(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}\uFFFE\uFFFF]/gu, '?');
}

/** Whether a name holds what `harmless` would not show: readers refuse it, or do not take it over. */
export function hasControls(name: string): boolean {
  return harmless(name) !== name;
}
