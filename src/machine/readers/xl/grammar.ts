// Grammar of xl guest configs: assignments of strings, numbers and lists (Xen 4.17,
// tools/libs/util/libxlu_cfg_y.y). It gives them no meaning.
import { InputError } from '../../../base/errors.js';
import { guardSize, INPUT_LIMITS, type InputText } from '../input-text.js';
import { type Token, tokenize } from './lexer.js';

/** Strings and numbers are both kept as text, as xl keeps them. */
export type XlValue = string | readonly XlValue[];

export interface XlSetting {
  readonly value: XlValue;
  readonly line: number;
  /** Whether it was written with `+=`. xl reads no number from such a setting. */
  readonly added: boolean;
}

/** Most items or characters of a setting that may still be appended to. */
const MAX_APPENDED = 8192;
const EXAMPLE = 'write settings such as name = "web", vcpus = 4, cpus = ["0-3", "4"]';

/**
 * All assignments: a later one replaces an earlier one of the same name, `+=` appends to a list or
 * a string.
 * @throws InputError with the line, for text that xl refuses
 */
export function parseXlConfig(input: InputText): Map<string, XlSetting> {
  guardSize(input, INPUT_LIMITS.xlConfigChars);
  return new Parser(input.file, tokenize(input.file, input.text)).file();
}

class Parser {
  readonly #name: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(name: string, tokens: readonly Token[]) {
    this.#name = name;
    this.#tokens = tokens;
  }

  file(): Map<string, XlSetting> {
    const settings = new Map<string, XlSetting>();
    for (;;) {
      while (this.#endsStatement()) this.#at++;
      if (this.#peek().kind === 'end') return settings;
      this.#assignment(settings);
    }
  }

  #assignment(settings: Map<string, XlSetting>): void {
    const name = this.#peek();
    const sign = this.#tokens[this.#at + 1] ?? name;
    if (name.kind !== 'name' || sign.kind !== 'mark' || !/^\+?=$/.test(sign.text)) {
      throw this.#fault(`expected 'name = value', got ${show(name)}`, name.line);
    }
    this.#at += 2;
    const value = this.#value(0);
    const added = sign.text === '+=';
    const before = settings.get(name.text)?.value;
    const whole = added && before !== undefined ? this.#append(name, before, value) : value;
    settings.set(name.text, { value: whole, line: name.line, added });
    const after = this.#peek();
    if (!this.#endsStatement() && after.kind !== 'end') {
      throw this.#fault(`expected the end of the line after '${clip(name.text)}', got ${show(after)}`, after.line);
    }
  }

  #value(depth: number): XlValue {
    const token = this.#peek();
    if (depth > INPUT_LIMITS.depth) throw this.#fault(`lists are nested more than ${INPUT_LIMITS.depth} deep`, token.line);
    if (token.kind === 'string' || token.kind === 'number') {
      this.#at++;
      return token.text;
    }
    if (token.kind === 'name') {
      throw this.#fault(`xl takes no word without quotes as a value, got ${show(token)}`, token.line, `write "${clip(token.text)}"`);
    }
    if (!this.#isMark('[')) throw this.#fault(`expected a string, a number or a list, got ${show(token)}`, token.line);
    this.#at++;
    return this.#list(depth);
  }

  /**
   * Starts after the '['. Newlines are allowed between any two parts, and a comma after the last
   * item.
   */
  #list(depth: number): XlValue[] {
    const items: XlValue[] = [];
    for (this.#skipNewlines(); !this.#isMark(']'); this.#skipNewlines()) {
      items.push(this.#value(depth + 1));
      this.#skipNewlines();
      if (this.#isMark(',')) this.#at++;
      else if (!this.#isMark(']')) throw this.#fault(`expected ',' or ']' in the list, got ${show(this.#peek())}`, this.#peek().line);
    }
    this.#at++;
    return items;
  }

  #append(name: Token, before: XlValue, value: XlValue): XlValue {
    if (before.length > MAX_APPENDED) throw this.#fault(`'${clip(name.text)}' is longer than ${MAX_APPENDED}`, name.line);
    if (typeof before === 'string' && typeof value === 'string') return before + value;
    if (typeof before !== 'string' && typeof value !== 'string') return [...before, ...value];
    throw this.#fault(`'${clip(name.text)}' is a string in one place and a list in another`, name.line, 'append a list to a list');
  }

  #peek(): Token {
    return this.#tokens[this.#at]!;
  }

  #isMark(text: string): boolean {
    return this.#peek().kind === 'mark' && this.#peek().text === text;
  }

  #endsStatement(): boolean {
    return this.#peek().kind === 'newline' || this.#isMark(';');
  }

  #skipNewlines(): void {
    while (this.#peek().kind === 'newline') this.#at++;
  }

  #fault(message: string, line: number, mend = EXAMPLE): InputError {
    return new InputError(message, { file: this.#name, line }, mend);
  }
}

function clip(text: string): string {
  return text.slice(0, 40);
}

function show(token: Token): string {
  if (token.kind === 'end') return 'the end of the file';
  return token.kind === 'newline' ? 'the end of the line' : `'${clip(token.text)}'`;
}
