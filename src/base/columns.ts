// Text in the columns of a terminal: its width, and text that is cut, padded and wrapped to a
// width. Widths are those of Unicode's grapheme clusters: two columns for an emoji or a CJK
// character, none for a combining mark or a colour.
import { createRequire } from 'node:module';
import type StringWidth from 'string-width';

const PLAIN = /^[\x20-\x7e]*$/;

/**
 * Made at the first text that is not plain ASCII: Unicode's tables take 50 ms, a sixth of a short
 * command.
 */
let unicode: { readonly stringWidth: typeof StringWidth; readonly graphemes: Intl.Segmenter } | undefined;

function unicodeTables() {
  unicode ??= {
    stringWidth: (createRequire(import.meta.url)('string-width') as { default: typeof StringWidth }).default,
    graphemes: new Intl.Segmenter(),
  };
  return unicode;
}

/** Columns of a terminal; colours (ANSI escapes) take none. */
export function textColumns(text: string): number {
  return PLAIN.test(text) ? text.length : unicodeTables().stringWidth(text);
}

/** Grapheme clusters: what a reader sees as one character. */
function characters(text: string): Iterable<string> {
  return PLAIN.test(text) ? text : Array.from(unicodeTables().graphemes.segment(text), ({ segment }) => segment);
}

/** At most `columns` columns, without colours; what is cut ends in `end`. */
export function fitColumns(text: string, columns: number, end = '~'): string {
  if (textColumns(text) <= columns) return text;
  const room = columns - textColumns(end);
  if (room < 0) return '';
  let out = '';
  let used = 0;
  for (const character of characters(text)) {
    used += textColumns(character);
    if (used > room) break;
    out += character;
  }
  return out + end;
}

/** Filled with blanks on the right to `columns` columns. */
export function padColumns(text: string, columns: number): string {
  return text + blanksTo(text, columns);
}

/** Filled with blanks on the left to `columns` columns. */
export function padColumnsLeft(text: string, columns: number): string {
  return blanksTo(text, columns) + text;
}

function blanksTo(text: string, columns: number): string {
  return ' '.repeat(Math.max(0, columns - textColumns(text)));
}

/**
 * Lines of at most `columns` columns, broken at blanks and after commas; a longer word is cut into
 * pieces. Never empty.
 */
export function wrapColumns(text: string, columns: number): string[] {
  const limit = Math.max(1, columns);
  const lines: string[] = [];
  let line = '';
  for (const piece of text.split(/(?<=[ ,])/)) {
    if (line !== '' && textColumns(line) + textColumns(piece.trimEnd()) > limit) {
      lines.push(line.trimEnd());
      line = '';
    }
    const parts = cutPieces(piece, limit);
    line += parts.pop()!;
    lines.push(...parts);
  }
  if (line.trim() !== '' || lines.length === 0) lines.push(line.trimEnd());
  return lines;
}

/** A word in pieces of at most `limit` columns; one character wider than that stays whole. */
function cutPieces(word: string, limit: number): string[] {
  if (textColumns(word.trimEnd()) <= limit) return [word];
  const pieces: string[] = [];
  let piece = '';
  for (const character of characters(word)) {
    if (piece !== '' && textColumns(piece) + textColumns(character.trimEnd()) > limit) {
      pieces.push(piece);
      piece = '';
    }
    piece += character;
  }
  return [...pieces, piece];
}

/**
 * Breaks a sentence at blanks so that no line is longer than `columns`; lines after the first start
 * with `indent`. A longer word (a path, a link) stays whole, so that it can be copied.
 */
export function wrapWords(text: string, columns: number, indent = ''): string[] {
  const lead = /^ */.exec(text)![0];
  const lines: string[] = [];
  let line = '';
  for (const word of text.slice(lead.length).split(' ')) {
    const next = line === '' ? `${lead}${word}` : `${line} ${word}`;
    if (line !== '' && textColumns(next) > columns) {
      lines.push(line);
      line = indent + word;
    } else line = next;
  }
  return [...lines, line];
}
