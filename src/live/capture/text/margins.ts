// What pages and programs put beside a text: numbers of lines on lines of their own, and a time
// stamp at the end of each line.

/** So many numbers in a row are no part of an output. */
const LEAST_NUMBERS = 4;
/** Share of the lines, without empty ones, that a margin has at least. */
const LEAST_SHARE = 1 / 3;
const NUMBER = /^[ \t]*\d{1,6}[ \t]*$/;

const DATE = String.raw`(?:\d{4}[-/.]\d{2}[-/.]\d{2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}|(?:[A-Z][a-z]{2} )?[A-Z][a-z]{2} [ \d]\d(?: \d{4})?)`;
const TIME = String.raw`\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?: ?[AP]M)?(?:Z| ?UTC| ?[+-]\d{2}:?\d{2})?`;
const STAMP = new RegExp(String.raw`(?:^|[ \t](?:[|#;-]{1,3}[ \t]*)?)[[(<]?(?:${DATE}[T ,]{1,2})?${TIME}[\])>]?$`);
/** The longest stamp, with what stands before it. Only so much of a long line is looked at. */
const STAMP_LENGTH = 100;
const BLANK = /[ \t]/;

/** Lines with their numbers in the file, 1-based. */
export interface NumberedLines {
  readonly lines: readonly string[];
  readonly numbers: readonly number[];
}

/**
 * Without lines that hold the next number each, as the copy of a page with a margin of line numbers
 * has them between the lines.
 */
export function withoutLineNumbers(lines: readonly string[]): NumberedLines {
  const all = lines.map((_, at) => at);
  const numbered = all.filter((at) => NUMBER.test(lines[at]!));
  const first = Number(lines[numbered[0] ?? 0]);
  const isMargin =
    numbered.length >= LEAST_NUMBERS && numbered.every((at, index) => Number(lines[at]) === first + index) && isFrequent(numbered, lines);
  const margin = new Set(isMargin ? numbered : []);
  const kept = all.filter((at) => !margin.has(at));
  return { lines: kept.map((at) => lines[at]!), numbers: kept.map((at) => at + 1) };
}

/** Without the time stamps with which the lines end. No output has them on that many lines. */
export function withoutTrailingStamps(lines: readonly string[]): string[] {
  const stamps = lines.map(stampAt);
  const stamped = [...stamps.keys()].filter((at) => stamps[at] !== null);
  if (stamped.length < LEAST_NUMBERS || !isFrequent(stamped, lines)) return [...lines];
  return lines.map((line, at) => line.slice(0, stamps[at] ?? line.length));
}

/** Where the stamp begins that ends the line, with the blanks before it. null = it has none. */
function stampAt(line: string): number | null {
  const end = beforeBlanks(line, line.length);
  const from = Math.max(0, end - STAMP_LENGTH);
  const found = STAMP.exec(line.slice(from, end));
  if (found === null) return null;
  const at = from + found.index;
  return at > 0 && !BLANK.test(line[at]!) ? null : beforeBlanks(line, at);
}

function beforeBlanks(line: string, end: number): number {
  let at = end;
  while (at > 0 && BLANK.test(line[at - 1]!)) at--;
  return at;
}

function isFrequent(some: readonly number[], lines: readonly string[]): boolean {
  return some.length >= LEAST_SHARE * lines.filter((line) => line.trim() !== '').length;
}
