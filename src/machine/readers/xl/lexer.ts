// Tokens of an xl guest config, as xl's own lexer finds them (Xen 4.17,
// tools/libs/util/libxlu_cfg_l.l and libxlu_cfg.c).
import { InputError } from '../../../base/errors.js';
import { strtoul } from './c-numbers.js';

export interface Token {
  readonly kind: 'name' | 'number' | 'string' | 'mark' | 'newline' | 'end';
  /** Its content: a string without its quotes and escapes. */
  readonly text: string;
  readonly line: number;
}

/**
 * Blanks, newline or comment with its newline, name, number, mark, string: the longest match
 * counts.
 */
const TOKEN =
  /([ \t]+)|(\n|#[^\n]*\n)|([a-z][._0-9a-z]*)|([0-9][0-9a-fx]*)|(\+=|[=[\],;])|('(?:[^'\\\n]|\\[^\n])*'|"(?:[^"\\\n]|\\[^\n])*")/y;

/**
 * @param file name of the text in errors
 * @throws InputError with the line for text that xl's lexer refuses
 */
export function tokenize(file: string, text: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let at = 0;
  while (at < text.length) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) throw lexicalError(file, text, at, line);
    at = TOKEN.lastIndex;
    if (match[2] !== undefined) tokens.push({ kind: 'newline', text: '', line: line++ });
    else if (match[3] !== undefined) tokens.push({ kind: 'name', text: match[3], line });
    else if (match[4] !== undefined) tokens.push({ kind: 'number', text: match[4], line });
    else if (match[5] !== undefined) tokens.push({ kind: 'mark', text: match[5], line });
    else if (match[6] !== undefined) tokens.push({ kind: 'string', text: unquote(file, match[6], line), line });
  }
  tokens.push({ kind: 'end', text: '', line });
  return tokens;
}

function lexicalError(file: string, text: string, at: number, line: number): InputError {
  const character = text[at]!;
  const fault = (message: string, mend: string) => new InputError(message, { file, line }, mend);
  if (character === '\r') return fault('the line ends with a carriage return, which xl refuses', 'save the file with Unix line ends');
  if (character === '#') return fault('a comment on the last line needs a newline at its end', 'end the file with a newline');
  if (character === '"' || character === "'") return fault('a string does not end on its line', 'close the quote on the same line');
  if (/[A-Z]/.test(character)) {
    return fault(`xl's names are lower case, got '${clip(text, at)}'`, 'write the name in lower case, and a value in quotes');
  }
  if (/[-+.]/.test(character))
    return fault(`'${clip(text, at)}' is not a number for xl`, 'write whole numbers without a sign, or put the value in quotes');
  const shown = character.codePointAt(0)! < 32 ? `character ${character.codePointAt(0)}` : `'${character}'`;
  return fault(`${shown} has no meaning here`, 'write settings such as name = "web", vcpus = 4, cpus = ["0-3", "4"]');
}

function clip(text: string, at: number): string {
  return /^[^\s]{0,30}/.exec(text.slice(at, at + 30))![0];
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  '\\': '\\',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/**
 * The escapes of xl's strings, with the faults of xlu__cfgl_dequote: `\x..` is always refused, and
 * the digits of `\012` are read but leave no character behind.
 */
function unquote(file: string, quoted: string, line: number): string {
  if (quoted.includes('\0')) throw new InputError('a string holds a NUL character', { file, line }, 'remove it');
  const end = quoted.length - 1;
  let value = '';
  let at = 1;
  while (at < end) {
    const character = quoted[at++]!;
    if (character !== '\\') {
      value += character;
      continue;
    }
    const letter = quoted[at++]!;
    const plain = ESCAPES[letter];
    const number = /[0-7]/.test(letter) ? strtoul(quoted.slice(at, at + 3)) : null;
    if (plain !== undefined) value += plain;
    else if (number !== null && number.end >= 2) at += number.end;
    else
      throw new InputError(
        `xl refuses the escape '\\${letter}' in a string`,
        { file, line },
        `write the character itself; \\" \\' \\\\ \\n and \\t work`,
      );
  }
  return value;
}
