// Takes a listing out of the columns of a text: panes of tmux and screen, tables of Markdown, Jira
// and word processors, and programs that put a bar between their own words and the line.
import type { HeadForms } from './unwrapped.js';

/** Bars of terminals and of typography; the rest of the readers sees them as "|". */
const BARS = /[\u2502\u2503\u2551\u2506\u250a\uff5c]/g;
/** The line below the heading of a table: "|---|:--:|", "+----+----+". */
const RULE = /^[ \t]*[|+][-=+|: \t\u2500-\u257f]*$/;
/** No listing has more columns. */
const MOST_BARS = 24;
/** A pane is wider than the indentation of a quote. */
const LEAST_PANE = 8;

interface Pane {
  /** The number of bars before the listing, or null for a table with a cell for each column. */
  readonly before: number | null;
}

/** As many lines; a rule of a table becomes ''. Bars that only quote a line stay. */
export function withoutPanes(lines: readonly string[], heads: HeadForms): string[] {
  let pane: Pane | null = null;
  return lines.map((raw) => {
    const line = raw.replace(BARS, '|');
    if (line.includes('|')) {
      const found = paneOf(line, pane, heads);
      if (found !== undefined) pane = found;
      return pane === null ? line : inPane(line, pane);
    }
    if (pane !== null && heads.mayHave(line) && heads.is(line.trimStart())) pane = null;
    return line;
  });
}

/** undefined where the line is no heading; null for one that is only quoted, or before a pipe. */
function paneOf(line: string, open: Pane | null, heads: HeadForms): Pane | null | undefined {
  const cells = line.split('|');
  if (cells.length > MOST_BARS) return undefined;
  const row = asRow(line);
  if (!heads.mayHave(row)) return undefined;
  const at = cells.findIndex((cell) => endsWithHead(cell, heads));
  if (at < 0) return heads.is(row) ? { before: null } : undefined;
  const isQuote = at === cells.length - 1 && cells[0]!.length < LEAST_PANE && cells.slice(0, at).every((cell) => cell.trim() === '');
  return isQuote && open?.before !== at ? null : { before: at };
}

/** A heading, behind a few words of a program at most. */
function endsWithHead(cell: string, heads: HeadForms): boolean {
  const text = cell.trim();
  return heads.is(text) || (/^\S+[ \t]+\S/.test(text) && heads.is(text.replace(/^\S+[ \t]+/, '')));
}

function inPane(line: string, { before }: Pane): string {
  if (RULE.test(line)) return '';
  if (before === null) return asRow(line);
  const cells = line.split('|');
  return cells.length <= before ? line : cells[before]!.trimEnd();
}

function asRow(line: string): string {
  return line.replaceAll('|', '  ').trim();
}
