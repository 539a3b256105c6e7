// What a program puts before each line of a listing: the first line of a listing shows it, because
// Xen's tools print that line at the left. Log levels, time stamps, names of hosts and files, line
// numbers: their numbers and levels may differ from line to line, the rest stays.
import type { LineForms } from './unwrapped.js';

/** Where a listing may begin within a line. */
const LONGEST_PREFIX = 160;
const LEVEL = 'TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|CRITICAL|FATAL|DBG|INF|WRN';
const WORDS: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`^(?:${LEVEL})$`, 'i'), `(?:${LEVEL}|${LEVEL.toLowerCase()})`],
  [/^(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun)$/, '[A-Z][a-z]{2}'],
  [/^[AP]M$/, '[AP]M'],
];
/** The end of a line whose prefix opens a quote. */
const QUOTE_END = /["'`][,;]?[ \t]*$/;

type PrefixForms = Pick<LineForms, 'heads' | 'standsAlone'>;

/** A prefix as the form of what stands there on the other lines. */
interface Prefix {
  readonly form: RegExp;
  /** For a row that the form does not fit: with any words, such as the names of threads. */
  readonly wide: RegExp;
  readonly source: string;
  readonly isQuoted: boolean;
}

/**
 * The lines of each listing without their prefix, to the heading of a listing with another one.
 * Lines without the prefix stay as they are.
 */
export function withoutPrefixes(lines: readonly string[], forms: PrefixForms): string[] {
  const plain = [...lines];
  let prefix: Prefix | null = null;
  /** Behind the heading before. */
  let start = 0;
  lines.forEach((line, at) => {
    const found = prefixOf(line, forms);
    if (found !== undefined) {
      if (found !== null && found.source !== prefix?.source) stripAbove(plain, start, at, found, forms);
      prefix = found;
      start = at + 1;
    }
    if (prefix !== null) plain[at] = without(line, prefix, forms);
  });
  return plain;
}

/** A prompt above a heading may have the same prefix, and no row of the listing before it. */
function stripAbove(plain: string[], start: number, at: number, prefix: Prefix, forms: PrefixForms): void {
  for (let above = at - 1; above >= start; above--) {
    const line = plain[above]!;
    if (line.trim() === '') continue;
    const bare = without(line, prefix, forms);
    if (bare === line || (start > 0 && forms.standsAlone(line))) return;
    plain[above] = bare;
  }
}

function without(line: string, { form, wide, isQuoted }: Prefix, { standsAlone }: PrefixForms): string {
  const match = form.exec(line) ?? (standsAlone(line) ? wide.exec(line) : null);
  if (match === null) return line;
  const rest = line.slice(match[0].length);
  return isQuoted ? unquote(rest) : rest;
}

/** Within quotes a tab is written as in JSON. */
function unquote(text: string): string {
  return text.replace(QUOTE_END, '').replaceAll('\\t', '\t');
}

/** null for a heading at the left, undefined for a line that is no heading. */
function prefixOf(line: string, { heads }: PrefixForms): Prefix | null | undefined {
  if (!heads.mayHave(line)) return undefined;
  const indent = /^[ \t]*/.exec(line)![0].length;
  if (heads.is(line.slice(indent))) return null;
  const end = Math.min(line.length, LONGEST_PREFIX);
  for (let at = indent + 1; at < end; at++) {
    const before = line[at - 1]!;
    if (/\s/.test(line[at]!) || (/[a-z]/.test(line[at]!) && isInWord(line, indent, at))) continue;
    const isQuoted = /["'`]/.test(before);
    const rest = line.slice(at);
    if (!heads.is(isQuoted ? unquote(rest) : rest)) continue;
    const source = formOf(line.slice(0, at));
    return { form: new RegExp(source), wide: new RegExp(formOf(line.slice(0, at), '[A-Za-z]+')), source, isQuoted };
  }
  return undefined;
}

/** Names have hyphens in them. Headings begin with a capital. */
function isInWord(line: string, indent: number, at: number): boolean {
  const before = line[at - 1]!;
  return /\w/.test(before) || (before === '-' && /\w/.test(line.slice(indent, at)));
}

/** Runs of digits may have other digits, levels and months other names; so may words if given. */
function formOf(prefix: string, anyWord?: string): string {
  const tokens = prefix.match(/\d+|[A-Za-z]+|[ \t]+|[^\dA-Za-z \t]/g) ?? [];
  const parts = tokens.map((token, at) => {
    // The name of a domain may begin with more digits.
    if (/^\d/.test(token)) return at === tokens.length - 1 ? `\\d{${token.length}}` : String.raw`\d+`;
    if (/^[ \t]/.test(token)) return blanks(token, tokens[at - 1]);
    const word = /^[A-Za-z]/.test(token) ? (WORDS.find(([known]) => known.test(token))?.[1] ?? anyWord) : undefined;
    return word ?? token.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
  });
  // Editors take the blanks from the end of a line that has the prefix alone.
  const last = /[ \t]/.test(tokens.at(-1) ?? '') ? `(?:${parts.pop()!}|$)` : '';
  return `^${parts.join('')}${last}`;
}

/** Blanks before or behind what has no fixed width fill it up. */
function blanks(token: string, before: string | undefined): string {
  if (before === undefined) return '[ \\t]*';
  return /^\d|^[A-Za-z]+$/.test(before) ? '[ \\t]+' : `[ \\t]{1,${token.length}}`;
}
