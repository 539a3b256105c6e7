// Joins lines that were wrapped: between words, as mail programs do, or at one column, as terminals
// do.
import { isRowEnd } from './row-end.js';

export interface CleanLine {
  readonly text: string;
  /** 1-based, in the file. */
  readonly number: number;
}

/** First lines of listings, which nothing but a listing has. */
export interface HeadForms {
  /** Whether there may be one anywhere in a line: quick, and right where it says no. */
  readonly mayHave: (line: string) => boolean;
  readonly is: (text: string) => boolean;
}

/** How a reader of listings tells lines apart. */
export interface LineForms {
  /** Whether a line begins or continues a listing by itself. */
  readonly standsAlone: (line: string) => boolean;
  readonly begins: (line: string) => boolean;
  readonly heads: HeadForms;
  /** Whether a line is a row of xl's tables of domains and vCPUs, whole or without its end. */
  readonly isRow: (line: string) => boolean;
  /** Whether a line is such a row that is too short for the padding of its name. */
  readonly lacksName: (line: string) => boolean;
}

/** A terminal is at least this wide; shorter lines of one length are no wraps. */
const LEAST_WRAP = 40;
/** Lines of the greatest length that tell a wrap from the end of one long line. */
const LEAST_WRAPPED = 2;
/** Blanks between columns of a table, which a wrap between words took away. */
const WIDEST_GAP = 8;
/** The most blanks of a row, behind a name; editors take those at the end of a line. */
const MOST_BLANKS = 40;
/** Blanks before the mask of a row. */
const BEFORE_MASK = 2;
/** The end of a whole row of xl's tables: a time, and masks where there are some. */
const WHOLE_ROW =
  /\s[-rbpscd]{2,7}\s+\d+\.\d(?:\s+(?:all|none|any (?:cpu|node)|\d[\d,-]*))?(?:\s*\/\s*(?:all|none|\d[\d,-]*))?(?:\s+[0-9a-f-]{36}.*)?\s*$/;

/** The end of a whole heading of those tables. */
const WHOLE_HEADING = /\s(?:Time\(s\)|(?:NODE |CPU )?Affinity(?: \(Hard \/ Soft\))?|UUID.*|Cpupool.*)\s*$/;

/** What may follow in a heading of those that ends like a whole one. */
const HEADING_GOES_ON = /^\s*(?:NODE|CPU|Affinity|\(Hard|UUID|Reason|Security|Cpupool)\b/;

/** A heading may be as long as the lines were cut; below it is a row, whole or cut itself. */
function isBelowHeading(before: string, line: string): boolean {
  return /^Name\s+ID\s/.test(before) && WHOLE_HEADING.test(before) && !HEADING_GOES_ON.test(line);
}

/** The lines as they were before they were wrapped, as far as that is certain. */
export function unwrapped(lines: readonly CleanLine[], forms: Omit<LineForms, 'begins' | 'heads'>): CleanLine[] {
  const found = byWidth(lines, forms);
  if (found.length === lines.length && lines.every(({ text }) => isUnderstood(text, forms))) return found;
  const padded = withBlanks(lines, forms);
  return padded !== null && badLines(padded, forms) < badLines(found, forms) ? padded : found;
}

function isUnderstood(text: string, { standsAlone, isRow }: Pick<LineForms, 'standsAlone' | 'isRow'>): boolean {
  if (/^Name\s+ID\s/.test(text)) return WHOLE_HEADING.test(text);
  return text.trim() === '' || (standsAlone(text) && (!isRow(text) || WHOLE_ROW.test(text)));
}

function badLines(lines: readonly CleanLine[], forms: Pick<LineForms, 'standsAlone' | 'isRow'>): number {
  return lines.filter(({ text }) => !isUnderstood(text, forms)).length;
}

/** Lines that were cut at one column and then lost the blanks at their ends; null without a cut. */
function withBlanks(
  lines: readonly CleanLine[],
  { standsAlone, isRow, lacksName }: Omit<LineForms, 'begins' | 'heads'>,
): CleanLine[] | null {
  const width = lines.reduce((most, { text }) => Math.max(most, text.length), 0);
  if (width < LEAST_WRAP) return null;
  const isRest = ({ text }: CleanLine) => text.trim() !== '' && !standsAlone(text);
  /** A row without its last mask looks whole too. */
  const isEnd = ({ text }: CleanLine, line: CleanLine) =>
    isRowEnd(line.text) && width - text.length <= (isRow(text) && WHOLE_ROW.test(text) ? BEFORE_MASK : MOST_BLANKS);
  const belongTogether = (before: CleanLine, line: CleanLine) => {
    const isFull = before.text.length === width;
    if (before.text === '') return false;
    if (!isRest(line)) return isFull && !standsAlone(before.text) && lacksName(line.text);
    return isFull ? !isRow(before.text) || isRowEnd(line.text) : isEnd(before, line);
  };
  return joined(lines, belongTogether, (before) => ' '.repeat(width - before.text.length));
}

function byWidth(lines: readonly CleanLine[], { standsAlone, isRow, lacksName }: Omit<LineForms, 'begins' | 'heads'>): CleanLine[] {
  const isRest = ({ text }: CleanLine) => text.trim() !== '' && !standsAlone(text);
  const rests = lines.flatMap((line, at) => (at > 0 && isRest(line) ? [{ before: lines[at - 1]!, line }] : []));
  const width = wrapWidth(lines, rests);
  if (width < LEAST_WRAP) return [...lines];
  const isFull = ({ text }: CleanLine) => text.length === width;
  /** The next line begins with a word for which there was no room. */
  const endsEarly = (line: CleanLine, next: CleanLine, gap: number) =>
    !isFull(line) && /^\S/.test(next.text) && line.text.length + gap + /^\S*/.exec(next.text)![0].length > width;
  const cut = rests.filter(({ before }) => isFull(before));
  const early = rests.filter(({ before, line }) => standsAlone(before.text) && endsEarly(before, line, 1));
  // Between words nothing is left of a blank. Words end at the last column by chance, and a line of
  // prose follows a long row by chance: the more frequent one counts.
  const isAtColumn = cut.some(({ before, line }) => /\s$/.test(before.text) || /^\s/.test(line.text));
  /** A whole row may be as long as the longest line, and the next one begin with a name. */
  const isNextRow = (before: CleanLine, line: CleanLine) => isRow(before.text) && !isRowEnd(line.text);
  if (early.length > (isAtColumn ? cut.length : 0)) {
    return joined(
      lines,
      (before, line) => isRest(line) && !isNextRow(before, line) && (isFull(before) || endsEarly(before, line, WIDEST_GAP)),
      () => ' ',
    );
  }
  const certain = lines.filter(isFull).length >= LEAST_WRAPPED || cut.every(({ line }) => isRowEnd(line.text));
  if (!certain) return [...lines];
  /** A name that is longer than its column may be cut before the figures, or within itself. */
  const isRestOfName = (before: CleanLine, line: CleanLine) => !standsAlone(before.text) && lacksName(line.text);
  return joined(
    lines,
    (before, line) => isFull(before) && (isRest(line) ? !isNextRow(before, line) : isRestOfName(before, line)),
    () => '',
  );
}

interface Rest {
  readonly before: CleanLine;
  readonly line: CleanLine;
}

/**
 * The greatest length, or the one at which lines were cut once, so that their rests may be longer.
 */
function wrapWidth(lines: readonly CleanLine[], rests: readonly Rest[]): number {
  const greatest = lines.reduce((most, { text }) => Math.max(most, text.length), 0);
  const counts = new Map<number, number>();
  for (const { before } of rests) counts.set(before.text.length, (counts.get(before.text.length) ?? 0) + 1);
  const [width, count] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? [greatest, 0];
  const overlong = new Set(rests.flatMap(({ before, line }) => (before.text.length === width ? [line] : [])));
  const isCutOnce = count >= LEAST_WRAPPED && lines.every((line) => line.text.length <= width || overlong.has(line));
  return isCutOnce ? width : greatest;
}

function joined(
  lines: readonly CleanLine[],
  belongTogether: (before: CleanLine, line: CleanLine) => boolean,
  glue: (before: CleanLine) => string,
): CleanLine[] {
  const found: CleanLine[] = [];
  lines.forEach((line, at) => {
    const whole = found.at(-1);
    if (whole !== undefined && !isBelowHeading(whole.text, line.text) && belongTogether(lines[at - 1]!, line)) {
      found[found.length - 1] = { text: whole.text + glue(lines[at - 1]!) + line.text, number: whole.number };
    } else found.push(line);
  });
  return found;
}
