// The user's YAML and JSON, parsed within bounds and checked against a zod schema, with the line in
// every error.
import { isAlias, isCollection, isMap, isNode, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import * as z from 'zod';
import { InputError } from '../../base/errors.js';
import { nearestWord } from '../../base/nearest-word.js';
import { guardSize, INPUT_LIMITS, type InputText } from './input-text.js';

/** The input of a reader of our own forms: the checked value, and the place of each part. */
export interface Structured<T> {
  readonly value: T;
  /**
   * An error at a path such as ['vms', 3, 'memory']; the line is that of the nearest part that
   * exists.
   */
  fault(path: readonly PropertyKey[], message: string, mend: string): InputError;
}

/**
 * @param mend advice for text that the schema refuses, one sentence
 * @throws InputError with file, line and path for text that is not YAML, too large, too deep, with
 * an alias bomb, or not of the schema
 */
export function readStructured<S extends z.ZodType>(input: InputText, schema: S, mend: string): Structured<z.output<S>> {
  guardSize(input, INPUT_LIMITS.structuredChars);
  const counter = new LineCounter();
  const lineAt = (offset: number) => counter.linePos(offset).line;
  const { contents, plain } = parse(input, counter);
  const fault = (path: readonly PropertyKey[], message: string, how: string) => {
    const line = lineOf(contents, path, lineAt);
    const shown = showPath(path);
    return new InputError(
      message,
      { file: input.file, ...(line === undefined ? {} : { line }), ...(shown === '' ? {} : { path: shown }) },
      how,
    );
  };
  const result = schema.safeParse(plain);
  if (result.success) return { value: result.data, fault };
  // A mistyped field is reported rather than the field that is missing because of it.
  const issues = result.error.issues.flatMap((each) => insideUnion(each, valueAt(plain, each.path)));
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!;
  throw fault(issue.path, describeIssue(issue, valueAt(plain, issue.path), schema), mend);
}

/**
 * For an object where one of several forms is expected, the issues of the form that is an object.
 * A union with words of its own keeps them.
 */
function insideUnion(issue: z.core.$ZodIssue, value: unknown): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union' || issue.message !== 'Invalid input' || typeof value !== 'object' || Array.isArray(value))
    return [issue];
  const form = issue.errors.find((errors) => errors.every(({ code, path }) => code !== 'invalid_type' || path.length > 0));
  return form?.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })) ?? [issue];
}

function parse(input: InputText, counter: LineCounter): { contents: Node; plain: unknown } {
  const broken = (message: string, line?: number, mend = 'correct the YAML or JSON there') =>
    new InputError(message, { file: input.file, ...(line === undefined ? {} : { line }) }, mend);
  guardNesting(input, broken);
  try {
    // The library compares each key with all others. checkTree uses a set instead.
    const document = parseDocument(input.text, { lineCounter: counter, uniqueKeys: false, prettyErrors: false, logLevel: 'silent' });
    const error = document.errors[0];
    if (error !== undefined) throw broken(`not YAML or JSON: ${error.message}`, counter.linePos(error.pos[0]).line);
    if (document.contents === null) throw broken('expected a description, got nothing');
    checkTree(document.contents, (node, message, mend) =>
      broken(message, node.range ? counter.linePos(node.range[0]).line : undefined, mend),
    );
    return { contents: document.contents, plain: document.toJS({ maxAliasCount: INPUT_LIMITS.aliases }) };
  } catch (error) {
    if (error instanceof InputError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    if (/alias/i.test(message)) {
      throw broken(
        `more than ${INPUT_LIMITS.aliases} aliases would be resolved, or one has no anchor`,
        undefined,
        'write the repeated parts out',
      );
    }
    throw broken(
      /call stack/i.test(message) ? `nested more than ${INPUT_LIMITS.depth} deep` : `not YAML or JSON: ${message.slice(0, 200)}`,
    );
  }
}

/**
 * Too many items would take minutes; brackets that stay open beyond the limit, or a line of "- -
 * -", would exhaust the parser's stack: refused before it runs.
 */
function guardNesting(input: InputText, broken: (message: string, line: number, mend: string) => InputError): void {
  let depth = 0;
  let dashes = 0;
  let marks = 0;
  let line = 1;
  for (let i = 0; i < input.text.length; i++) {
    const code = input.text.charCodeAt(i);
    if (code === 0x0a) line++;
    if (code === 0x0a || code === 0x2c || code === 0x3a) marks++;
    if (code === 0x5b || code === 0x7b) depth++;
    else if ((code === 0x5d || code === 0x7d) && depth > 0) depth--;
    if (code === 0x2d || code === 0x3f || code === 0x3a) dashes++;
    else if (code !== 0x20) dashes = 0;
    if (marks > INPUT_LIMITS.marks)
      throw broken(`more than ${INPUT_LIMITS.marks} items`, line, 'use count for VMs that are alike, and ranges for CPUs');
    if (depth > INPUT_LIMITS.depth || dashes > 4 * INPUT_LIMITS.depth) {
      throw broken(`nested more than ${INPUT_LIMITS.depth} deep`, line, 'a description needs no more than a few levels');
    }
  }
}

/** Checks depth, duplicate keys, and aliases inside their own anchor, without recursion. */
function checkTree(root: Node, broken: (node: Node, message: string, mend: string) => InputError): void {
  const todo: { node: unknown; depth: number; anchors: readonly string[] }[] = [{ node: root, depth: 0, anchors: [] }];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const { node, depth } = next;
    if (isAlias(node) && next.anchors.includes(node.source)) {
      throw broken(node, `*${node.source.slice(0, 60)} is inside the part that it names`, 'write the part out instead');
    }
    if (!isCollection(node)) continue;
    const anchors = node.anchor === undefined ? next.anchors : [...next.anchors, node.anchor];
    if (depth > INPUT_LIMITS.depth)
      throw broken(node as Node, `nested more than ${INPUT_LIMITS.depth} deep`, 'a description needs no more than a few levels');
    const keys = new Set<unknown>();
    for (const item of node.items) {
      if (!isMap(node)) {
        todo.push({ node: item, depth: depth + 1, anchors });
        continue;
      }
      const pair = item as { key: unknown; value: unknown };
      const key = keyOf(pair.key);
      if (keys.has(key))
        throw broken(isNode(pair.key) ? pair.key : (node as Node), `'${String(key).slice(0, 60)}' is given twice`, 'keep one of them');
      keys.add(key);
      todo.push({ node: pair.value, depth: depth + 1, anchors });
    }
  }
}

function lineOf(root: Node, path: readonly PropertyKey[], lineAt: (offset: number) => number): number | undefined {
  let line = root.range ? lineAt(root.range[0]) : undefined;
  let node: unknown = root;
  for (const key of path) {
    if (!isCollection(node)) break;
    const next = node.get(key as string | number, true);
    if (isNode(next) && next.range) line = lineAt(next.range[0]);
    else if (next === undefined) break;
    node = next;
  }
  return line;
}

function showPath(path: readonly PropertyKey[]): string {
  return path.map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${String(key)}`)).join('');
}

function valueAt(plain: unknown, path: readonly PropertyKey[]): unknown {
  let value = plain;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

/** Lists and texts that are too short or too long; null for any other issue. */
function boundOf(issue: z.core.$ZodIssue): string | null {
  if (issue.code !== 'too_small' && issue.code !== 'too_big') return null;
  const units: Readonly<Record<string, string>> = { array: 'entries', string: 'characters' };
  const unit = units[issue.origin];
  if (unit === undefined) return null;
  if (issue.code === 'too_big') return `expected at most ${issue.maximum} ${unit}, got more`;
  if (Number(issue.minimum) !== 1) return `expected at least ${issue.minimum} ${unit}, got fewer`;
  return issue.origin === 'array' ? 'expected at least one entry, got none' : 'expected a text, got an empty one';
}

/** zod's sentence with the value found; for an unknown field, the name that it most resembles. */
function describeIssue(issue: z.core.$ZodIssue, value: unknown, schema: z.ZodType): string {
  if (issue.code === 'unrecognized_keys') {
    const near = nearestWord(issue.keys[0]!, fieldNames(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })));
    const question = near === undefined ? '' : `; did you mean '${near}'?`;
    return `expected only known fields, got '${issue.keys.slice(0, 3).join("', '").slice(0, 120)}'${question}`;
  }
  const text = JSON.stringify(value) ?? 'nothing';
  const bound = boundOf(issue);
  if (bound !== null) return bound;
  const sentence = issue.message.replace(/^Invalid input: /, '').replace(/, received .*$/, '');
  return `${sentence}, got ${text.length > 80 ? `${text.slice(0, 80)}...` : text}`;
}

/** Names of the fields of all objects in a JSON Schema. */
function fieldNames(schema: unknown): Set<string> {
  const names = new Set<string>();
  const todo = [schema];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const { properties } = next as { properties?: object };
    for (const name of Object.keys(properties ?? {})) names.add(name);
    todo.push(...Object.values(next));
  }
  return names;
}

/** The identity of a YAML key. */
function keyOf(key: unknown): unknown {
  if (isScalar(key)) return key.value;
  return isAlias(key) ? `*${key.source}` : key;
}
