// The lines of a text without the additions of terminals, forums, mail programs and loggers:
// colours, quote marks, fences, indentation of code, time stamps, status lines, hard wraps.
import { withoutPrefixes } from './head-prefix.js';
import { undressed } from './line-dress.js';
import { withoutLineNumbers, withoutTrailingStamps } from './margins.js';
import { withoutPanes } from './panes.js';
import { plainText } from './plain-text.js';
import { unquoted } from './unquoted.js';
import { type CleanLine, type LineForms, unwrapped } from './unwrapped.js';

/** ANSI colours, titles of windows, carriage returns, zeros, blanks without width. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals do send them.
const DECORATION = /\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[\r\0\u200b\ufeff]/g;
const ODD_BLANKS = /[\u00a0\u2007\u202f]/g;
/** Lines of the terminal or the forum, wherever they come: a listing goes on after them. */
const BETWEEN: readonly RegExp[] = [
  /^[ \t]*(?:```|~~~)[ \t]*[\w{}.-]*[ \t]*$/,
  // tmux, screen
  /^\[[^\]]{1,40}\] \d+:\S.*"[^"]*" \d{1,2}:\d{2} \S+\s*$/,
  /^\[ ?\S+ ?\]\[.*\]\s*$/,
  // more, less, man's pager
  /^(?:--More--.*|\(END\)|lines \d+-\d+.*)\s*$/,
  // script(1), ssh
  /^Script (?:started|done)\b/,
  /^Connection to \S+ closed\.\s*$/,
];
/** less' question, or the end of a line of Xen's dump that was cut before it. */
const QUESTION = /^:\s*$/;
const LACKS_COLON = /(?:\(total: \d+\)|of each domain)$/;
/** What stands before the first line of an output: a question of sudo or doas, tags of a forum. */
const BEFORE =
  /^(?:\[sudo\][^:]*: ?|doas \([^)]*\) password: ?|\[(?:code|quote|pre|php|spoiler|font|size|color|mono)(?:=[^\]]*)?\]|\{(?:code|noformat)(?::[^}]*)?\})+/i;
const AFTER = /(?:\[\/(?:code|quote|pre|php|spoiler|font|size|color|mono)\]|\{(?:code|noformat)\})+\s*$/i;
/** What forums show in bold, coloured or as code: a whole command, or a part of a row. */
const EMPHASIS: readonly RegExp[] = [
  /\[(b|i|u|s|c|color|size|font|mono)(?:=[^\]]*)?\](.*?)\[\/\1\]/gi,
  /<(b|i|u|em|strong|tt|small|mark)>(.*?)<\/\1>/gi,
  /(\*\*|__)(?=\S)(.*?\S)\1/g,
  /^(`)([^`]+)`$/g,
  // "-> 67584 <-": a figure that a writer points at from both sides.
  /(--?>) ?(\S+) ?<--?(?!\S)/g,
];
/** "   <--- here": what a writer points at. */
const POINTER = /^(.*?\S)[ \t]+(?:<[-=]+|<{2,}|\u2190+|\u21d0+)(?:[ \t].*)?$/;
/** What syslog and xenconsoled write before a message of Xen: date, host, program. */
const LOGGED = /^(?:[^()\s]+[ \t]+){1,8}(?=\(XEN\)[ \t])/;
export function cleanLines(text: string, forms: LineForms): CleanLine[] {
  const { standsAlone, begins, heads } = forms;
  const raw = plainText(text)
    .split('\n')
    .map((line) => line.replace(DECORATION, '').replace(ODD_BLANKS, ' '));
  const { lines: bare, numbers } = withoutLineNumbers(raw);
  const plain = withoutPrefixes(unquoted(withoutPanes(withoutTrailingStamps(bare), heads)), forms);
  const lines = undressed(plain, begins).flatMap((line, index) => {
    const own = pointed(plainest(line.replace(LOGGED, '').replace(BEFORE, '').replace(AFTER, '')), standsAlone);
    const isQuestion = QUESTION.test(own) && !LACKS_COLON.test(plain[index - 1] ?? '');
    return isQuestion || BETWEEN.some((form) => form.test(own)) ? [] : [{ text: own, number: numbers[index]! }];
  });
  return unwrapped(unindented(lines, begins), forms).map((line) => ({ ...line, text: line.text.trimEnd() }));
}

/** The keys and values of XenStore and of JSON are in quotes: nothing within them is emphasis. */
function plainest(line: string): string {
  return line.includes('"') ? line : EMPHASIS.reduce((plain, form) => plain.replace(form, '$2'), line);
}

/** Names may have arrows in them: a row must be whole before one. */
function pointed(line: string, standsAlone: (line: string) => boolean): string {
  const row = line.includes('"') ? undefined : POINTER.exec(line)?.[1];
  return row !== undefined && standsAlone(row) ? row : line;
}

/**
 * Blocks between empty lines lose the indentation that all of their lines have, and what an output
 * has below a sentence of its own.
 */
function unindented(lines: readonly CleanLine[], begins: (line: string) => boolean): CleanLine[] {
  const found: CleanLine[] = [];
  for (let from = 0; from < lines.length; ) {
    let to = from;
    while (to < lines.length && lines[to]!.text.trim() !== '') to++;
    const block = lines.slice(from, to);
    let indent = block.reduce((least, { text }) => Math.min(least, indentOf(text)), Number.POSITIVE_INFINITY);
    for (const line of block) {
      const own = indentOf(line.text);
      if (own < indent || (own > indent && begins(line.text.trimStart()))) indent = own;
      found.push({ ...line, text: line.text.slice(indent) });
    }
    if (to < lines.length) found.push(lines[to]!);
    from = to + 1;
  }
  return found;
}

function indentOf(text: string): number {
  return text.search(/\S/);
}
