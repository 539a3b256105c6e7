// Syntax of xl guest configs: assignments of strings, numbers and lists, as `xl` reads them (docs/man/xl.cfg.5). No meaning here.
import { InputError } from '../../base/errors.js';
import { guardSize, INPUT_LIMITS, type InputText } from './input-text.js';

/** Strings and numbers are both kept as text, as xl keeps them. */
export type XlValue = string | readonly XlValue[];

export interface XlSetting {
  readonly value: XlValue;
  readonly line: number;
}

interface Token {
  readonly kind: 'word' | 'string' | 'mark' | 'newline' | 'end';
  readonly text: string;
  readonly line: number;
}

/** Items or characters that a setting may have before it is appended to once more. */
const MAX_APPENDED = 8192;

const TOKEN = /[ \t\r]+|#[^\n]*|(\n)|([A-Za-z0-9_.-]+)|(\+=|[=[\],;])|(['"])/y;

/**
 * Reads all assignments; a later one replaces an earlier one of the same name, `+=` appends to a list or a string.
 * @throws InputError with the line
 */
export function parseXlConfig(input: InputText): Map<string, XlSetting> {
  guardSize(input, INPUT_LIMITS.xlConfigChars);
  const fault = (message: string, line: number) =>
    new InputError(message, { file: input.file, line }, 'write settings such as name = "web", vcpus = 4, cpus = ["0-3", "4"]');
  const tokens = tokenize(input.text.replace(/^\uFEFF/, ''), fault);
  const settings = new Map<string, XlSetting>();
  let at = 0;
  const peek = () => tokens[at]!;
  const skipNewlines = () => {
    while (peek().kind === 'newline') at++;
  };
  const readValue = (depth: number): XlValue => {
    const token = peek();
    if (depth > INPUT_LIMITS.depth) throw fault(`lists are nested more than ${INPUT_LIMITS.depth} deep`, token.line);
    if (token.kind === 'string' || token.kind === 'word') {
      at++;
      return token.text;
    }
    if (token.text !== '[' || token.kind !== 'mark') throw fault(`expected a string, a number or a list, got ${show(token)}`, token.line);
    at++;
    const items: XlValue[] = [];
    for (skipNewlines(); peek().text !== ']' || peek().kind !== 'mark'; skipNewlines()) {
      items.push(readValue(depth + 1));
      skipNewlines();
      if (peek().kind === 'mark' && peek().text === ',') at++;
      else if (peek().kind !== 'mark' || peek().text !== ']')
        throw fault(`expected ',' or ']' in the list, got ${show(peek())}`, peek().line);
    }
    at++;
    return items;
  };
  for (;;) {
    while (peek().kind === 'newline' || (peek().kind === 'mark' && peek().text === ';')) at++;
    const name = peek();
    if (name.kind === 'end') return settings;
    const sign = tokens[at + 1] ?? name;
    if (name.kind !== 'word' || !/^[A-Za-z_]/.test(name.text) || sign.kind !== 'mark' || !/^\+?=$/.test(sign.text)) {
      throw fault(`expected 'name = value', got ${show(name)}`, name.line);
    }
    at += 2;
    const value = readValue(0);
    const before = settings.get(name.text)?.value;
    if (before !== undefined && before.length > MAX_APPENDED)
      throw fault(`'${name.text.slice(0, 40)}' is longer than ${MAX_APPENDED}`, name.line);
    settings.set(name.text, { value: sign.text === '+=' && before !== undefined ? append(before, value) : value, line: name.line });
    const after = peek();
    if (after.kind !== 'newline' && after.kind !== 'end' && !(after.kind === 'mark' && after.text === ';')) {
      throw fault(`expected the end of the line after '${name.text.slice(0, 40)}', got ${show(after)}`, after.line);
    }
  }
}

function append(before: XlValue, value: XlValue): XlValue {
  if (typeof before === 'string' && typeof value === 'string') return before + value;
  return [...(typeof before === 'string' ? [before] : before), ...(typeof value === 'string' ? [value] : value)];
}

function show(token: Token): string {
  if (token.kind === 'end') return 'the end of the file';
  return token.kind === 'newline' ? 'the end of the line' : `'${token.text.slice(0, 40)}'`;
}

function tokenize(text: string, fault: (message: string, line: number) => InputError): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let at = 0;
  while (at < text.length) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) throw fault(`'${text[at]}' has no meaning here`, line);
    at = TOKEN.lastIndex;
    if (match[4] !== undefined) {
      const end = readString(text, at, match[4]);
      if (end === undefined) throw fault('a string has no end on its line', line);
      tokens.push({ kind: 'string', text: end.value, line });
      at = end.next;
    } else if (match[1] !== undefined) tokens.push({ kind: 'newline', text: '', line: line++ });
    else if (match[2] !== undefined) tokens.push({ kind: 'word', text: match[2], line });
    else if (match[3] !== undefined) tokens.push({ kind: 'mark', text: match[3], line });
  }
  tokens.push({ kind: 'newline', text: '', line }, { kind: 'end', text: '', line });
  return tokens;
}

/** From behind the opening quote; a backslash keeps the next character as it is. */
function readString(text: string, start: number, quote: string): { value: string; next: number } | undefined {
  const parts: string[] = [];
  let from = start;
  for (let at = start; at < text.length && text[at] !== '\n'; at++) {
    if (text[at] === quote) return { value: parts.join('') + text.slice(from, at), next: at + 1 };
    if (text[at] === '\\') {
      parts.push(text.slice(from, at));
      from = ++at;
    }
  }
  return undefined;
}
