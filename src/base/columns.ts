// Text for terminals and for SVG: hostile characters made harmless, widths, wrapping.
import { harmless } from './shown-text.js';

/** For element content and attribute values alike. */
export function escapeXml(text: string): string {
  return harmless(text).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

const WIDE =
  /[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{1F300}-\u{1FAFF}\u{20000}-\u{3FFFD}]/u;

/** Columns of a terminal: 2 for wide characters, 0 for marks that join the one before. */
export function textColumns(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let columns = 0;
  for (const char of text) columns += /\p{M}|\p{Cf}/u.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
  return columns;
}

/** At most `columns` columns; what is cut ends in '~'. */
export function fitColumns(text: string, columns: number): string {
  if (textColumns(text) <= columns) return text;
  let out = '';
  let used = 0;
  for (const char of text) {
    const width = textColumns(char);
    if (used + width > columns - 1) break;
    out += char;
    used += width;
  }
  return columns < 1 ? '' : `${out}~`;
}

export function padColumns(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - textColumns(text)));
}

/** Lines of at most `columns` columns, broken at blanks and after commas; a longer word is cut into pieces. Never empty. */
export function wrapColumns(text: string, columns: number): string[] {
  const limit = Math.max(1, columns);
  const lines: string[] = [];
  let line = '';
  for (let piece of text.split(/(?<=[ ,])/)) {
    if (line !== '' && textColumns(line) + textColumns(piece.trimEnd()) > limit) {
      lines.push(line.trimEnd());
      line = '';
    }
    while (textColumns(piece.trimEnd()) > limit) {
      let head = '';
      for (const char of piece) {
        if (head !== '' && textColumns(head) + textColumns(char) > limit) break;
        head += char;
      }
      lines.push(head);
      piece = piece.slice(head.length);
    }
    line += piece;
  }
  if (line.trim() !== '' || lines.length === 0) lines.push(line.trimEnd());
  return lines;
}
