// The language of get_all_records_where: field "name" = "value", not, and, or, true, false and
// parentheses (ocaml/database/db_filter*.ml of xen-api). Pure.
import { xapiErrors } from '../wire/errors.js';
import { type Wire, WireDate, WireFloat, type WireStruct } from '../wire/values.js';

export interface Filter {
  /** @throws XapiError INVALID_VALUE for a field that the record does not have */
  matches(record: WireStruct): boolean;
  /**
   * Work done so far: a unit for a comparison, and for each 32 characters that were compared or
   * made from a value.
   */
  readonly work: number;
}

/** Characters that take about as long as a comparison. */
const UNIT_CHARS = 32;

type Test = (record: WireStruct) => boolean;

/** Longest expression, and how deep it may nest. */
export const FILTER_LIMITS = { chars: 16_384, depth: 32 } as const;

type Token = { readonly kind: 'word'; readonly text: string } | { readonly kind: 'string'; readonly text: string };
type Value = (record: WireStruct) => string;

/** @throws XapiError INVALID_VALUE for a malformed expression */
export function parseFilter(text: string): Filter {
  const parser = new FilterParser(text);
  const matches = parser.either(0);
  parser.end();
  return {
    matches,
    get work() {
      return parser.work;
    },
  };
}

class FilterParser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  /** One for each name of a field, so that a value becomes text once for each record. */
  readonly #fields = new Map<string, Value>();
  #at = 0;
  work = 0;

  constructor(text: string) {
    this.#text = text;
    if (text.length > FILTER_LIMITS.chars) throw this.#fault();
    this.#tokens = this.#scan();
  }

  either(depth: number): Test {
    let left = this.#both(depth);
    while (this.#take('or')) {
      const [first, second] = [left, this.#both(depth)];
      left = (record) => first(record) || second(record);
    }
    return left;
  }

  end(): void {
    if (this.#at < this.#tokens.length) throw this.#fault();
  }

  #both(depth: number): Test {
    let left = this.#one(depth);
    while (this.#take('and')) {
      const [first, second] = [left, this.#one(depth)];
      left = (record) => first(record) && second(record);
    }
    return left;
  }

  #one(depth: number): Test {
    if (depth > FILTER_LIMITS.depth) throw this.#fault();
    if (this.#take('true')) return () => true;
    if (this.#take('false')) return () => false;
    if (this.#take('not')) {
      const inner = this.#one(depth + 1);
      return (record) => !inner(record);
    }
    if (this.#take('(')) {
      const inner = this.either(depth + 1);
      if (!this.#take(')')) throw this.#fault();
      return inner;
    }
    const left = this.#value();
    if (!this.#take('=')) throw this.#fault();
    const right = this.#value();
    return (record) => this.#same(left(record), right(record));
  }

  #value(): Value {
    const isField = this.#take('field');
    const token = this.#tokens[this.#at++];
    if (token?.kind !== 'string') throw this.#fault();
    if (!isField) return () => token.text;
    return this.#field(token.text);
  }

  #field(text: string): Value {
    const known = this.#fields.get(text);
    if (known !== undefined) return known;
    // The database's names of fields in groups have two underscores.
    const names = [text, text.replaceAll('__', '_')];
    let [lastRecord, lastText]: [WireStruct | null, string] = [null, ''];
    const value = (record: WireStruct): string => {
      if (record === lastRecord) return lastText;
      const name = names.find((one) => Object.hasOwn(record, one));
      if (name === undefined) throw this.#fault();
      const given = record[name]!;
      [lastRecord, lastText] = [record, asText(given)];
      if (typeof given === 'object') this.work += lastText.length / UNIT_CHARS;
      return lastText;
    };
    this.#fields.set(text, value);
    return value;
  }

  #same(left: string, right: string): boolean {
    this.work += left.length === right.length ? 1 + left.length / UNIT_CHARS : 1;
    return left === right;
  }

  #take(word: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'word' || token.text !== word) return false;
    this.#at++;
    return true;
  }

  #scan(): Token[] {
    const tokens: Token[] = [];
    const pattern = /\s*(?:([A-Za-z]+|[()=])|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')/y;
    const text = this.#text.trimEnd();
    while (pattern.lastIndex < text.length) {
      const found = pattern.exec(text);
      if (found === null) throw this.#fault();
      if (found[1] !== undefined) tokens.push({ kind: 'word', text: found[1] });
      else tokens.push({ kind: 'string', text: (found[2] ?? found[3])!.replace(/\\(.)/gs, '$1') });
    }
    return tokens;
  }

  #fault() {
    return xapiErrors.invalidValue('expr', this.#text.slice(0, 200));
  }
}

/** As the database holds it: numbers and booleans as text. */
function asText(value: Wire): string {
  if (value instanceof WireDate) return value.text;
  if (value instanceof WireFloat) return String(value.value);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
